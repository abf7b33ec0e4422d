//! Who works on which partition, as a pure state machine: inputs in, effects out, no client and no clock.
//!
//! ```text
//!            assigned                    revoked, stopped               finished, or the deadline
//! (nothing) ──────────▶ Running ───────────────────────▶ Draining ────────────────────────────▶ (nothing)
//!                          │ finished with an error: everything drains, then the run ends with it
//! ```
//!
//! Invariants:
//! - A partition has one worker at most.
//! - A revocation is answered once, when its last partition has drained or its deadline has passed; the
//!   group waits for the answer, so the deadline bounds how long one member can hold up all.
//! - A partition whose deadline has passed is given up with its worker dropped, which is a crash, and safe.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use soma_core::error::{Code, Error};
use soma_core::ids::Partition;

/// What the group's partitions mean to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Other members may have some of them.
    Some,
    /// It needs all of them: its stores are its own.
    All,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The group gives us these; `of` is how many the topic has.
    Assigned { partitions: Vec<Partition>, of: usize },
    /// The group takes these back and waits for us to let go.
    Revoked(Vec<Partition>),
    /// The group has given these to somebody else already.
    Lost(Vec<Partition>),
    /// A worker has ended.
    Finished(Partition, Result<(), Error>),
    /// The client has failed for good.
    Failed(Error),
    /// The process ends.
    Stop,
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Tell the group that we take these.
    Accept(Vec<Partition>),
    /// Start a worker.
    Start(Partition),
    /// Ask a worker to finish its step.
    Drain(Partition),
    /// Drop a worker.
    Abort(Partition),
    /// Commit what these reached, then tell the group that we let go of them.
    Release(Vec<Partition>),
    /// Leave the group.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Draining { until: Duration },
}

/// The partitions of one member.
#[derive(Debug)]
pub(super) struct Machine {
    drain: Duration,
    share: Share,
    partitions: BTreeMap<Partition, Phase>,
    /// Revocations that wait for their partitions: what was revoked, and what of it still drains.
    owed: Vec<(Vec<Partition>, BTreeSet<Partition>)>,
    stopping: bool,
    left: bool,
    failure: Option<Error>,
}

impl Machine {
    pub(super) fn new(drain: Duration, share: Share) -> Self {
        let (partitions, owed) = (BTreeMap::new(), Vec::new());
        Self { drain, share, partitions, owed, stopping: false, left: false, failure: None }
    }

    /// Makes one transition.
    pub(super) fn on(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Assigned { partitions, of } => self.assigned(partitions, of, now, &mut effects),
            Input::Revoked(partitions) => self.revoked(partitions, now, &mut effects),
            Input::Lost(partitions) => {
                for partition in &partitions {
                    if self.partitions.remove(partition).is_some() {
                        effects.push(Effect::Abort(*partition));
                    }
                    self.settle(*partition);
                }
                effects.push(Effect::Release(partitions));
            }
            Input::Finished(partition, result) => self.finished(partition, result, now, &mut effects),
            Input::Failed(error) => self.fail(error, now, &mut effects),
            Input::Stop => self.stop(now, &mut effects),
            Input::Tick => {}
        }
        self.overdue(now, &mut effects);
        self.answer(&mut effects);
        if self.stopping && self.partitions.is_empty() && !self.left {
            self.left = true;
            effects.push(Effect::Leave);
        }
        effects
    }

    /// When something is due although nothing happens.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let until = |phase: &Phase| match phase {
            Phase::Running => None,
            Phase::Draining { until } => Some(*until),
        };
        self.partitions.values().filter_map(until).min()
    }

    /// Partitions that are worked on.
    pub(super) fn running(&self) -> Vec<Partition> {
        let running = |(partition, phase): (&Partition, &Phase)| (*phase == Phase::Running).then_some(*partition);
        self.partitions.iter().filter_map(running).collect()
    }

    /// Whether the group has been left.
    pub(super) fn left(&self) -> bool {
        self.left
    }

    /// What the run ends with.
    pub(super) fn into_result(self) -> Result<(), Error> {
        self.failure.map_or(Ok(()), Err)
    }

    fn assigned(&mut self, partitions: Vec<Partition>, of: usize, now: Duration, effects: &mut Vec<Effect>) {
        effects.push(Effect::Accept(partitions.clone()));
        if self.stopping {
            return;
        }
        let added = partitions.iter().filter(|partition| !self.partitions.contains_key(partition)).count();
        if self.share == Share::All && self.partitions.len() + added < of {
            return self.fail(shared(), now, effects);
        }
        for partition in partitions {
            match self.partitions.get_mut(&partition) {
                Some(Phase::Running) => {}
                // The group did not wait for us: the claim of the next worker fences the one that drains.
                Some(Phase::Draining { .. }) => {
                    effects.push(Effect::Abort(partition));
                    self.settle(partition);
                    self.start(partition, effects);
                }
                None => self.start(partition, effects),
            }
        }
    }

    fn start(&mut self, partition: Partition, effects: &mut Vec<Effect>) {
        self.partitions.insert(partition, Phase::Running);
        effects.push(Effect::Start(partition));
    }

    fn revoked(&mut self, partitions: Vec<Partition>, now: Duration, effects: &mut Vec<Effect>) {
        for partition in &partitions {
            self.drain(*partition, now, effects);
        }
        let drains = |partition: &&Partition| self.partitions.contains_key(partition);
        let waits = partitions.iter().filter(drains).copied().collect();
        let took_some = self.share == Share::All && !partitions.is_empty() && !self.stopping;
        self.owed.push((partitions, waits));
        if took_some {
            self.fail(shared(), now, effects);
        }
    }

    fn drain(&mut self, partition: Partition, now: Duration, effects: &mut Vec<Effect>) {
        let until = now + self.drain;
        if let Some(phase @ Phase::Running) = self.partitions.get_mut(&partition) {
            *phase = Phase::Draining { until };
            effects.push(Effect::Drain(partition));
        }
    }

    fn finished(&mut self, partition: Partition, result: Result<(), Error>, now: Duration, effects: &mut Vec<Effect>) {
        let phase = self.partitions.remove(&partition);
        if let Err(error) = result {
            self.fail(error, now, effects);
        } else if phase == Some(Phase::Running) {
            let what = format!("the projector of partition {partition} ended by itself");
            self.fail(Error::new(Code::Internal, what).remedy("report this as a defect"), now, effects);
        }
        self.settle(partition);
    }

    /// Ends the run with an error; the first one stands.
    fn fail(&mut self, error: Error, now: Duration, effects: &mut Vec<Effect>) {
        if self.failure.is_none() {
            self.failure = Some(error);
        }
        self.stop(now, effects);
    }

    fn stop(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.stopping = true;
        let all: Vec<Partition> = self.partitions.keys().copied().collect();
        for partition in all {
            self.drain(partition, now, effects);
        }
    }

    fn overdue(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let late = |(partition, phase): (&Partition, &Phase)| match phase {
            Phase::Draining { until } if *until <= now => Some(*partition),
            Phase::Draining { .. } | Phase::Running => None,
        };
        let late: Vec<Partition> = self.partitions.iter().filter_map(late).collect();
        for partition in late {
            self.partitions.remove(&partition);
            self.settle(partition);
            effects.push(Effect::Abort(partition));
        }
    }

    /// The partition holds up no revocation any more.
    fn settle(&mut self, partition: Partition) {
        for (_, waits) in &mut self.owed {
            waits.remove(&partition);
        }
    }

    fn answer(&mut self, effects: &mut Vec<Effect>) {
        let (done, owed) = std::mem::take(&mut self.owed).into_iter().partition(|(_, waits)| waits.is_empty());
        self.owed = owed;
        let done: Vec<(Vec<Partition>, BTreeSet<Partition>)> = done;
        effects.extend(done.into_iter().map(|(partitions, _)| Effect::Release(partitions)));
    }
}

fn shared() -> Error {
    Error::new(Code::InUse, "the consumer group has other members, and these stores need every partition")
        .remedy("give this process a KAFKA_CONSUMER_GROUP of its own, or stop the other members")
}
