//! Blanks the content of a memory's earlier records, and of their dead letters.
//!
//! SQLite overwrites the freed cells and pages with zeros. Until the next checkpoint the WAL still
//! holds the pages as they were, so the writer empties it soon afterwards: at the next idle moment,
//! or after two seconds, or when the journal is opened after a crash in between. What the file
//! system and the device keep of overwritten blocks is out of reach here.

use rusqlite::params;
use soma_core::error::Result;
use soma_core::event::codec;
use soma_core::ids::{MemoryId, Offset};
use soma_core::log::{Erasure, Record};

use super::row::{self, Contents, Stored};
use super::writer::Change;
use super::{PARTITION, letters};

/// Blanks those records of each memory that its erasure covers. Repeating it changes nothing.
///
/// # Errors
/// `corrupt`, `storage_full`, `unavailable`.
pub(super) fn erase(change: &Change<'_>, items: &[(MemoryId, Erasure)]) -> Result<()> {
    for (id, erasure) in items {
        let id = id.0.into_bytes();
        for offset in offsets(change, id, *erasure)? {
            let (event_id, record) = load(change, offset)?;
            if erasure.covers(&record)
                && let Some(erased) = blank(&record)
            {
                rewrite(change, event_id, &erased)?;
            }
        }
        letters::erase(change, id, PARTITION, *erasure)?;
    }
    Ok(())
}

/// The record without its content and marked as such; `None` when nothing changes.
pub(super) fn blank(record: &Record) -> Option<Record> {
    let value = codec::erase(record)?;
    let marked = record.header(codec::ERASED).is_some();
    if marked && record.value.as_ref() == Some(&value) {
        return None;
    }
    let mut erased = Record { value: Some(value), ..record.clone() };
    if !marked {
        erased.headers.push((codec::ERASED.to_owned(), b"1".to_vec()));
    }
    Some(erased)
}

/// Where the memory's records lie that the erasure may cover.
fn offsets(change: &Change<'_>, id: [u8; 16], erasure: Erasure) -> Result<Vec<Offset>> {
    let failing = change.database.failing("erase in");
    // A redriven record lies anywhere behind the place that counts.
    let (from, to) = match erasure {
        Erasure::Below(_) => (0, i64::MAX),
        Erasure::At(offset) => (offset, i64::try_from(offset).unwrap_or(i64::MAX)),
    };
    let mut statement = change
        .connection
        .prepare_cached("SELECT offset FROM records WHERE memory = ?1 AND offset BETWEEN ?2 AND ?3")
        .map_err(&failing)?;
    let offsets = statement.query_map(params![id, from, to], |row| row.get(0)).map_err(&failing)?;
    offsets.collect::<rusqlite::Result<_>>().map_err(&failing)
}

fn load(change: &Change<'_>, offset: Offset) -> Result<(Option<[u8; 16]>, Record)> {
    let failing = change.database.failing("erase in");
    let sql = format!("SELECT {} FROM records WHERE offset = ?1", row::COLUMNS);
    let mut statement = change.connection.prepare_cached(&sql).map_err(&failing)?;
    let stored = statement.query_row([offset], Stored::read).map_err(&failing)?;
    Ok((stored.event_id, stored.verify(change.database, change.log)?))
}

fn rewrite(change: &Change<'_>, event_id: Option<[u8; 16]>, record: &Record) -> Result<()> {
    let headers = row::encode_headers(&record.headers);
    let contents = Contents {
        offset: record.place.offset,
        timestamp: record.timestamp.0,
        event_id,
        key: record.key.as_deref(),
        headers: headers.as_deref(),
        value: record.value.as_deref(),
    };
    let failing = change.database.failing("erase in");
    let mut statement = change
        .connection
        .prepare_cached("UPDATE records SET value = ?2, headers = ?3, checksum = ?4 WHERE offset = ?1")
        .map_err(&failing)?;
    let changed = statement
        .execute(params![record.place.offset, record.value, headers, contents.checksum()])
        .map_err(&failing)?;
    debug_assert_eq!(changed, 1, "the record was read in this transaction");
    Ok(())
}
