//! One consumer, one thread that polls it, and the lanes that it fills.
//!
//! The thread alone assigns and unassigns, so a record that arrives belongs to where its lane was last put:
//! the client drops what it fetched before. A full lane is unassigned and later assigned again at its
//! position, because the client's own pause keeps an idea of the position that we could not check.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition};
use soma_core::log::Record;
use soma_core::pulse::Pulse;

use super::lane::{Fetching, Lane};
use crate::kafka::context::Context;
use crate::kafka::{classify, message};

/// The thread looks around at least so often: one event of the client may hide another.
const TICK: Duration = Duration::from_millis(100);
/// Messages that are handed to the lanes together.
const TOGETHER: usize = 512;
/// Bytes of them.
const TOGETHER_BYTES: usize = 4 << 20;
/// Errors after which the partition may be gone, or another one.
const DOUBTS: [RDKafkaErrorCode; 5] = [
    RDKafkaErrorCode::AutoOffsetReset,
    RDKafkaErrorCode::OffsetOutOfRange,
    RDKafkaErrorCode::UnknownTopic,
    RDKafkaErrorCode::UnknownTopicOrPartition,
    RDKafkaErrorCode::UnknownPartition,
];
/// A lane that nobody has read for so long is given up.
const IDLE: Duration = Duration::from_secs(60);

/// What a fetcher is made of.
pub(super) struct Parts {
    pub(super) config: ClientConfig,
    pub(super) context: Context,
    pub(super) topic: String,
    pub(super) log: LogId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pulse: Pulse,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) lanes: BTreeMap<Partition, Lane>,
    pub(super) epochs: u64,
    /// The last failure that the client reported since a record last came.
    pub(super) failure: Option<Error>,
    closing: bool,
    dead: bool,
}

#[derive(Default)]
struct Wake {
    signalled: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    fn signal(&self) {
        *self.signalled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let signalled = self.signalled.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(signalled, TICK, |signalled| !*signalled);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

pub(super) struct Fetcher {
    state: Arc<Mutex<State>>,
    wake: Arc<Wake>,
    thread: Option<JoinHandle<()>>,
}

impl Fetcher {
    /// Starts the client and its thread.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(super) fn start(parts: Parts) -> Result<Self> {
        let (state, wake) = (Arc::new(Mutex::new(State::default())), Arc::new(Wake::default()));
        let mut consumer: BaseConsumer<Context> = parts
            .config
            .create_with_context(parts.context.clone())
            .map_err(|e| classify::error("start a Kafka reader", &e))?;
        let nonempty = Arc::clone(&wake);
        consumer.set_nonempty_callback(move || nonempty.signal());
        let run =
            Run { consumer, parts, state: Arc::clone(&state), wake: Arc::clone(&wake), assigned: BTreeMap::new() };
        let thread = std::thread::Builder::new().name("soma-kafka-read".into()).spawn(move || run.run());
        let thread =
            thread.map_err(|e| Error::new(Code::Unavailable, "cannot start a Kafka reader's thread").because(e))?;
        Ok(Self { state, wake, thread: Some(thread) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that there is something to do.
    pub(super) fn wake(&self) {
        self.wake.signal();
    }
}

impl State {
    /// Puts a partition's lane somewhere.
    pub(super) fn place(&mut self, partition: Partition, at: Offset, bytes_max: usize, now: Duration) -> u64 {
        self.epochs += 1;
        let lane = Lane::new(self.epochs, at, bytes_max, now);
        if let Some(old) = self.lanes.insert(partition, lane) {
            old.arrived.notify_waiters();
        }
        self.epochs
    }

    /// Has every reader ask for the ends of its partition before it goes on.
    pub(super) fn doubt(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.doubted = true;
            lane.arrived.notify_waiters();
        }
    }

    /// Whether the thread has ended, and nothing will ever arrive.
    pub(super) fn dead(&self) -> bool {
        self.dead
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.lock().closing = true;
        self.wake.signal();
        if let Some(thread) = self.thread.take() {
            // The client leaves nothing behind: no thread and no connection.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Run {
    consumer: BaseConsumer<Context>,
    parts: Parts,
    state: Arc<Mutex<State>>,
    wake: Arc<Wake>,
    /// What is assigned, and for which lane.
    assigned: BTreeMap<Partition, Fetch>,
}

/// For which epoch of its lane, and for which fetch of it, a partition is assigned.
#[derive(Clone, Copy)]
struct Fetch {
    epoch: u64,
    fetch: u64,
}

enum Arrived {
    Record(Record),
    Ended(Partition),
    Failed(KafkaError),
}

impl Run {
    fn run(mut self) {
        let _dead = Dead(Arc::clone(&self.state));
        loop {
            self.parts.pulse.beat();
            let orders = {
                let mut state = lock(&self.state);
                if state.closing {
                    break;
                }
                self.orders(&mut state)
            };
            for order in orders {
                self.carry_out(order);
            }
            let arrived = self.poll();
            if arrived.is_empty() {
                self.wake.wait();
            } else {
                self.deliver(arrived);
            }
        }
        // Nothing is assigned when the client closes, so that closing waits for nothing.
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!("a Kafka reader closes with partitions assigned: {error}");
        }
    }

    /// What has to change: `Some(offset)` assigns there, `None` unassigns.
    fn orders(&self, state: &mut State) -> Vec<(Partition, Option<(Offset, Fetch)>)> {
        let now = self.parts.clock.elapsed();
        state.lanes.retain(|_, lane| lane.readers > 0 || now.saturating_sub(lane.used) < IDLE);
        let mut orders = Vec::new();
        for (partition, lane) in &mut state.lanes {
            match lane.fetching {
                Fetching::Wanted => {
                    lane.fetching = Fetching::Yes;
                    let fetch = Fetch { epoch: lane.epoch, fetch: lane.fetches };
                    orders.push((*partition, Some((lane.position(), fetch))));
                }
                Fetching::Full if self.assigned.contains_key(partition) => orders.push((*partition, None)),
                Fetching::Full | Fetching::Yes => {}
            }
        }
        let gone = self.assigned.keys().filter(|partition| !state.lanes.contains_key(partition));
        orders.extend(gone.map(|partition| (*partition, None)));
        orders
    }

    fn carry_out(&mut self, (partition, to): (Partition, Option<(Offset, Fetch)>)) {
        if self.assigned.remove(&partition).is_some()
            && let Err(error) =
                one(&self.parts.topic, partition, 0).and_then(|l| self.consumer.incremental_unassign(&l))
        {
            tracing::warn!(log.partition = partition, "cannot stop reading a partition: {error}");
        }
        let Some((at, fetch)) = to else { return };
        match one(&self.parts.topic, partition, at).and_then(|list| self.consumer.incremental_assign(&list)) {
            Ok(()) => {
                self.assigned.insert(partition, fetch);
            }
            Err(error) => {
                let doing = format!("read topic {} partition {partition}", self.parts.topic);
                let mut state = lock(&self.state);
                state.failure = Some(classify::error(&doing, &error));
                if let Some(lane) = state.lanes.get_mut(&partition) {
                    lane.fetching = Fetching::Wanted;
                }
            }
        }
    }

    /// What the client holds for us, until it seems to hold nothing.
    fn poll(&self) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        let (mut bytes, mut nothing) = (0, 0);
        while arrived.len() < TOGETHER && bytes < TOGETHER_BYTES && nothing < 2 {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    if let Some(record) = message::record(&self.parts.log, &message) {
                        bytes += record.size_bytes();
                        arrived.push(Arrived::Record(record));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    arrived.extend(Partition::try_from(partition).ok().map(Arrived::Ended));
                }
                Some(Err(error)) => arrived.push(Arrived::Failed(error)),
                // An event that was no message answers so too.
                None => nothing += 1,
            }
        }
        arrived
    }

    fn deliver(&self, arrived: Vec<Arrived>) {
        let mut state = lock(&self.state);
        for one in arrived {
            match one {
                Arrived::Record(record) => {
                    state.failure = None;
                    let partition = record.place.partition;
                    if let Some((lane, _)) = self.lane(&mut state, partition) {
                        lane.push(record);
                        lane.arrived.notify_waiters();
                    }
                }
                Arrived::Ended(partition) => {
                    state.failure = None;
                    if let Some((lane, fetch)) = self.lane(&mut state, partition) {
                        lane.ended(fetch);
                        lane.arrived.notify_waiters();
                    }
                }
                Arrived::Failed(error) => self.failed(&mut state, &error),
            }
        }
    }

    /// The lane that what arrives now is meant for, and in which of its fetches: not a lane that was put
    /// elsewhere meanwhile.
    fn lane<'a>(&self, state: &'a mut State, partition: Partition) -> Option<(&'a mut Lane, u64)> {
        let assigned = self.assigned.get(&partition)?;
        let lane = state.lanes.get_mut(&partition).filter(|lane| lane.epoch == assigned.epoch)?;
        Some((lane, assigned.fetch))
    }

    fn failed(&self, state: &mut State, error: &KafkaError) {
        if error.rdkafka_error_code().is_some_and(|code| DOUBTS.contains(&code)) {
            // The client does not say which partition: each reader asks for the ends of its own.
            state.doubt();
            return;
        }
        tracing::debug!("a Kafka reader failed and tries again: {error}");
        state.failure = Some(classify::error(&format!("read topic {}", self.parts.topic), error));
    }
}

/// Tells the readers when the thread has ended, even by a panic.
struct Dead(Arc<Mutex<State>>);

impl Drop for Dead {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.dead = true;
        for lane in state.lanes.values() {
            lane.arrived.notify_waiters();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one(topic: &str, partition: Partition, at: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    let partition = i32::try_from(partition).map_err(|_| KafkaError::Seek("no such partition".into()))?;
    let at = i64::try_from(at).map_err(|_| KafkaError::Seek("no such offset".into()))?;
    list.add_partition_offset(topic, partition, At::Offset(at))?;
    Ok(list)
}
