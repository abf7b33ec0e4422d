//! A member of the consumer group: which partitions this process projects.
//!
//! The group shares partitions out; a [`Worker`] per partition does the rest: it claims the partition in the
//! stores, which fences whoever had it, checks the log, and projects. So the group is never the truth about a
//! position, and a mistake of it costs work done twice, not an event.
//!
//! `machine.rs` decides, without a client; `member.rs` is the client; this page carries out.

mod machine;
mod member;

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{Offset, Partition};
use soma_core::projector::Worker;
use soma_core::pulse::{self, Pulse, Pulses};
use tokio::sync::mpsc::Receiver;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use super::{client, facts};
use machine::{Effect, Input, Machine};
use member::{Command, Event, Member, Parts};

pub use machine::Share;

/// How long another member may take to be gone, when these stores need every partition: a process that was
/// killed stays a member until its session has ended.
const ALONE_WITHIN: Duration = Duration::from_secs(25);
const ALONE_EVERY: Duration = Duration::from_secs(1);
/// How long leaving the group may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// How often a failure that lasts is told of.
const TROUBLE_EVERY: Duration = Duration::from_secs(30);
/// What may wait between the client's thread and this task.
const QUEUE: usize = 256;

/// Offsets for the group, so that ordinary tools see the lag. A hint: nothing of ours reads them.
#[derive(Clone, Debug, Default)]
pub struct Commits(Arc<Mutex<BTreeMap<Partition, Offset>>>);

impl Commits {
    /// Nothing to commit yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note that both stores have passed a partition up to before `next`. Committed about once a
    /// second, and when the partition is released. Never waits.
    pub fn commit_later(&self, partition: Partition, next: Offset) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, next);
    }

    fn get(&self, partition: Partition) -> Option<Offset> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }

    fn forget(&self, partitions: &[Partition]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|partition, _| !partitions.contains(partition));
    }
}

/// What a member tells about itself.
#[derive(Debug)]
pub enum Change {
    /// The group has shared its partitions out; these are worked on here, maybe the same as before.
    Rebalanced {
        /// In order.
        running: Vec<Partition>,
    },
    /// The client fails at something and tries again.
    Trouble(Error),
}

/// How a member behaves.
#[derive(Clone)]
pub struct Options {
    /// Whether other members may have some of the partitions.
    pub share: Share,
    /// How long a worker may take to finish its step when its partition goes elsewhere.
    pub drain: Duration,
    /// Where the projectors note how far they are.
    pub commits: Commits,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where it is seen that every loop moves: the client's thread, what carries its word out, each worker.
    pub pulses: Pulses,
    /// Who wants to know. Calls are brief and never block.
    pub on_change: Arc<dyn Fn(Change) + Send + Sync>,
}

impl Options {
    /// A member that shares, and that nobody watches.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (commits, on_change) = (Commits::new(), Arc::new(|_| {}));
        let pulses = Pulses::new(Arc::clone(&clock));
        Self { share: Share::Some, drain: Duration::from_secs(20), commits, clock, pulses, on_change }
    }
}

/// Projects what the group gives to this process, until `stop`; then finishes the steps in hand and leaves.
///
/// `worker` makes the worker of a partition; it is run until the partition goes elsewhere.
///
/// # Errors
/// What halted a worker; `bad_config`; `unavailable` when the client has failed for good; `in_use` when the
/// stores need every partition and the group has other members.
pub async fn run(
    settings: &Settings,
    worker: impl Fn(Partition) -> Worker,
    options: Options,
    stop: CancellationToken,
) -> Result<()> {
    let member = Member::join(Parts {
        config: &client::member(settings)?,
        context: client::context(settings, &options.clock),
        topic: &settings.topic,
        share: options.share,
        commits: options.commits.clone(),
        clock: Arc::clone(&options.clock),
    })?;
    let (commands, orders) = sync_channel(QUEUE);
    let (said, events) = tokio::sync::mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new().name("soma-kafka-group".into());
    let pulse = options.pulses.begin("polling the consumer group");
    let sharing = options.pulses.begin("sharing partitions out");
    thread
        .spawn(move || member.run(&pulse, &orders, &said))
        .map_err(|e| Error::new(Code::Unavailable, "cannot start the thread of the group's member").because(e))?;
    let machine = Machine::new(options.drain, options.share);
    let run = Run { worker, options, commands, machine, hands: Hands::default(), told: None };
    sharing.keep(run.until(events, stop)).await
}

/// As [`run`], with all partitions for this process: for stores that nobody else can reach. Waits a while
/// for former members to be gone.
///
/// # Errors
/// As [`run`]; `in_use` when the group has other members.
pub async fn run_all(
    settings: &Settings,
    worker: impl Fn(Partition) -> Worker,
    options: Options,
    stop: CancellationToken,
) -> Result<()> {
    let clock = Arc::clone(&options.clock);
    let start = clock.elapsed();
    loop {
        let members = facts::members(settings, &clock).await?;
        if members.is_empty() {
            break;
        }
        if clock.elapsed().saturating_sub(start) >= ALONE_WITHIN {
            let (group, hosts) = (&settings.group, members.join(", "));
            return Err(Error::new(Code::InUse, format!("consumer group {group} has other members ({hosts})"))
                .remedy("give this process a KAFKA_CONSUMER_GROUP of its own, or stop the other members"));
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = clock.sleep(ALONE_EVERY) => {}
        }
    }
    run(settings, worker, Options { share: Share::All, ..options }, stop).await
}

/// The workers that run.
#[derive(Default)]
struct Hands {
    tasks: JoinSet<Result<()>>,
    partitions: HashMap<Id, Partition>,
    hands: BTreeMap<Partition, (CancellationToken, AbortHandle)>,
}

impl Hands {
    fn start(&mut self, partition: Partition, worker: Worker, pulse: Pulse) {
        let token = CancellationToken::new();
        let handle = self.tasks.spawn(pulse.keep(worker.run(token.clone())));
        self.partitions.insert(handle.id(), partition);
        self.hands.insert(partition, (token, handle));
    }

    fn drain(&self, partition: Partition) {
        if let Some((token, _)) = self.hands.get(&partition) {
            token.cancel();
        }
    }

    fn abort(&mut self, partition: Partition) {
        if let Some((_, handle)) = self.hands.remove(&partition) {
            self.partitions.remove(&handle.id());
            handle.abort();
        }
    }

    /// The next worker that ends and was not dropped; never, when there is none.
    async fn ended(&mut self) -> (Partition, Result<()>) {
        loop {
            let (id, result) = match self.tasks.join_next_with_id().await {
                Some(Ok((id, result))) => (id, result),
                Some(Err(error)) => {
                    let id = error.id();
                    (id, Err(Error::new(Code::Internal, "a projector panicked").because(error)))
                }
                None => std::future::pending().await,
            };
            if let Some(partition) = self.partitions.remove(&id) {
                self.hands.remove(&partition);
                return (partition, result);
            }
        }
    }
}

struct Run<W> {
    worker: W,
    options: Options,
    commands: SyncSender<Command>,
    machine: Machine,
    hands: Hands,
    /// The remedy of what the client last failed at, and when that was told.
    told: Option<(Option<String>, Duration)>,
}

impl<W: Fn(Partition) -> Worker> Run<W> {
    async fn until(mut self, mut events: Receiver<Event>, stop: CancellationToken) -> Result<()> {
        let clock = Arc::clone(&self.options.clock);
        let mut stopped = false;
        while !self.machine.left() {
            let deadline = self.machine.deadline();
            let wait = deadline.map_or(pulse::EVERY, |until| until.saturating_sub(clock.elapsed()));
            let input = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.said(event),
                    None => return Err(Error::new(Code::Internal, "the group member's thread has ended")
                        .remedy("restart, and report this as a defect")),
                },
                (partition, result) = self.hands.ended() => Some(Input::Finished(partition, result)),
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    Some(Input::Stop)
                }
                // Where nothing is due it is a beat.
                () = clock.sleep(wait.min(pulse::EVERY)) => Some(Input::Tick),
            };
            let Some(input) = input else { continue };
            let is_answer = matches!(input, Input::Assigned { .. });
            let before = self.machine.running();
            for effect in self.machine.on(input, clock.elapsed()) {
                self.carry_out(effect);
            }
            let running = self.machine.running();
            if running != before {
                tracing::info!(group.partitions = ?running, "the group has shared its partitions out");
            }
            if running != before || is_answer {
                (self.options.on_change)(Change::Rebalanced { running });
            }
        }
        // The channel closes when the client has left the group.
        let gone = async { while events.recv().await.is_some() {} };
        if tokio::time::timeout(LEAVE_WITHIN, gone).await.is_err() {
            tracing::warn!("leaving the consumer group takes long; its session will end by itself");
        }
        self.machine.into_result()
    }

    fn said(&mut self, event: Event) -> Option<Input> {
        match event {
            Event::Assigned { partitions, of } => Some(Input::Assigned { partitions, of }),
            Event::Revoked(partitions) => Some(Input::Revoked(partitions)),
            Event::Lost(partitions) => {
                tracing::warn!(group.partitions = ?partitions, "the group has given partitions away: this member was silent");
                Some(Input::Lost(partitions))
            }
            Event::Trouble(error) => {
                self.trouble(error);
                None
            }
            Event::Failed(error) => Some(Input::Failed(error)),
        }
    }

    /// Tells of a failure once, and again when it lasts: the client repeats itself many times a second, in
    /// changing words. What has another remedy is another failure.
    fn trouble(&mut self, error: Error) {
        let (remedy, now) = (error.remedy.clone(), self.options.clock.elapsed());
        let lately = |at: Duration| now.saturating_sub(at) < TROUBLE_EVERY;
        if self.told.as_ref().is_some_and(|(told, at)| *told == remedy && lately(*at)) {
            return;
        }
        tracing::warn!("{error}");
        self.told = Some((remedy, now));
        (self.options.on_change)(Change::Trouble(error));
    }

    fn carry_out(&mut self, effect: Effect) {
        let command = match effect {
            Effect::Accept(partitions) => Command::Accept(partitions),
            Effect::Release(partitions) => Command::Release(partitions),
            Effect::Leave => Command::Leave,
            Effect::Start(partition) => {
                self.options.commits.forget(&[partition]);
                let pulse = self.options.pulses.begin(format!("projecting partition {partition}"));
                return self.hands.start(partition, (self.worker)(partition), pulse);
            }
            Effect::Drain(partition) => return self.hands.drain(partition),
            Effect::Abort(partition) => return self.hands.abort(partition),
        };
        // The thread takes commands every few milliseconds; a closed channel shows at the next event.
        if let Err(error) = self.commands.try_send(command) {
            tracing::error!("the member of the consumer group does not listen: {error}");
        }
    }
}
