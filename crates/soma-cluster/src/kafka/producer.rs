//! Appending: idempotent, acknowledged by every in-sync replica, bounded in time and memory.
//!
//! The same client answers questions about partitions and their ends, because it is always there.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::{Delivery, DeliveryFuture};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{Offset, Partition};

use super::context::{Context, Signals};
use super::settings::Settings;
use super::{classify, client, message};

/// How long a question about partitions may take.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for room in a full queue before looking again.
const FULL_WAIT: Duration = Duration::from_millis(10);
/// Partitions that are asked about at the same time.
const ASKED_AT_ONCE: usize = 16;

/// Answers about a topic that the client remembers.
const REMEMBERED: [RDKafkaErrorCode; 3] = [
    RDKafkaErrorCode::TopicAuthorizationFailed,
    RDKafkaErrorCode::UnknownTopicOrPartition,
    RDKafkaErrorCode::UnknownTopic,
];

/// A record on its way.
pub(super) struct Outgoing {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    /// Where it goes; by its key if nothing is said.
    pub(super) partition: Option<Partition>,
}

/// The offsets of a partition: the first retained, and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) low: Offset,
    pub(super) high: Offset,
}

pub(super) struct Producer {
    settings: Settings,
    context: Context,
    clock: Arc<dyn Clock>,
    current: RwLock<FutureProducer<Context>>,
}

impl Producer {
    /// Starts a client; it connects by itself.
    ///
    /// # Errors
    /// `bad_config`.
    pub(super) fn start(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let context = client::context(settings, clock);
        let current = RwLock::new(create(settings, &context)?);
        Ok(Self { settings: settings.clone(), context, clock: Arc::clone(clock), current })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.context.signals
    }

    /// The client in use.
    pub(super) fn client(&self) -> FutureProducer<Context> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends records in order and answers with their places when all of them are durable.
    ///
    /// # Errors
    /// `unavailable`, `too_large` at the record's index.
    pub(super) async fn append(&self, topic: &str, records: &[Outgoing]) -> Result<Vec<(Partition, Offset)>> {
        let client = self.client();
        let deadline = self.clock.elapsed() + self.settings.append_timeout;
        let doing = appending(topic);
        let mut sent = Vec::with_capacity(records.len());
        let mut refused = None;
        for (index, record) in records.iter().enumerate() {
            match self.send(&client, topic, record, deadline).await {
                Ok(delivery) => sent.push(delivery),
                Err(error) => {
                    refused = Some((index, error));
                    break;
                }
            }
        }
        // What was sent is awaited even when a later record was refused, so that nothing is in flight
        // when the caller tries again.
        let answers = join_all(sent).await;
        let mut places = Vec::with_capacity(records.len());
        for (index, answer) in answers.into_iter().enumerate() {
            let answer =
                answer.map_err(|_| Error::new(Code::Unavailable, format!("cannot {doing}: the client ended")))?;
            match answer {
                Ok(delivery) => places.push(place(&delivery, &doing)?),
                Err((error, _)) => return Err(self.failed(topic, &error, index, records.len()).await),
            }
        }
        match refused {
            Some((index, error)) => Err(self.failed(topic, &error, index, records.len()).await),
            None => Ok(places),
        }
    }

    /// Hands one record to the client; waits for room until the deadline.
    async fn send(
        &self,
        client: &FutureProducer<Context>,
        topic: &str,
        record: &Outgoing,
        deadline: Duration,
    ) -> Result<DeliveryFuture, KafkaError> {
        loop {
            match hand_over(client, topic, record) {
                Ok(delivery) => return Ok(delivery),
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) if self.clock.elapsed() < deadline => {
                    self.clock.sleep(FULL_WAIT).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn failed(&self, topic: &str, error: &KafkaError, index: usize, of: usize) -> Error {
        self.renew_if_dead();
        if error.rdkafka_error_code().is_some_and(|code| REMEMBERED.contains(&code)) {
            // The client would refuse every further record by itself until it next asks about the topic.
            drop(self.partitions(topic).await);
        }
        let mut error = classify::error(&appending(topic), error);
        if error.code == Code::TooLarge && of > 1 {
            error = error.at(format!("[{index}]"));
        }
        error
    }

    /// A client that met a fatal error takes no further record: begin again with another one. What the
    /// old one had in flight has been answered.
    fn renew_if_dead(&self) {
        let Some((code, text)) = self.client().client().fatal_error() else { return };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.client().fatal_error().is_none() {
            return;
        }
        tracing::warn!(kafka.code = ?code, "the Kafka producer ended and is started again: {text}");
        match create(&self.settings, &self.context) {
            Ok(client) => *current = client,
            Err(error) => tracing::error!("cannot start the Kafka producer again: {error}"),
        }
    }

    /// The partitions of a topic, in order.
    ///
    /// # Errors
    /// `unavailable`, also when there is no such topic.
    pub(super) async fn partitions(&self, topic: &str) -> Result<Vec<Partition>> {
        let (client, topic) = (self.client(), topic.to_owned());
        blocking(move || partitions(&client, &topic, ASK_TIMEOUT)).await
    }

    /// The ends of one partition.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) async fn ends(&self, topic: &str, partition: Partition) -> Result<Ends> {
        let (client, topic) = (self.client(), topic.to_owned());
        blocking(move || ends(&client, &topic, partition)).await
    }

    /// The ends of every partition, in order.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) async fn all_ends(&self, topic: &str) -> Result<Vec<(Partition, Ends)>> {
        let partitions = self.partitions(topic).await?;
        let mut all = Vec::with_capacity(partitions.len());
        for some in partitions.chunks(ASKED_AT_ONCE) {
            for (partition, ends) in some.iter().zip(join_all(some.iter().map(|p| self.ends(topic, *p))).await) {
                all.push((*partition, ends?));
            }
        }
        Ok(all)
    }
}

fn appending(topic: &str) -> String {
    format!("append to topic {topic}")
}

fn create(settings: &Settings, context: &Context) -> Result<FutureProducer<Context>> {
    let config = client::producer(settings)?;
    config.create_with_context(context.clone()).map_err(|e| classify::error("start the Kafka producer", &e))
}

fn hand_over(client: &FutureProducer<Context>, topic: &str, record: &Outgoing) -> Result<DeliveryFuture, KafkaError> {
    let mut future = FutureRecord::<[u8], [u8]>::to(topic);
    future.key = record.key.as_deref();
    future.payload = record.value.as_deref();
    future.partition = record.partition.and_then(|partition| i32::try_from(partition).ok());
    future.headers = (!record.headers.is_empty()).then(|| message::owned(&record.headers));
    client.send_result(future).map_err(|(error, _)| error)
}

fn place(delivery: &Delivery, doing: &str) -> Result<(Partition, Offset)> {
    let partition = Partition::try_from(delivery.partition);
    match (partition, Offset::try_from(delivery.offset)) {
        (Ok(partition), Ok(offset)) => Ok((partition, offset)),
        (_, _) => Err(Error::new(Code::Unavailable, format!("cannot {doing}: the broker named no offset"))
            .remedy("use brokers that speak Kafka's protocol of 0.11 or later")),
    }
}

/// The partitions of a topic. Blocks.
///
/// # Errors
/// `unavailable`, also when there is no such topic.
pub(super) fn partitions(client: &FutureProducer<Context>, topic: &str, timeout: Duration) -> Result<Vec<Partition>> {
    let doing = format!("find topic {topic}");
    let metadata = client.client().fetch_metadata(Some(topic), timeout).map_err(|e| classify::error(&doing, &e))?;
    let unknown = || classify::code(&doing, RDKafkaErrorCode::UnknownTopicOrPartition);
    let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(unknown)?;
    if let Some(error) = found.error() {
        return Err(classify::code(&doing, error.into()));
    }
    let mut partitions: Vec<_> = found.partitions().iter().filter_map(|p| Partition::try_from(p.id()).ok()).collect();
    partitions.sort_unstable();
    if partitions.is_empty() { Err(unknown()) } else { Ok(partitions) }
}

fn ends(client: &FutureProducer<Context>, topic: &str, partition: Partition) -> Result<Ends> {
    let doing = format!("find the ends of topic {topic} partition {partition}");
    let id = i32::try_from(partition).map_err(|_| classify::code(&doing, RDKafkaErrorCode::UnknownPartition))?;
    let (low, high) =
        client.client().fetch_watermarks(topic, id, ASK_TIMEOUT).map_err(|e| classify::error(&doing, &e))?;
    match (Offset::try_from(low), Offset::try_from(high)) {
        (Ok(low), Ok(high)) => Ok(Ends { low, high }),
        (_, _) => Err(classify::code(&doing, RDKafkaErrorCode::LeaderNotAvailable)),
    }
}

/// Runs what blocks beside the tasks.
///
/// # Errors
/// What it answers with; `internal` when it panicked.
pub(super) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = |e| Error::new(Code::Internal, "a question to Kafka panicked").because(e);
    tokio::task::spawn_blocking(run).await.map_err(ended)?
}
