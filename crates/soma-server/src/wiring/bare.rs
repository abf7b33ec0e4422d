//! What the stores are made of, alone: the measure that `soma bench` puts beside its figures.
//!
//! A table in SQLite that commits as the journal does, and the vector index without anything around
//! it. No log, no projector, no promises.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use soma_core::embed::Embedder;
use soma_core::embed::language::speaking;
use soma_core::error::Code;
use soma_core::ids::MemoryId;
use soma_core::index::VectorIndex;
use soma_core::{Error, Result};
use soma_embedded::vectors::Vectors;

use crate::config::Config;

/// One memory as a table without a log would hold it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The primary key.
    pub id: MemoryId,
    /// The payload as JSON.
    pub payload: String,
}

/// A SQLite table in WAL mode with `synchronous=FULL`.
#[derive(Debug)]
pub(crate) struct Table(Connection);

impl Table {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let connection = Connection::open(file).map_err(failed)?;
        let made = connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS memories (id TEXT PRIMARY KEY, payload TEXT NOT NULL)",
        );
        made.map_err(failed)?;
        Ok(Self(connection))
    }

    /// Commits all rows together; when this returns they survive a power failure.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) fn commit(&mut self, rows: &[Row]) -> Result<()> {
        let transaction = self.0.transaction().map_err(failed)?;
        {
            let insert = "INSERT INTO memories (id, payload) VALUES (?1, ?2)";
            let mut insert = transaction.prepare_cached(insert).map_err(failed)?;
            for row in rows {
                insert.execute(params![row.id.to_string(), row.payload]).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) fn count(&self) -> Result<u64> {
        self.0.query_row("SELECT count(*) FROM memories", [], |row| row.get(0)).map_err(failed)
    }

    /// Reads one row.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) fn read(&self, id: MemoryId) -> Result<Option<String>> {
        let mut select = self.0.prepare_cached("SELECT payload FROM memories WHERE id = ?1").map_err(failed)?;
        select.query_row([id.to_string()], |row| row.get(0)).optional().map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> Error {
    Error::new(Code::Unavailable, format!("the bare table for comparison failed: {error}"))
        .remedy("look at the folder and its free space, or name another with --dir")
        .because(error)
}

/// The vector index in a folder, without anything around it.
///
/// # Errors
/// As opening the stores.
pub(crate) fn index(folder: &Path, embedder: &dyn Embedder) -> Result<Arc<dyn VectorIndex>> {
    let (vectors, _) = Vectors::open(folder, embedder.identity().clone())?;
    Ok(Arc::new(vectors))
}

/// The words that the configured embedder knows, if it has a model.
///
/// # Errors
/// `bad_config`.
pub(crate) fn known_words(config: &Config) -> Result<Option<Vec<String>>> {
    super::embedding::known_words(&config.embedder)
}

/// The embedder that the configuration names.
///
/// # Errors
/// `bad_config`.
pub(crate) async fn embedder(config: &Config) -> Result<Arc<dyn Embedder>> {
    Ok(speaking(super::embedding::open(&config.embedder).await?, config.language))
}
