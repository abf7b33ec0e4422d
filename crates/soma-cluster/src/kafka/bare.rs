//! The broker alone: what a benchmark puts beside the log, and the topics that it measures in.
//!
//! The clients are configured as ours are; around them is nothing. Topics and groups that were made for a
//! benchmark are removed with it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::Partition;

use super::context::Context;
use super::producer::{Producer, blocking};
use super::settings::Settings;
use super::topics::{self, Admin, Wanted};
use super::{classify, client};

/// How long the broker may be silent while a topic is read.
const SILENCE: Duration = Duration::from_secs(20);

/// Makes the topics of the settings, with so many partitions each.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub async fn make_topics(settings: &Settings, partitions: i32, clock: &Arc<dyn Clock>) -> Result<()> {
    let admin = Admin::start(settings, clock)?;
    for wanted in topics::wanted(settings) {
        admin.create(&Wanted { partitions, ..wanted }).await?;
    }
    admin.close().await;
    topics::known(settings, clock, &[&settings.topic, &settings.dlq_topic]).await
}

/// Removes the topics of the settings, and groups.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub async fn remove(settings: &Settings, groups: &[String], clock: &Arc<dyn Clock>) -> Result<()> {
    let admin = Admin::start(settings, clock)?;
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let removed = admin.remove(&[&settings.topic, &settings.dlq_topic], &groups).await;
    admin.close().await;
    removed
}

/// A producer that sends one record after the other.
#[derive(Clone)]
pub struct Sender {
    client: FutureProducer<Context>,
    topic: Arc<str>,
}

impl Sender {
    /// Starts a client.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn start(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let context = client::context(settings, clock);
        let made = client::producer(settings)?.create_with_context(context);
        let client = made.map_err(|e| classify::error("start a bare producer", &e))?;
        Ok(Self { client, topic: settings.topic.as_str().into() })
    }

    /// Sends one record and waits until every in-sync replica has it.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn send(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let failed = |e: &KafkaError| classify::error("send a bare record", e);
        let record = FutureRecord::<[u8], [u8]>::to(&self.topic).key(key).payload(value);
        let sent = self.client.send_result(record).map_err(|(e, _)| failed(&e))?;
        let answer = sent.await.map_err(|_| Error::new(Code::Unavailable, "the bare producer ended"))?;
        answer.map(drop).map_err(|(e, _)| failed(&e))
    }
}

/// Reads so many records from the beginning of the topic, of all its partitions, and copies nothing out;
/// answers with the time from the first record to the last.
///
/// # Errors
/// `unavailable`, also when the topic has fewer.
pub async fn consume(settings: &Settings, records: u64, clock: &Arc<dyn Clock>) -> Result<Duration> {
    let producer = Producer::start(settings, clock)?;
    let partitions = producer.partitions(&settings.topic).await?;
    let config = client::reader(settings)?;
    let (topic, context, clock) = (settings.topic.clone(), client::context(settings, clock), Arc::clone(clock));
    blocking(move || poll(&config, context, (&topic, &partitions), records, clock.as_ref())).await
}

fn poll(
    config: &ClientConfig,
    context: Context,
    (topic, partitions): (&str, &[Partition]),
    records: u64,
    clock: &dyn Clock,
) -> Result<Duration> {
    let failed = |e: &KafkaError| classify::error("read with a bare consumer", e);
    let consumer: BaseConsumer<Context> = config.create_with_context(context).map_err(|e| failed(&e))?;
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let partition = i32::try_from(*partition).unwrap_or(i32::MAX);
        list.add_partition_offset(topic, partition, At::Offset(0)).map_err(|e| failed(&e))?;
    }
    consumer.assign(&list).map_err(|e| failed(&e))?;
    let (mut read, mut bytes, mut first) = (0, 0, None);
    while read < records {
        match consumer.poll(SILENCE) {
            Some(Ok(message)) => {
                bytes += message.payload().map_or(0, <[u8]>::len);
                first.get_or_insert_with(|| clock.elapsed());
                read += 1;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(failed(&error)),
            None => {
                let what = format!("topic {topic} was silent after {read} of {records} records ({bytes} bytes)");
                return Err(Error::new(Code::Unavailable, what));
            }
        }
    }
    consumer.unassign().map_err(|e| failed(&e))?;
    Ok(clock.elapsed().saturating_sub(first.unwrap_or_default()))
}
