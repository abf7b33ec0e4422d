//! Reading stretches of a topic once, from beginning to end, by a client that lives as long as the scan.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition};
use soma_core::log::Record;

use super::context::Context;
use super::producer::Producer;
use super::{classify, client, message};

/// How long nothing may arrive.
const PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(100);

/// A part of one partition: offsets from `from` to before `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) partition: Partition,
    pub(super) from: Offset,
    pub(super) to: Offset,
}

/// Shows every record of the stretches, those of one partition in order. Blocks.
///
/// # Errors
/// `unavailable`; what was retained when the ends were asked for may be gone: then the rest is shown.
pub(super) fn scan(producer: &Producer, topic: &str, stretches: &[Stretch], see: &mut dyn FnMut(Record)) -> Result<()> {
    let mut open: BTreeMap<Partition, Offset> = BTreeMap::new();
    let mut list = TopicPartitionList::with_capacity(stretches.len());
    let doing = format!("read topic {topic}");
    let failed = |error: KafkaError| classify::error(&doing, &error);
    for stretch in stretches.iter().filter(|stretch| stretch.from < stretch.to) {
        let (Ok(partition), Ok(from)) = (i32::try_from(stretch.partition), i64::try_from(stretch.from)) else {
            continue;
        };
        list.add_partition_offset(topic, partition, At::Offset(from)).map_err(failed)?;
        open.insert(stretch.partition, stretch.to);
    }
    if open.is_empty() {
        return Ok(());
    }
    let settings = producer.settings();
    let mut config = client::reader(settings)?;
    // Retention may pass the beginning of a stretch: then it begins where the topic does.
    config.set("auto.offset.reset", "earliest");
    let context = client::context(settings, producer.clock());
    let consumer: BaseConsumer<Context> = config.create_with_context(context).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    drop(list);
    let scanned = follow(&consumer, producer, &doing, &mut open, see);
    if let Err(error) = consumer.unassign() {
        tracing::debug!("a Kafka scan closes with partitions assigned: {error}");
    }
    scanned
}

fn follow(
    consumer: &BaseConsumer<Context>,
    producer: &Producer,
    doing: &str,
    open: &mut BTreeMap<Partition, Offset>,
    see: &mut dyn FnMut(Record),
) -> Result<()> {
    let (log, clock) = (LogId::new(doing), producer.clock());
    let mut moved = clock.elapsed();
    let mut last = None;
    while !open.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                moved = clock.elapsed();
                let Some(record) = message::record(&log, &message) else { continue };
                let (partition, offset) = (record.place.partition, record.place.offset);
                let Some(to) = open.get(&partition).copied() else { continue };
                if offset < to {
                    see(record);
                }
                if offset + 1 >= to {
                    open.remove(&partition);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                moved = clock.elapsed();
                if let Ok(partition) = Partition::try_from(partition) {
                    open.remove(&partition);
                }
            }
            Some(Err(error)) => last = error.rdkafka_error_code(),
            None => {}
        }
        if clock.elapsed().saturating_sub(moved) > PATIENCE {
            let code = last.unwrap_or(RDKafkaErrorCode::OperationTimedOut);
            let error = classify::code(doing, code);
            return Err(if error.code == Code::Unavailable { error } else { silent(doing) });
        }
    }
    Ok(())
}

fn silent(doing: &str) -> Error {
    classify::code(doing, RDKafkaErrorCode::OperationTimedOut)
}
