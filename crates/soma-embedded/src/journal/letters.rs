//! Dead letters in the journal's file: one row per source, verified by its checksum like a record.

use rusqlite::{Connection, OptionalExtension, Row, params};
use soma_core::error::Result;
use soma_core::ids::{EventId, LogId, Offset, Partition, Place, Timestamp};
use soma_core::log::{DeadLetter, Erasure, Record};
use uuid::Uuid;

use super::erase::blank;
use super::row::{self, Checksum};
use super::writer::Change;
use crate::sqlite::Database;

const SELECT: &str = "SELECT log, partition, offset, timestamp, checksum, reason, component, event_id, first_seen,
    attempts, redrives, memory, key, error, headers, value FROM dead_letters";

/// Keeps letters; a known source keeps its first letter, and counts attempts and redrives.
///
/// # Errors
/// `store_rejected`, `storage_full`, `corrupt`, `unavailable`.
pub(super) fn put(change: &Change<'_>, letters: &[DeadLetter]) -> Result<()> {
    for letter in letters {
        match get(change.database, change.connection, &letter.record.place)? {
            None => write(change, letter)?,
            Some(known) => write(change, &known.merged(letter))?,
        }
    }
    Ok(())
}

/// The letter of that source.
///
/// # Errors
/// `corrupt`, `unavailable`.
pub(super) fn get(database: &Database, connection: &Connection, source: &Place) -> Result<Option<DeadLetter>> {
    let failing = database.failing("read dead letters in");
    let sql = format!("{SELECT} WHERE log = ?1 AND partition = ?2 AND offset = ?3");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let stored = statement
        .query_row(params![source.log.as_str(), source.partition, source.offset], StoredLetter::read)
        .optional()
        .map_err(&failing)?;
    stored.map(|stored| stored.verify(database)).transpose()
}

/// Letters in the order of their sources after `after`, at most `limit`.
///
/// # Errors
/// `corrupt`, `unavailable`.
pub(super) fn list(
    database: &Database,
    connection: &Connection,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let failing = database.failing("read dead letters in");
    // Sorts before every source: no log's name is empty.
    let (log, partition, offset) =
        after.map_or(("", 0, 0), |place| (place.log.as_str(), place.partition, place.offset));
    let sql =
        format!("{SELECT} WHERE (log, partition, offset) > (?1, ?2, ?3) ORDER BY log, partition, offset LIMIT ?4");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![log, partition, offset, limit], StoredLetter::read).map_err(&failing)?;
    rows.map(|stored| stored.map_err(&failing)?.verify(database)).collect()
}

/// How many letters there are.
///
/// # Errors
/// `corrupt`, `unavailable`.
pub(super) fn count(database: &Database, connection: &Connection) -> Result<u64> {
    let counted = connection.query_row("SELECT count(*) FROM dead_letters", [], |row| row.get(0));
    counted.map_err(database.failing("read dead letters in"))
}

/// Blanks the letters of this memory's records in this log, so that they do not outlive a delete.
///
/// # Errors
/// `storage_full`, `corrupt`, `unavailable`.
pub(super) fn erase(change: &Change<'_>, id: [u8; 16], partition: Partition, erasure: Erasure) -> Result<()> {
    let failing = change.database.failing("erase in");
    let sql = format!("{SELECT} WHERE memory = ?1 AND log = ?2 AND partition = ?3");
    let mut statement = change.connection.prepare_cached(&sql).map_err(&failing)?;
    let letters: Vec<_> = statement
        .query_map(params![id, change.log.as_str(), partition], StoredLetter::read)
        .and_then(Iterator::collect::<rusqlite::Result<_>>)
        .map_err(&failing)?;
    for stored in letters {
        let letter = stored.verify(change.database)?;
        if erasure.covers(&letter.record)
            && let Some(record) = blank(&letter.record)
        {
            write(change, &DeadLetter { record, ..letter })?;
        }
    }
    Ok(())
}

fn write(change: &Change<'_>, letter: &DeadLetter) -> Result<()> {
    let failing = change.database.failing("write dead letters to");
    let stored = StoredLetter::of(letter);
    let place = &letter.record.place;
    let mut statement = change
        .connection
        .prepare_cached(
            "INSERT OR REPLACE INTO dead_letters (log, partition, offset, timestamp, checksum, reason, component,
                event_id, first_seen, attempts, redrives, memory, key, error, headers, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )
        .map_err(&failing)?;
    statement
        .execute(params![
            place.log.as_str(),
            place.partition,
            place.offset,
            stored.timestamp,
            stored.sum(),
            stored.reason,
            stored.component,
            stored.event_id,
            stored.first_seen,
            stored.attempts,
            stored.redrives,
            stored.memory,
            stored.key,
            stored.error,
            stored.headers,
            stored.value,
        ])
        .map_err(&failing)?;
    Ok(())
}

/// A row of `dead_letters`.
struct StoredLetter {
    log: String,
    partition: Partition,
    offset: Offset,
    timestamp: i64,
    checksum: i64,
    reason: String,
    component: String,
    event_id: Option<[u8; 16]>,
    first_seen: i64,
    attempts: u32,
    redrives: u32,
    memory: Option<[u8; 16]>,
    key: Option<Vec<u8>>,
    error: String,
    headers: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl StoredLetter {
    fn of(letter: &DeadLetter) -> Self {
        let record = &letter.record;
        let (memory, key) = row::split_key(record.key.as_deref());
        let mut stored = Self {
            log: record.place.log.as_str().to_owned(),
            partition: record.place.partition,
            offset: record.place.offset,
            timestamp: record.timestamp.0,
            checksum: 0,
            reason: letter.reason.clone(),
            component: letter.component.clone(),
            event_id: row::event_bytes(letter.event_id),
            first_seen: letter.first_seen.0,
            attempts: letter.attempts,
            redrives: letter.redrives,
            memory,
            key: key.map(<[u8]>::to_vec),
            error: letter.error.clone(),
            headers: row::encode_headers(&record.headers),
            value: record.value.clone(),
        };
        stored.checksum = stored.sum();
        stored
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            log: row.get(0)?,
            partition: row.get(1)?,
            offset: row.get(2)?,
            timestamp: row.get(3)?,
            checksum: row.get(4)?,
            reason: row.get(5)?,
            component: row.get(6)?,
            event_id: row.get(7)?,
            first_seen: row.get(8)?,
            attempts: row.get(9)?,
            redrives: row.get(10)?,
            memory: row.get(11)?,
            key: row.get(12)?,
            error: row.get(13)?,
            headers: row.get(14)?,
            value: row.get(15)?,
        })
    }

    fn sum(&self) -> i64 {
        let mut sum = Checksum::default();
        for number in [self.timestamp, self.first_seen, self.offset.cast_signed()] {
            sum.number(number);
        }
        for number in [self.partition, self.attempts, self.redrives] {
            sum.number(i64::from(number));
        }
        for text in [&self.log, &self.reason, &self.component, &self.error] {
            sum.bytes(Some(text.as_bytes()));
        }
        for bytes in [self.key.as_deref(), self.headers.as_deref(), self.value.as_deref()] {
            sum.bytes(bytes);
        }
        sum.bytes(self.event_id.as_ref().map(<[u8; 16]>::as_slice));
        sum.bytes(self.memory.as_ref().map(<[u8; 16]>::as_slice));
        sum.finish()
    }

    fn verify(self, database: &Database) -> Result<DeadLetter> {
        let place = Place { log: LogId::new(&self.log), partition: self.partition, offset: self.offset };
        if self.sum() != self.checksum {
            return Err(database.corrupt(format!("the checksum of dead letter {place} does not fit its content")));
        }
        let headers = row::decode_headers(self.headers.as_deref())
            .ok_or_else(|| database.corrupt(format!("the headers of dead letter {place} cannot be read")))?;
        let record = Record {
            place,
            timestamp: Timestamp(self.timestamp),
            key: row::join_key(self.memory, self.key),
            value: self.value,
            headers,
        };
        Ok(DeadLetter {
            record,
            reason: self.reason,
            error: self.error,
            component: self.component,
            event_id: self.event_id.map(|id| EventId(Uuid::from_bytes(id))),
            first_seen: Timestamp(self.first_seen),
            attempts: self.attempts,
            redrives: self.redrives,
        })
    }
}
