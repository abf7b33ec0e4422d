//! Appends records within a transaction.

use rusqlite::{CachedStatement, OptionalExtension, params};
use soma_core::error::Result;
use soma_core::ids::{Offset, Place, Timestamp};
use soma_core::log::{Appended, NewRecord};

use super::row::{self, Contents, Stored};
use super::writer::Change;

/// Appends at the end of the log, record by record.
pub(super) struct Insert<'a> {
    change: &'a Change<'a>,
    now: Timestamp,
    next: Offset,
    insert: CachedStatement<'a>,
    find: CachedStatement<'a>,
}

impl<'a> Insert<'a> {
    /// Finds the end of the log, which is where the last acknowledged append left it, or beyond: a
    /// commit that was reported as failed may have reached the disk all the same.
    ///
    /// # Errors
    /// `corrupt` when acknowledged records are gone; `unavailable`.
    pub(super) fn begin(change: &'a Change<'a>, now: Timestamp, acknowledged: Offset) -> Result<Self> {
        let prepare = |sql: &str| change.connection.prepare_cached(sql).map_err(change.database.failing("append to"));
        let mut end = prepare("SELECT coalesce(max(offset) + 1, 0) FROM records")?;
        let next: Offset = end.query_row([], |row| row.get(0)).map_err(change.database.failing("append to"))?;
        if next < acknowledged {
            let what = format!("it ends at offset {next}, but {acknowledged} records were acknowledged");
            return Err(change.database.corrupt(what));
        }
        let insert = prepare(
            "INSERT INTO records (offset, timestamp, checksum, event_id, memory, key, headers, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (event_id) WHERE event_id IS NOT NULL DO NOTHING",
        )?;
        let find = prepare(&format!("SELECT {} FROM records WHERE event_id = ?1", row::COLUMNS))?;
        Ok(Self { change, now, next, insert, find })
    }

    /// The offset of the next record.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// Appends the records of one caller, in order.
    ///
    /// # Errors
    /// `store_rejected`, `storage_full`, `corrupt`, `unavailable`.
    pub(super) fn all(&mut self, records: &[NewRecord]) -> Result<Vec<Appended>> {
        records.iter().map(|record| self.one(record)).collect()
    }

    fn one(&mut self, record: &NewRecord) -> Result<Appended> {
        let event_id = row::event_bytes(record.event_id);
        let (memory, key) = row::split_key(record.key.as_deref());
        let headers = row::encode_headers(&record.headers);
        let contents = Contents {
            offset: self.next,
            timestamp: self.now.0,
            event_id,
            key: record.key.as_deref(),
            headers: headers.as_deref(),
            value: record.value.as_deref(),
        };
        let added = self
            .insert
            .execute(params![
                self.next,
                self.now.0,
                contents.checksum(),
                event_id,
                memory,
                key,
                headers,
                record.value.as_deref()
            ])
            .map_err(self.change.database.failing("append to"))?;
        if added == 0 {
            return self.existing(event_id);
        }
        let place = Place { log: self.change.log.clone(), partition: super::PARTITION, offset: self.next };
        self.next += 1;
        Ok(Appended::New(place))
    }

    fn existing(&mut self, event_id: Option<[u8; 16]>) -> Result<Appended> {
        let database = self.change.database;
        let stored = self.find.query_row([event_id], Stored::read).optional().map_err(database.failing("read"))?;
        let stored = stored.ok_or_else(|| database.corrupt("the index of event ids names a record that is gone"))?;
        Ok(Appended::Existing(Box::new(stored.verify(database, self.change.log)?)))
    }
}
