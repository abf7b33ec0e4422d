//! SQLite files: how they are opened, and what their errors mean.
//!
//! Invariants:
//!
//! - Every file is in WAL mode with `secure_delete`, so deleted content is overwritten with zeros in
//!   the file (the WAL keeps old pages until a checkpoint truncates it).
//! - A file says whose it is (`application_id`) and in which version (`user_version`); a foreign or
//!   newer file is refused by name before anything is written.
//! - Opening reads the header and the schema, not the whole file: its time does not grow with the
//!   data. Damage elsewhere is found when the page is read, and classified then.
//!
//! It never retries beyond SQLite's own busy timeout.

mod classify;
mod readers;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use soma_core::error::{Code, Error, Result};

pub(crate) use readers::Readers;

/// How long SQLite itself waits for another connection of ours before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENTS: usize = 64;

/// When a commit calls `fsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronous {
    /// At every commit: a commit that returned survives a power failure.
    Full,
    /// At checkpoints: a commit survives the end of the process, not a power failure.
    Normal,
}

/// What a file holds, and how it is kept.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What messages call it: `journal`, `record store`.
    pub(crate) name: &'static str,
    /// Marks the file as ours.
    pub(crate) application_id: i32,
    /// The version of the schema; a file with a higher one is refused.
    pub(crate) version: i32,
    /// Statements that make the schema in an empty file.
    pub(crate) schema: &'static str,
    /// Brings the schema from an older version, which it is given, to this one.
    pub(crate) upgrade: Upgrade,
    /// When a commit calls `fsync`.
    pub(crate) synchronous: Synchronous,
    /// What to do when the file is damaged: the end of "…; restore it from a backup, or …".
    pub(crate) remedy: &'static str,
}

/// Changes the schema of a file of an older version, and what it holds.
pub(crate) type Upgrade = fn(&Database, &Transaction<'_>, i32) -> Result<()>;

/// Whether a file that is read from beside may be written meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Another process may own it: its WAL is read with it.
    Maybe,
    /// Nobody writes it: a copy that is complete in one file.
    Nobody,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// A new file.
    Empty,
    /// A file of this kind, in this version.
    Ours(i32),
}

/// One SQLite file that has been opened and recognised.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    path: Arc<Path>,
    kind: &'static Kind,
}

impl Database {
    /// Opens the file, makes its schema when it is new, upgrades it when it is older, and returns a connection that may write.
    ///
    /// # Errors
    /// `corrupt` when the file is damaged or not of this kind, `bad_config` when it can only be read,
    /// `format_too_new`, `storage_full`, `unavailable`.
    pub(crate) fn open(path: impl Into<PathBuf>, kind: &'static Kind) -> Result<(Self, Connection)> {
        let database = Self { path: path.into().into(), kind };
        let mut connection = database.connect()?;
        database.recognise(&mut connection)?;
        database.require_writable(&connection)?;
        Ok((database, connection))
    }

    /// Opens a file that is there, for reads only and without owning it: nothing is made, written or
    /// locked against its owner.
    ///
    /// # Errors
    /// `not_found` when there is no file; else as [`Database::open`].
    pub(crate) fn open_beside(path: &Path, kind: &'static Kind, owner: Owner) -> Result<(Self, Connection)> {
        let database = Self { path: path.into(), kind };
        if !path.is_file() {
            return Err(Error::new(Code::NotFound, format!("there is no {} {}", kind.name, path.display()))
                .remedy("name another directory with --data-dir"));
        }
        let opened = Connection::open_with_flags(uri(path, owner), beside_flags()).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch(
                "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0;
                 PRAGMA temp_store = MEMORY; PRAGMA query_only = ON;",
            )?;
            Ok(connection)
        });
        let connection = opened.map_err(|e| database.error("open", e))?;
        match database.found(&connection)? {
            Found::Empty => Err(database.corrupt("it is empty")),
            Found::Ours(_) => Ok((database, connection)),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Another connection that may write.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub(crate) fn connect(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            let synchronous = match self.kind.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            };
            // mmap stays off: a truncated file would end the process with SIGBUS instead of an error.
            connection.execute_batch(&format!(
                "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0;
                 PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA synchronous = {synchronous};"
            ))?;
            Ok(connection)
        });
        opened.map_err(|e| self.error("open", e))
    }

    /// A connection that only reads.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub(crate) fn connect_reader(&self) -> Result<Connection> {
        let connection = self.connect()?;
        connection.pragma_update(None, "query_only", true).map_err(|e| self.error("open", e))?;
        Ok(connection)
    }

    /// What an error of SQLite means to the reader, with the file named. `doing` is a verb phrase
    /// that fits "cannot … the journal": `append to`, `read`.
    pub(crate) fn error(&self, doing: &str, error: rusqlite::Error) -> Error {
        classify::classify(self, doing, error)
    }

    /// For `map_err`: [`Database::error`] with the phrase given first.
    pub(crate) fn failing<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> Error + 'a {
        move |error| self.error(doing, error)
    }

    /// The file contradicts itself: `what` names the place and the contradiction.
    pub(crate) fn corrupt(&self, what: impl std::fmt::Display) -> Error {
        Error::new(Code::Corrupt, format!("the {} {} is damaged: {what}", self.kind.name, self.path.display()))
            .remedy(format!("restore it from a backup, or {}", self.kind.remedy))
    }

    /// Reads every page, index and constraint; the time grows with the file.
    ///
    /// # Errors
    /// `corrupt` with the first findings; `unavailable`.
    pub(crate) fn check_integrity(&self, connection: &Connection) -> Result<()> {
        self.findings(connection, "PRAGMA integrity_check(5)")
    }

    fn findings(&self, connection: &Connection, pragma: &str) -> Result<()> {
        let findings = connection
            .prepare(pragma)
            .and_then(|mut statement| {
                statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
            })
            .map_err(self.failing("check"))?;
        if findings == ["ok"] { Ok(()) } else { Err(self.corrupt(findings.join(", "))) }
    }

    /// Reads every page and its structure, not the agreement of indexes with their tables.
    ///
    /// # Errors
    /// As [`Database::check_integrity`].
    pub(crate) fn check_quickly(&self, connection: &Connection) -> Result<()> {
        self.findings(connection, "PRAGMA quick_check(5)")
    }

    /// Refuses what is not ours, makes the schema in an empty file and upgrades that of an older one.
    fn recognise(&self, connection: &mut Connection) -> Result<()> {
        match self.found(connection)? {
            Found::Empty => self.create(connection),
            Found::Ours(version) if version < self.kind.version => self.upgrade(connection, version),
            Found::Ours(_) => Ok(()),
        }
    }

    fn upgrade(&self, connection: &mut Connection, from: i32) -> Result<()> {
        self.require_writable(connection)?;
        let failing = self.failing("upgrade");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failing)?;
        (self.kind.upgrade)(self, &transaction, from)?;
        transaction.pragma_update(None, "user_version", self.kind.version).map_err(&failing)?;
        transaction.commit().map_err(&failing)
    }

    /// Refuses what is not ours.
    fn found(&self, connection: &Connection) -> Result<Found> {
        let failing = self.failing("open");
        let read = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0)).map_err(&failing);
        let application_id = read("PRAGMA application_id")?;
        let version = read("PRAGMA user_version")?;
        let objects = read("SELECT count(*) FROM sqlite_schema")?;
        if (application_id, version, objects) == (0, 0, 0) {
            return Ok(Found::Empty);
        }
        if application_id != self.kind.application_id {
            return Err(self.corrupt(format!(
                "it is a SQLite file, but not a {} (application id {application_id:#x}, expected {:#x})",
                self.kind.name, self.kind.application_id
            )));
        }
        if version > self.kind.version {
            return Err(Error::new(
                Code::FormatTooNew,
                format!(
                    "the {} {} has version {version}, this program knows versions up to {}",
                    self.kind.name,
                    self.path.display(),
                    self.kind.version
                ),
            )
            .remedy("use the newer program that wrote it"));
        }
        if version < 1 || objects == 0 {
            return Err(self.corrupt(format!("its version is {version}, with {objects} tables and indexes")));
        }
        Ok(Found::Ours(version))
    }

    /// SQLite opens a file that it must not write as one to read, without a word.
    fn require_writable(&self, connection: &Connection) -> Result<()> {
        if !connection.is_readonly("main").map_err(self.failing("open"))? {
            return Ok(());
        }
        Err(Error::new(Code::BadConfig, format!("the {} {} can only be read", self.kind.name, self.path.display()))
            .remedy("make it writable for the user that runs this program, or name another directory in SOMA_DATA_DIR"))
    }

    fn create(&self, connection: &mut Connection) -> Result<()> {
        let make = |connection: &mut Connection| {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(self.kind.schema)?;
            transaction.pragma_update(None, "application_id", self.kind.application_id)?;
            transaction.pragma_update(None, "user_version", self.kind.version)?;
            transaction.commit()
        };
        make(connection).map_err(self.failing("create"))
    }
}

fn beside_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The file as SQLite's URI. What nobody writes is opened without locks and without files beside it.
fn uri(path: &Path, owner: Owner) -> OsString {
    let mut uri = OsString::from("file:");
    for part in path.as_os_str().as_encoded_bytes() {
        match part {
            byte if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) => uri.push(char::from(*byte).to_string()),
            byte => uri.push(format!("%{byte:02X}")),
        }
    }
    if owner == Owner::Nobody {
        uri.push("?immutable=1");
    }
    uri
}
