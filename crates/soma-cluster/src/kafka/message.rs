//! Between the client's messages and records.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders, Timestamp as KafkaTime};
use soma_core::ids::{LogId, Place, Timestamp};
use soma_core::log::Record;

/// Copies a message out, so that the client's memory is free again.
///
/// `None` for a message without a place, which a consumer never yields.
pub(super) fn record(log: &LogId, message: &BorrowedMessage<'_>) -> Option<Record> {
    let partition = u32::try_from(message.partition()).ok()?;
    let offset = u64::try_from(message.offset()).ok()?;
    Some(Record {
        place: Place { log: log.clone(), partition, offset },
        timestamp: time(message.timestamp()),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
    })
}

/// Milliseconds since the epoch; a message without a time has the epoch.
fn time(time: KafkaTime) -> Timestamp {
    Timestamp(time.to_millis().unwrap_or(0).saturating_mul(1_000))
}

/// The headers in order. The client panics on a name that is not UTF-8; such a header is left out,
/// because no event of ours depends on one.
fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let read = |index: usize| {
        let header = headers.try_get(index)?;
        Some((header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
    };
    (0..headers.count()).filter_map(|index| catch_unwind(AssertUnwindSafe(|| read(index))).ok().flatten()).collect()
}

/// Headers as the client takes them.
pub(super) fn owned(headers: &[(String, Vec<u8>)]) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |owned, (name, value)| {
        owned.insert(Header { key: name, value: Some(value) })
    })
}
