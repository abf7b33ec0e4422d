//! The ports on the data directory: as many of them as no server is named for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::forward;
use soma_core::index::VectorIndex;
use soma_core::log::EventLog as _;
use soma_core::store::{MemoryStore, Progress as _};
use soma_core::{Error, Result};
use soma_embedded::DataDir;
use soma_embedded::journal::Journal;
use soma_embedded::records::Records;
use soma_embedded::vectors::{self, Vectors};

use super::Transport;
use super::cluster::Logs;
use crate::config::Config;

/// Under which name metrics show the journal.
pub(super) const JOURNAL_TOPIC: &str = "memory.events";

/// What lies in a data directory and is in use.
pub(super) struct Local {
    /// Owned until this is dropped.
    pub directory: DataDir,
    /// The records, unless a server keeps them.
    pub records: Option<Arc<dyn MemoryStore>>,
    /// The points, unless a server keeps them.
    pub index: Option<(Arc<dyn VectorIndex>, vectors::Opened)>,
    journal: Option<Arc<Journal>>,
    files: Option<Arc<Records>>,
}

impl Local {
    /// Opens what is needed of the data directory. Takes as long as the index is large.
    ///
    /// # Errors
    /// `in_use`, `corrupt`, `format_too_new`, `bad_config`, `storage_full`, `unavailable`.
    pub(super) async fn open(
        config: &Config,
        transport: Transport,
        identity: Identity,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let path = config.embedded.data_dir.clone();
        let has_journal = transport == Transport::Journal;
        let (has_records, has_points) = (config.postgres.is_none(), config.qdrant.is_none());
        let opening = tokio::task::spawn_blocking(move || {
            let directory = DataDir::open(&path)?;
            let journal = has_journal.then(|| Journal::open(&directory, clock).map(Arc::new)).transpose()?;
            let files = has_records.then(|| Records::open(&directory).map(Arc::new)).transpose()?;
            let points = has_points.then(|| Vectors::open(&directory.vectors(), identity)).transpose()?;
            let index = points.map(|(points, opened)| (Arc::new(points) as Arc<dyn VectorIndex>, opened));
            let records = files.clone().map(|files| files as Arc<dyn MemoryStore>);
            Ok(Self { directory, records, index, journal, files })
        });
        let met = |error| Error::new(Code::Internal, "opening the stores met a defect").because(error);
        opening.await.map_err(met)?
    }

    /// The journal as the log, and its dead letters.
    pub(super) fn logs(&self) -> Option<Logs> {
        let journal = self.journal.clone()?;
        Some(Logs { log: journal.clone(), letters: journal })
    }

    /// Refuses records that were made from another journal: this one was lost or replaced, and going on
    /// would show memories that no log knows.
    ///
    /// # Errors
    /// `log_replaced`; `unavailable`, `corrupt`.
    pub(super) async fn refuse_foreign_records(&self) -> Result<()> {
        let (Some(journal), Some(records)) = (&self.journal, &self.files) else { return Ok(()) };
        let (positions, journal) = (records.positions().await?, journal.id());
        let is_topic = |log: &str| log.contains('/');
        let Some(foreign) = positions.iter().find(|row| row.log != *journal && !is_topic(row.log.as_str())) else {
            return Ok(());
        };
        if positions.iter().any(|row| row.log == *journal) {
            return Ok(());
        }
        let (path, was) = (self.directory.path().display(), &foreign.log);
        Err(Error::new(
            Code::LogReplaced,
            format!("the records in {path} were made from journal {was}, but journal.db is another one ({journal})"),
        )
        .remedy(
            "put the journal back that belongs to them; or, to begin with this journal, move records.db away and keep it",
        ))
    }

    /// Writes back what waits to be written back.
    pub(super) async fn close(&self) {
        let records = match &self.files {
            Some(records) => records.close().await,
            None => Ok(()),
        };
        let journal = match &self.journal {
            Some(journal) => journal.close().await,
            None => Ok(()),
        };
        for closed in [records, journal] {
            if let Err(error) = closed {
                tracing::warn!("a store could not be closed in order: {error}");
            }
        }
    }
}

/// Appends to the log what the journal of the data directory holds and has not handed over before.
/// Answers with how many records that were; a crash on the way repeats some, which the projector
/// recognises.
pub(super) async fn forward(data_dir: &Path, local: Option<&Local>, engine: &Engine) -> Result<u64> {
    if !data_dir.join("journal.db").exists() {
        return Ok(0);
    }
    let (path, clock) = (data_dir.to_owned(), Arc::clone(&engine.clock));
    let owned = local.map(|local| local.directory.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let directory = match owned {
            Some(directory) => directory,
            None => DataDir::open(&path)?,
        };
        let journal = Journal::open(&directory, clock)?;
        Ok::<_, Error>((directory, journal))
    });
    let met = |error| Error::new(Code::Internal, "opening the journal met a defect").because(error);
    let (directory, journal) = opening.await.map_err(met)??;
    let mark = Mark::of(&directory);
    let from = mark.read()?;
    let next = forward::forward(&journal, engine.log.as_ref(), from).await?;
    mark.write(next)?;
    journal.close().await?;
    Ok(next - from)
}

/// How far the journal was handed over: a number in a file beside it.
struct Mark(PathBuf);

impl Mark {
    fn of(directory: &DataDir) -> Self {
        Self(directory.path().join("journal.forwarded"))
    }

    fn read(&self) -> Result<u64> {
        let path = self.0.display();
        match std::fs::read_to_string(&self.0) {
            Ok(text) => text.trim().parse().map_err(|_| {
                Error::new(Code::Corrupt, format!("{path} holds no number"))
                    .remedy("remove it: what the journal holds is handed over once more, and takes effect once")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(Error::new(Code::Unavailable, format!("{path} cannot be read: {error}")).because(error)),
        }
    }

    fn write(&self, next: u64) -> Result<()> {
        std::fs::write(&self.0, format!("{next}\n")).map_err(|error| {
            Error::new(Code::Unavailable, format!("{} cannot be written: {error}", self.0.display()))
                .remedy("free space in the data directory, or make it writable")
                .because(error)
        })
    }
}
