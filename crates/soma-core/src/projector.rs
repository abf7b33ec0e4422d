//! The projector: reads the log and keeps both stores up to date, one partition at a time.
//!
//! One [`Worker`] owns one partition. Each [`Worker::step`] is one transition of this machine:
//!
//! ```text
//! unclaimed ──claim, check the log, repair the index──▶ following ──read, fold, stage, index, commit──▶ following
//!     ▲                                                    │ store or log away: back off, same batch again
//!     └────────── fenced by another projector ─────────────┤
//!                                                          └ log replaced, data corrupt: halted
//! ```
//!
//! Invariants:
//! - The position moves in the transaction that holds the records of its batch, and only after the
//!   index has applied the batch under the batch's `rev`.
//! - `indexed` never passes what the index is known to hold after a crash ([`durable`]).
//! - A batch that touches threads holds them locked from before its `rev` is drawn until it commits, and
//!   rewrites every point that its changes reach, under that `rev` ([`crate::context`]).
//! - A dead letter is durable before the position passes its record.
//! - After the log could not be read, it must still hold the event before the position, or the projector
//!   halts: it may have been made anew meanwhile.
//! - A failed step has rolled back before any waiting begins; nothing of an outage becomes a dead letter.
//! - A batch that stores cannot take within their deadlines is cut until they can.
//! - A backlog is read and embedded one batch ahead; what was made ahead is dropped on any failure.
//! - What an event means is decided by [`crate::fold`] alone; whether to retry, by [`verdict`] alone.

mod ahead;
mod batch;
mod durable;
mod letters;
pub mod observe;
pub mod points;
mod reach;
mod takeover;
mod vectors;
pub mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::Error;
use crate::event::schemas::Schemas;
use crate::ids::{Offset, Partition};
use crate::index::VectorIndex;
use crate::limits;
use crate::log::{DeadLetters, EventLog, ReadLimit};
use crate::pulse;
use crate::store::{Claim, LastEvent, MemoryStore, ProjectorName};

use ahead::{Ahead, Batch};
use durable::Trail;
use observe::{Component, Observer};
use vectors::Vectors;
use verdict::Verdict;

/// What one projector works on. A projector has a name and a set of stores; another name over the
/// same log into other stores is a rebuild or a reader of its own.
#[derive(Clone)]
pub struct Projector {
    /// Under which name positions are kept.
    pub name: ProjectorName,
    /// Where events come from.
    pub log: Arc<dyn EventLog>,
    /// Where refused events go.
    pub letters: Arc<dyn DeadLetters>,
    /// The records.
    pub store: Arc<dyn MemoryStore>,
    /// The points; `None` projects records only.
    pub index: Option<Arc<dyn VectorIndex>>,
    /// What makes the vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Which schemas exist.
    pub schemas: Arc<dyn Schemas>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know how it goes.
    pub observer: Arc<dyn Observer>,
    /// Bounds.
    pub options: Options,
}

/// The bounds of a projector.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most records and bytes of one batch.
    pub batch: ReadLimit,
    /// How often a changing index is made durable.
    pub flush_interval: Duration,
    /// The largest event value, in bytes.
    pub value_bytes_max: usize,
    /// The first wait after a failure; it doubles with each further one.
    pub backoff_min: Duration,
    /// The longest wait after a failure.
    pub backoff_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch: ReadLimit { records: limits::BATCH_EVENTS, bytes: limits::BATCH_BYTES },
            flush_interval: limits::FLUSH_INTERVAL,
            value_bytes_max: limits::VALUE_BYTES_DEFAULT,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// What one step did.
#[derive(Debug)]
pub enum Step {
    /// Took the partition over; the index is repaired.
    Claimed {
        /// The first offset that is not yet projected.
        next: Offset,
    },
    /// Committed a batch.
    Projected {
        /// How many records it passed.
        records: usize,
    },
    /// Flushed the index, or marked how far it has become durable.
    Flushed,
    /// Reached the end of the log.
    Idle,
    /// A dependency failed; nothing has changed. Wait, then step again.
    Failed {
        /// Which part failed.
        component: Component,
        /// How.
        error: Error,
        /// How long to wait.
        wait: Duration,
    },
    /// Another projector owns the partition; the next step claims it again.
    Released(Error),
    /// Going on could corrupt or hide something: an operator has to decide.
    Halted(Error),
}

/// A failure and the part that it happened in.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) component: Component,
    pub(crate) error: Error,
}

impl Failure {
    pub(crate) fn of(component: Component) -> impl FnOnce(Error) -> Self {
        move |error| Self { component, error }
    }
}

/// A claimed partition and how far it has come.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) claim: Claim,
    pub(crate) next: Offset,
    /// The event just before `next`, by which the log is known again.
    pub(crate) last: Option<LastEvent>,
    /// The log could not be read: it may be another one by now.
    doubtful: bool,
    /// Whether something was written to the index since the last flush.
    pub(crate) dirty: bool,
    pub(crate) flushed_at: Duration,
    /// What was flushed and is not yet known to be durable.
    trail: Trail,
    /// Records whose dead letters are durable though the position has not passed them yet.
    pub(crate) lettered: BTreeSet<Offset>,
    /// What was embedded lately.
    vectors: Vectors,
}

impl Session {
    /// Flushes what was written, and marks what has become durable.
    pub(crate) async fn flush(&mut self, projector: &Projector) -> Result<(), Failure> {
        if self.dirty {
            if let Some(index) = &projector.index {
                index.flush().await.map_err(Failure::of(Component::VectorIndexer))?;
            }
            self.flushed_at = projector.clock.elapsed();
            self.trail.flushed(self.flushed_at, self.next);
            self.dirty = false;
        }
        if let Some(durable) = self.trail.durable(projector.clock.elapsed()) {
            let marked = projector.store.mark_indexed(&self.claim, durable).await;
            marked.map_err(Failure::of(Component::KvWriter))?;
            self.trail.marked(durable);
        }
        Ok(())
    }
}

/// Projects one partition.
pub struct Worker {
    projector: Projector,
    partition: Partition,
    session: Option<Session>,
    /// How many steps in a row have failed.
    failures: u32,
    /// The most records of the next batch; halved to find a row that a store refuses, and for slow stores.
    batch_records: usize,
    paused: Option<Component>,
    /// The next batch, made ready while the last one was applied.
    ahead: Option<Ahead>,
}

impl Worker {
    /// A worker that has not claimed its partition yet.
    #[must_use]
    pub fn new(projector: Projector, partition: Partition) -> Self {
        let batch_records = projector.options.batch.records;
        Self { projector, partition, session: None, failures: 0, batch_records, paused: None, ahead: None }
    }

    /// Takes the partition: nothing may be read from the stores before, because until then the index may
    /// lack what the records hold, and nothing may be appended, because the log may be the wrong one.
    ///
    /// # Errors
    /// Why it cannot be taken: `log_replaced`, `corrupt`, or what a port answered with.
    pub async fn take(&mut self) -> Result<(), Error> {
        match self.step().await {
            Step::Failed { error, .. } | Step::Released(error) | Step::Halted(error) => Err(error),
            Step::Claimed { .. } | Step::Projected { .. } | Step::Flushed | Step::Idle => Ok(()),
        }
    }

    /// Makes one transition. Dropping the future at any point is a crash, and safe.
    pub async fn step(&mut self) -> Step {
        let result = match &self.session {
            None => self.claim().await,
            Some(session) if self.flush_due(session) => self.flush().await,
            Some(_) => self.project().await,
        };
        match result {
            Ok(step) => {
                self.failures = 0;
                self.resume();
                step
            }
            Err(failure) => self.judge(failure),
        }
    }

    /// Steps until `stop`, then finishes the step in hand and makes the index durable. While it waits, for
    /// records or for what is away, it wakes every now and then, so that its pulse goes on.
    ///
    /// # Errors
    /// What halted it; an operator has to decide.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match self.step().await {
                Step::Claimed { next } => {
                    tracing::info!(log.partition = self.partition, log.offset = next, "projector took its partition");
                }
                Step::Projected { .. } | Step::Flushed => {}
                Step::Idle => self.wait_for_records(&stop).await,
                Step::Failed { component, error, wait } => {
                    tracing::warn!(
                        component = component.as_str(),
                        error.code = error.code.as_str(),
                        retry_ms = wait.as_millis() as u64,
                        "projector paused: {error}"
                    );
                    self.pause(&stop, wait).await;
                }
                Step::Released(error) => {
                    tracing::warn!(log.partition = self.partition, "projector gave its partition up: {error}");
                    let wait = self.projector.options.backoff_max;
                    self.pause(&stop, wait).await;
                }
                Step::Halted(error) => return Err(error),
            }
        }
        if self.session.as_ref().is_some_and(|session| session.dirty) {
            match self.flush().await {
                Ok(_) => {}
                Err(failure) => {
                    tracing::warn!("index is not durable at shutdown, the next start repairs it: {}", failure.error)
                }
            }
        }
        Ok(())
    }

    /// The first offset that is not yet projected, once the partition is claimed.
    #[must_use]
    pub fn next(&self) -> Option<Offset> {
        self.session.as_ref().map(|session| session.next)
    }

    async fn claim(&mut self) -> Result<Step, Failure> {
        let session = takeover::take(&self.projector, self.partition).await?;
        let next = session.next;
        self.session = Some(session);
        self.ahead = None;
        Ok(Step::Claimed { next })
    }

    fn flush_due(&self, session: &Session) -> bool {
        self.until_flush(session).is_zero()
    }

    /// How long until the index has to be flushed, or until something flushed becomes durable.
    fn until_flush(&self, session: &Session) -> Duration {
        let now = self.projector.clock.elapsed();
        let flush = session.dirty.then(|| session.flushed_at.saturating_add(self.projector.options.flush_interval));
        let due = flush.into_iter().chain(session.trail.due()).min();
        due.map_or(Duration::MAX, |due| due.saturating_sub(now))
    }

    async fn flush(&mut self) -> Result<Step, Failure> {
        let Some(session) = &mut self.session else { return Ok(Step::Idle) };
        session.flush(&self.projector).await?;
        Ok(Step::Flushed)
    }

    async fn project(&mut self) -> Result<Step, Failure> {
        let Some(session) = &mut self.session else { return Ok(Step::Idle) };
        if session.doubtful {
            if !takeover::is_the_same(&self.projector, session).await? {
                // Perhaps this side is wrong, about a commit that was answered with an error: the claim knows.
                return self.claim().await;
            }
            session.doubtful = false;
            self.ahead = None;
        }
        let limit = ReadLimit { records: self.batch_records, bytes: self.projector.options.batch.bytes };
        let mut batch = match self.ahead.take().and_then(|ahead| ahead.batch(session.next, limit)) {
            Some(batch) => batch,
            None => {
                let records = self.projector.log.read(self.partition, session.next, limit).await;
                Batch::of(records.map_err(Failure::of(Component::Log))?)
            }
        };
        let records = batch.records.len();
        let Some(last) = batch.records.last() else { return Ok(Step::Idle) };
        self.projector.observer.consumed(self.partition, records);
        let next = last.place.offset + 1;
        let prepare = async {
            if records < limit.records {
                None
            } else {
                Ahead::prepare(&self.projector, self.partition, next, limit).await
            }
        };
        let started = self.projector.clock.elapsed();
        let applied = batch::apply(&self.projector, session, &mut batch, prepare).await;
        let took = self.projector.clock.elapsed().saturating_sub(started);
        match applied {
            Ok(ahead) => {
                self.ahead = ahead;
                if took < limits::BATCH_SLOW / 2 {
                    self.batch_records = (self.batch_records * 2).min(self.projector.options.batch.records);
                }
                Ok(Step::Projected { records })
            }
            Err(failure) if verdict::of(&failure.error) == Verdict::DeadLetter => {
                self.isolate(failure, &batch.records).await
            }
            Err(failure) => {
                // What a slow store cannot take within its deadline it would never take.
                if took >= limits::BATCH_SLOW {
                    self.batch_records = (records / 2).max(1);
                }
                Err(failure)
            }
        }
    }

    /// A store refused some row of the batch: halve the batch until the row is alone, then move it
    /// to the dead letters and pass it.
    async fn isolate(&mut self, failure: Failure, records: &[crate::log::Record]) -> Result<Step, Failure> {
        let Some(session) = &mut self.session else { return Ok(Step::Idle) };
        if let [record] = records {
            batch::give_up(&self.projector, session, record, &failure).await?;
            return Ok(Step::Projected { records: 1 });
        }
        self.batch_records = (records.len() / 2).max(1);
        Ok(Step::Projected { records: 0 })
    }

    fn judge(&mut self, failure: Failure) -> Step {
        let Failure { component, error } = failure;
        self.projector.observer.failed(component, &error);
        match verdict::of(&error) {
            Verdict::Retry => {
                self.failures = self.failures.saturating_add(1);
                if let (Component::Log, Some(session)) = (component, &mut self.session) {
                    session.doubtful = true;
                }
                if self.paused.is_none() {
                    self.paused = Some(component);
                    self.projector.observer.paused(component, true);
                }
                Step::Failed { component, wait: self.backoff(), error }
            }
            Verdict::Release => {
                self.session = None;
                Step::Released(error)
            }
            Verdict::DeadLetter | Verdict::Halt => {
                self.session = None;
                self.projector.observer.halted(self.partition, &error);
                Step::Halted(error)
            }
        }
    }

    fn resume(&mut self) {
        if let Some(component) = self.paused.take() {
            self.projector.observer.paused(component, false);
        }
    }

    /// Doubles from the shortest wait to the longest, less up to half of it at random, so that
    /// projectors that failed together do not return together.
    fn backoff(&self) -> Duration {
        let Options { backoff_min, backoff_max, .. } = self.projector.options;
        let doubled = backoff_min.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let full = doubled.min(backoff_max);
        let [byte, ..] = self.projector.clock.random();
        full - full.mul_f64(f64::from(byte) / 512.0)
    }

    async fn wait_for_records(&mut self, stop: &CancellationToken) {
        let Some(session) = &self.session else { return };
        let clock = &self.projector.clock;
        let until_flush = self.until_flush(session);
        let records = async {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                waited = self.projector.log.wait(self.partition, session.next) => {
                    if waited.is_err() {
                        clock.sleep(self.projector.options.backoff_min).await;
                    }
                    waited
                }
                () = clock.sleep(until_flush), if until_flush < Duration::MAX => Ok(()),
            }
        };
        let waited = pulse::waiting(&**clock, records).await;
        if let (Err(_), Some(session)) = (waited, &mut self.session) {
            session.doubtful = true;
        }
    }

    async fn pause(&self, stop: &CancellationToken, wait: Duration) {
        let clock = &*self.projector.clock;
        let pause = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock.sleep(wait) => {}
            }
        };
        pulse::waiting(clock, pause).await;
    }
}

/// A worker that goes, perhaps in the middle of a step, waits for nothing any more.
impl Drop for Worker {
    fn drop(&mut self) {
        self.resume();
    }
}
