//! The client that is a member of the group, on a thread of its own.
//!
//! It polls without pause, so that the group keeps it whatever the stores do. What the group says is queued
//! inside the hook and answered later, when the state machine says so; only while the client closes is it
//! answered inside the hook, because nobody polls afterwards. Its partitions are paused: it fetches nothing.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use soma_core::clock::Clock;
use soma_core::error::Error;
use soma_core::ids::{Offset, Partition};
use soma_core::pulse::Pulse;
use tokio::sync::mpsc::Sender;

use super::Commits;
use super::machine::Share;
use crate::kafka::classify;
use crate::kafka::context::Context;

/// How long one poll waits; commands wait no longer.
const POLL: Duration = Duration::from_millis(25);
/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long the last commits may take.
const LAST_COMMITS: Duration = Duration::from_secs(3);
/// How long the number of partitions may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(3);

/// What the group says.
#[derive(Debug)]
pub(super) enum Event {
    Assigned {
        partitions: Vec<Partition>,
        of: usize,
    },
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
    /// The client fails at something and tries again.
    Trouble(Error),
    /// The client has failed for good.
    Failed(Error),
}

/// What the state machine decided.
#[derive(Debug)]
pub(super) enum Command {
    Accept(Vec<Partition>),
    Release(Vec<Partition>),
    Leave,
}

/// What the hooks leave for the thread.
#[derive(Default)]
struct Hooks {
    said: Mutex<VecDeque<Event>>,
    closing: AtomicBool,
    commits: AtomicUsize,
}

impl Hooks {
    /// A commit was answered, or will not be.
    fn answered(&self) {
        let less = |commits: usize| Some(commits.saturating_sub(1));
        let _ = self.commits.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

pub(super) struct MemberContext {
    inner: Context,
    hooks: Arc<Hooks>,
}

impl ClientContext for MemberContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.inner.log(level, facility, text);
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn StdError>> {
        self.inner.generate_oauth_token(config)
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, said: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.hooks.closing.load(Ordering::Acquire) {
            // Whatever it says: the client waits for us to let go, and nobody polls after it has closed.
            if consumer.incremental_unassign(list).is_err() {
                drop(consumer.unassign());
            }
            return;
        }
        let partitions: Vec<Partition> =
            list.elements().iter().filter_map(|element| Partition::try_from(element.partition()).ok()).collect();
        let event = if said == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Event::Assigned { partitions, of: 0 }
        } else if consumer.assignment_lost() {
            Event::Lost(partitions)
        } else {
            Event::Revoked(partitions)
        };
        self.hooks.said.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.hooks.answered();
        if let Err(error) = result {
            tracing::debug!("an offset was not committed to the group, which is only a hint: {error}");
        }
    }
}

/// The thread.
pub(super) struct Member {
    consumer: BaseConsumer<MemberContext>,
    hooks: Arc<Hooks>,
    topic: String,
    share: Share,
    commits: Commits,
    clock: Arc<dyn Clock>,
    owned: BTreeMap<Partition, Option<Offset>>,
    committed_at: Duration,
}

/// What a member is made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a rdkafka::ClientConfig,
    pub(super) context: Context,
    pub(super) topic: &'a str,
    pub(super) share: Share,
    pub(super) commits: Commits,
    pub(super) clock: Arc<dyn Clock>,
}

impl Member {
    /// Starts the client and subscribes.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(super) fn join(parts: Parts<'_>) -> Result<Self, Error> {
        let Parts { config, context, topic, share, commits, clock } = parts;
        let hooks = Arc::new(Hooks::default());
        let context = MemberContext { inner: context, hooks: Arc::clone(&hooks) };
        let failed = |error: KafkaError| classify::error("join the consumer group", &error);
        let consumer: BaseConsumer<MemberContext> = config.create_with_context(context).map_err(failed)?;
        consumer.subscribe(&[topic]).map_err(failed)?;
        let (owned, committed_at) = (BTreeMap::new(), clock.elapsed());
        Ok(Self { consumer, hooks, topic: topic.to_owned(), share, commits, clock, owned, committed_at })
    }

    /// Polls until it is told to leave, or nobody listens any more.
    pub(super) fn run(mut self, pulse: &Pulse, commands: &Receiver<Command>, events: &Sender<Event>) {
        loop {
            pulse.beat();
            let mut said = Vec::new();
            // A record that came before its partition was paused is dropped: the readers read it.
            if let Some(Err(error)) = self.consumer.poll(POLL) {
                said.extend(trouble(&self.topic, &error));
            }
            said.extend(std::mem::take(&mut *self.hooks.said.lock().unwrap_or_else(PoisonError::into_inner)));
            for event in said {
                if events.blocking_send(self.complete(event)).is_err() {
                    return self.leave();
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(Command::Accept(partitions)) => self.accept(&partitions, events),
                    Ok(Command::Release(partitions)) => self.release(&partitions),
                    Ok(Command::Leave) | Err(TryRecvError::Disconnected) => return self.leave(),
                    Err(TryRecvError::Empty) => break,
                }
            }
            if self.clock.elapsed().saturating_sub(self.committed_at) >= COMMIT_EVERY {
                self.commit(None);
            }
        }
    }

    /// Adds how many partitions the topic has, where that matters.
    fn complete(&self, event: Event) -> Event {
        match event {
            Event::Assigned { partitions, of: _ } if self.share == Share::All => {
                let counted = self.consumer.fetch_metadata(Some(&self.topic), COUNT_TIMEOUT);
                let of = counted.ok().and_then(|m| m.topics().first().map(|topic| topic.partitions().len()));
                Event::Assigned { of: of.unwrap_or(partitions.len()), partitions }
            }
            Event::Assigned { .. } | Event::Revoked(_) | Event::Lost(_) | Event::Trouble(_) | Event::Failed(_) => event,
        }
    }

    fn accept(&mut self, partitions: &[Partition], events: &Sender<Event>) {
        let taken = self.list(partitions, |_| Some(At::End)).and_then(|list| {
            self.consumer.incremental_assign(&list)?;
            self.consumer.pause(&list)
        });
        if let Err(error) = taken {
            let error = classify::error("take partitions of the consumer group", &error);
            // A full queue means that nobody looks; the next poll tells of a closed one.
            drop(events.try_send(Event::Trouble(error)));
        }
        self.owned.extend(partitions.iter().map(|partition| (*partition, None)));
    }

    fn release(&mut self, partitions: &[Partition]) {
        self.commit(Some(partitions));
        let released = self.list(partitions, |_| Some(At::Invalid));
        if let Err(error) = released.and_then(|list| self.consumer.incremental_unassign(&list)) {
            tracing::debug!("partitions were not released to the consumer group: {error}");
        }
        self.owned.retain(|partition, _| !partitions.contains(partition));
    }

    /// Commits what is new of these partitions, or of all. Does not wait.
    fn commit(&mut self, only: Option<&[Partition]>) {
        self.committed_at = self.clock.elapsed();
        let mut list = TopicPartitionList::new();
        for (partition, committed) in &mut self.owned {
            let next = self.commits.get(*partition);
            if only.is_some_and(|only| !only.contains(partition)) || next == *committed {
                continue;
            }
            let Some(offset) = next.and_then(|next| i64::try_from(next).ok()) else { continue };
            let Ok(id) = i32::try_from(*partition) else { continue };
            if list.add_partition_offset(&self.topic, id, At::Offset(offset)).is_ok() {
                *committed = next;
            }
        }
        if list.count() == 0 {
            return;
        }
        self.hooks.commits.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            self.hooks.answered();
            tracing::debug!("an offset was not committed to the group, which is only a hint: {error}");
        }
    }

    /// Commits what is left, waits for it for a while, and leaves the group.
    fn leave(mut self) {
        // What an outage has left unanswered is not waited for.
        self.hooks.commits.store(0, Ordering::Release);
        self.commit(None);
        let start = self.clock.elapsed();
        while self.hooks.commits.load(Ordering::Acquire) > 0
            && self.clock.elapsed().saturating_sub(start) < LAST_COMMITS
        {
            drop(self.consumer.poll(POLL));
        }
        self.hooks.closing.store(true, Ordering::Release);
        // Whatever the group said and nobody has answered yet is answered here.
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!("the member of the consumer group closes with partitions assigned: {error}");
        }
    }

    fn list(
        &self,
        partitions: &[Partition],
        at: impl Fn(Partition) -> Option<At>,
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let (Ok(id), Some(at)) = (i32::try_from(*partition), at(*partition)) else { continue };
            list.add_partition_offset(&self.topic, id, at)?;
        }
        Ok(list)
    }
}

fn trouble(topic: &str, error: &KafkaError) -> Option<Event> {
    let doing = format!("share topic {topic} in the consumer group");
    let code = error.rdkafka_error_code();
    // The member fetches nothing, so no offset of it means anything.
    let meaningless =
        [RDKafkaErrorCode::AutoOffsetReset, RDKafkaErrorCode::OffsetOutOfRange, RDKafkaErrorCode::NoOffset];
    if code.is_some_and(|code| meaningless.contains(&code)) {
        return None;
    }
    let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    let error = classify::error(&doing, error);
    Some(if fatal { Event::Failed(error) } else { Event::Trouble(error) })
}
