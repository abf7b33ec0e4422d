//! Reads of the journal: ranges, single records, and the whole of it when it is checked.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OptionalExtension, params};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset};
use soma_core::log::{ReadLimit, Record};

use super::row::{self, Stored};
use crate::sqlite::Database;

/// What the reads of one journal share.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) database: Database,
    pub(super) log: LogId,
}

/// What a check of the whole journal found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Records, each with the right checksum.
    pub records: u64,
    /// Dead letters, each with the right checksum.
    pub dead_letters: u64,
}

impl Source {
    /// Records from `from` on, within the limit. Offsets have no gaps, so one that is missing below
    /// `end` is damage.
    pub(super) fn range(
        &self,
        connection: &Connection,
        from: Offset,
        end: Offset,
        limit: ReadLimit,
    ) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let failing = self.database.failing("read");
        let sql = format!("SELECT {} FROM records WHERE offset >= ?1 ORDER BY offset LIMIT ?2", row::COLUMNS);
        let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
        let count = i64::try_from(limit.records).unwrap_or(i64::MAX);
        let start = i64::try_from(from).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![start, count]).map_err(&failing)?;
        let mut expected = from;
        while let Some(row) = rows.next().map_err(&failing)? {
            let stored = Stored::read(row).map_err(&failing)?;
            if stored.offset != expected {
                return Err(self.missing(expected));
            }
            let record = stored.verify(&self.database, &self.log)?;
            bytes += record.size_bytes();
            if !records.is_empty() && bytes > limit.bytes {
                return Ok(records);
            }
            records.push(record);
            expected += 1;
        }
        if records.len() < limit.records && expected < end {
            return Err(self.missing(expected));
        }
        Ok(records)
    }

    fn missing(&self, offset: Offset) -> Error {
        self.database.corrupt(format!("record {offset} is missing"))
    }

    /// The record with that event id.
    pub(super) fn find(&self, connection: &Connection, event_id: [u8; 16]) -> Result<Option<Record>> {
        let failing = self.database.failing("read");
        let sql = format!("SELECT {} FROM records WHERE event_id = ?1", row::COLUMNS);
        let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
        let stored = statement.query_row([event_id], Stored::read).optional().map_err(&failing)?;
        stored.map(|stored| stored.verify(&self.database, &self.log)).transpose()
    }

    /// The offset after the last record, whose checksum is verified, as is the presence of the first.
    pub(super) fn end(&self, connection: &Connection) -> Result<Offset> {
        let failing = self.database.failing("read");
        let sql = "SELECT min(offset), (SELECT max(offset) FROM records) FROM records";
        let ends = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failing)?;
        let (first, last): (Option<Offset>, Option<Offset>) = ends;
        let Some(last) = last else { return Ok(0) };
        if first != Some(0) {
            return Err(self.missing(0));
        }
        self.range(connection, last, last + 1, ReadLimit { records: 1, bytes: 0 })?;
        Ok(last + 1)
    }

    /// Reads everything: pages, indexes, every record and every dead letter.
    pub(super) fn check(&self, connection: &mut Connection, end: Offset) -> Result<Checked> {
        let failing = self.database.failing("check");
        let snapshot = connection.transaction().map_err(&failing)?;
        self.database.check_integrity(&snapshot)?;
        let mut next = 0;
        loop {
            let page = self.range(&snapshot, next, end, ReadLimit { records: 1_000, bytes: 8 << 20 })?;
            if page.is_empty() {
                break;
            }
            next += page.len() as u64;
        }
        let mut dead_letters = 0;
        let mut after = None;
        loop {
            let page = super::letters::list(&self.database, &snapshot, after.as_ref(), 100)?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.place.clone());
            dead_letters += page.len() as u64;
        }
        Ok(Checked { records: next, dead_letters })
    }

    /// Copies the journal as it is at one moment into a new file, and waits until it is on disk.
    pub(super) fn backup(&self, connection: &Connection, to: &Path) -> Result<()> {
        let refuse = |e: std::io::Error| {
            Error::new(Code::BadRequest, format!("cannot write the backup {}: {e}", to.display()))
                .remedy("name a file that does not exist, in a folder that can be written")
                .because(e)
        };
        std::fs::File::create_new(to).map_err(refuse)?;
        let copy = || {
            let mut target = Connection::open(to)?;
            Backup::new(connection, &mut target)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
            target.close().map_err(|(_, e)| e)
        };
        copy().map_err(self.database.failing("back up"))?;
        std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(refuse)
    }
}
