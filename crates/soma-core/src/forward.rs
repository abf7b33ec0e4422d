//! One log handed over to another, so that the other is whole: the events that a journal took while
//! nothing was published.
//!
//! A record keeps its event id and names the place where it first lay, so it is folded there: whatever
//! the stores have seen of it already changes nothing, and nothing that came later is overwritten.
//! Repeating a part of it is therefore safe.

use crate::error::{Code, Error, Result};
use crate::event::codec;
use crate::ids::Offset;
use crate::limits;
use crate::log::{EventLog, NewRecord, ReadLimit, Record};

/// Appends what the one partition of `source` holds from `from` on to `target`. Answers with the offset
/// behind the last record.
///
/// # Errors
/// What either log answers with; nothing is lost then, and the next attempt starts at `from` again.
pub async fn forward(source: &dyn EventLog, target: &dyn EventLog, from: Offset) -> Result<Offset> {
    let mut next = from;
    loop {
        let limit = ReadLimit { records: limits::BATCH_EVENTS, bytes: limits::BATCH_BYTES };
        let records = source.read(0, next, limit).await?;
        let Some(last) = records.last() else { return Ok(next) };
        let after = last.place.offset + 1;
        let appended = records.into_iter().map(handed_over).collect();
        target.append(appended).await.map_err(|error| {
            let what = format!("the journal could not be handed over to {} from offset {next}: {error}", target.id());
            Error::new(error.code, what).because(error)
        })?;
        if after <= next {
            return Err(Error::new(Code::Internal, format!("log {} repeats offset {next}", source.id())));
        }
        next = after;
    }
}

/// The record for the other log, with the place where it first lay.
fn handed_over(record: Record) -> NewRecord {
    let event_id = codec::decode(&record, usize::MAX).ok().map(|entry| entry.event.event_id);
    let Record { place, key, value, mut headers, .. } = record;
    if !headers.iter().any(|(name, _)| name == codec::ORIGIN_LOG) {
        let origin = [
            (codec::ORIGIN_LOG, place.log.to_string()),
            (codec::ORIGIN_PARTITION, place.partition.to_string()),
            (codec::ORIGIN_OFFSET, place.offset.to_string()),
        ];
        headers.extend(origin.map(|(name, text)| (name.to_owned(), text.into_bytes())));
    }
    NewRecord { key, value, headers, event_id }
}
