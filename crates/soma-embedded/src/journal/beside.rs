//! The journal as it is read beside its owner, or while nobody owns it.
//!
//! It takes no lock, writes nothing and starts no thread: for backups, dumps and checks of a
//! directory that a server may be using. What it reads, it reads of one moment per call.

use std::path::Path;

use rusqlite::Connection;
use soma_core::error::Result;
use soma_core::ids::{LogId, Offset, Place, Timestamp};
use soma_core::log::{DeadLetter, ReadLimit, Record};

use super::read::{Checked, Source};
use super::tip::{Tip, TipFile};
use super::{compare, letters, log_bytes, schema, tip_path};
use crate::sqlite::{Database, Owner};

/// A journal that is only read.
pub struct Beside {
    source: Source,
    connection: Connection,
    changes: u64,
}

impl Beside {
    /// Opens the journal's file, whoever owns its directory.
    ///
    /// # Errors
    /// `not_found`, `corrupt`, `format_too_new`, `unavailable`.
    pub fn open(journal: &Path) -> Result<Self> {
        Self::open_as(journal, Owner::Maybe)
    }

    /// Opens a copy that nobody writes; no file appears beside it.
    ///
    /// # Errors
    /// As [`Beside::open`].
    pub(crate) fn open_copy(journal: &Path) -> Result<Self> {
        Self::open_as(journal, Owner::Nobody)
    }

    fn open_as(journal: &Path, owner: Owner) -> Result<Self> {
        let (database, connection) = Database::open_beside(journal, &schema::KIND, owner)?;
        let select = "SELECT log_id, changes FROM meta";
        let meta = connection.query_row(select, [], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
        let (log, changes): (String, u64) = meta.map_err(database.failing("open"))?;
        Ok(Self { source: Source { database, log: LogId::new(&log) }, connection, changes })
    }

    /// The log's name.
    #[must_use]
    pub fn id(&self) -> &LogId {
        &self.source.log
    }

    /// The offset that the next record will get. Verifies the first and the last record.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn end(&self) -> Result<Offset> {
        self.source.end(&self.connection)
    }

    /// Records from `from` on, each verified; empty at the end.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn records(&self, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        self.source.range(&self.connection, from, from, limit)
    }

    /// When the log took its last record.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn last_timestamp(&self) -> Result<Option<Timestamp>> {
        let Some(last) = self.end()?.checked_sub(1) else { return Ok(None) };
        let records = self.records(last, ReadLimit { records: 1, bytes: 0 })?;
        Ok(records.first().map(|record| record.timestamp))
    }

    /// Dead letters in the order of their sources.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn dead_letters(&self, after: Option<&Place>, limit: usize) -> Result<Vec<DeadLetter>> {
        letters::list(&self.source.database, &self.connection, after, limit)
    }

    /// Reads every page; with it the ends of the log. How many records there are.
    ///
    /// # Errors
    /// `corrupt` with the first damage found; `unavailable`.
    pub fn check_quickly(&self) -> Result<Offset> {
        self.source.database.check_quickly(&self.connection)?;
        self.end()
    }

    /// Reads everything and verifies it: every record and every dead letter.
    ///
    /// # Errors
    /// As [`Beside::check_quickly`].
    pub fn check(&mut self) -> Result<Checked> {
        let end = self.end()?;
        self.source.check(&mut self.connection, end)
    }

    /// Whether the journal holds what `journal.tip` says was acknowledged; the offset that it notes.
    ///
    /// # Errors
    /// `corrupt` when the tip cannot be read or the journal ends before it; `unavailable`.
    pub fn compare_tip(&self) -> Result<Option<Offset>> {
        let path = self.source.database.path();
        // First the note, then the journal: the owner moves both forwards.
        let Some(noted) = Tip::load(&tip_path(path))? else { return Ok(None) };
        let select = "SELECT changes FROM meta";
        let changes = self.connection.query_row(select, [], |row| row.get(0));
        let changes: u64 = changes.map_err(self.source.database.failing("read"))?;
        compare(path, &noted, &Tip { changes, ..self.tip()? })?;
        Ok(Some(noted.next))
    }

    /// Copies the journal as it is at one moment into a new file, with its tip beside it, and waits
    /// until both are on disk.
    ///
    /// # Errors
    /// `bad_request` when the file exists or cannot be made; `storage_full`, `corrupt`, `unavailable`.
    pub(crate) fn copy_to(&self, file: &Path) -> Result<()> {
        self.source.backup(&self.connection, file)?;
        let copy = Self::open_copy(file)?;
        TipFile::create(&tip_path(file), &copy.tip()?)
    }

    fn tip(&self) -> Result<Tip> {
        let log_id = log_bytes(&self.source.database, &self.source.log)?;
        Ok(Tip { log_id, next: self.end()?, changes: self.changes })
    }
}
