//! Which adapters stand behind the ports: the only module that names them.

pub(crate) mod bare;
pub(crate) mod offline;

use std::path::Path;
use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::language::speaking;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::ids::LogId;
use soma_core::index::VectorIndex;
use soma_core::log::EventLog as _;
use soma_core::projector::observe::Observer;
use soma_core::projector::{Options, Projector, Worker};
use soma_core::store::{PositionRow, Progress as _, Projecting as _, ProjectorName};
use soma_core::{Error, Result};
use soma_embedded::directory;
use soma_embedded::journal::Journal;
use soma_embedded::records::Records;
use soma_embedded::vectors::{self, Vectors};
use soma_embedded::{DataDir, directory::Published};

use crate::config::Config;

/// The opened stores and what works on them.
pub(crate) struct Opened {
    /// Remember, recall, forget.
    pub engine: Engine,
    /// Moves events into the stores.
    pub projector: Projector,
    journal: Arc<Journal>,
    records: Arc<Records>,
    /// Owned until this is dropped.
    directory: DataDir,
}

/// What lies in a data directory.
struct Stores {
    directory: DataDir,
    journal: Arc<Journal>,
    records: Arc<Records>,
    index: Arc<dyn VectorIndex>,
    filled: vectors::Opened,
}

/// Opens everything that the configuration names.
///
/// # Errors
/// `in_use`, `corrupt`, `format_too_new`, `bad_config`, `storage_full`, `unavailable`.
pub(crate) async fn open(config: &Config, observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Result<Opened> {
    let embedder = speaking(Arc::new(HashEmbedder::new(config.embedder.dims)?), config.embedder.language);
    let (path, identity) = (config.embedded.data_dir.clone(), embedder.identity().clone());
    let opening = tokio::task::spawn_blocking({
        let clock = Arc::clone(&clock);
        move || stores(&path, identity, clock)
    });
    let met = |error| Error::new(Code::Internal, "opening the stores met a defect").because(error);
    let Stores { directory, journal, records, index, filled } = opening.await.map_err(met)??;
    let name = ProjectorName::memory();
    let positions = records.positions().await?;
    refuse_foreign_records(&positions, journal.id(), &directory)?;
    if filled == vectors::Opened::Fresh {
        // The points are made anew from the records when the projector takes its partition.
        records.forget_indexed(&name).await?;
    }
    let value_bytes_max = config.events.value_bytes_max;

    let projector = Projector {
        name: name.clone(),
        log: journal.clone(),
        letters: journal.clone(),
        store: records.clone(),
        index: Some(Arc::clone(&index)),
        embedder: Arc::clone(&embedder),
        clock: Arc::clone(&clock),
        observer,
        options: Options { value_bytes_max, ..Options::default() },
    };
    let engine = Engine {
        log: journal.clone(),
        letters: journal.clone(),
        store: records.clone(),
        index,
        embedder,
        reranker: None,
        clock,
        projector: name,
        value_bytes_max,
    };
    Ok(Opened { engine, projector, journal, records, directory })
}

/// Refuses records that were made from another journal: this one was lost or replaced, and going on
/// would show memories that no log knows.
fn refuse_foreign_records(positions: &[PositionRow], journal: &LogId, directory: &DataDir) -> Result<()> {
    let Some(foreign) = positions.iter().find(|row| row.log != *journal) else { return Ok(()) };
    if positions.iter().any(|row| row.log == *journal) {
        return Ok(());
    }
    let (path, was) = (directory.path().display(), &foreign.log);
    Err(Error::new(
        Code::LogReplaced,
        format!("the records in {path} were made from journal {was}, but journal.db is another one ({journal})"),
    )
    .remedy(
        "put the journal back that belongs to them; or, to begin with this journal, move records.db away and keep it",
    ))
}

/// Opens what lies in a data directory. Takes as long as the index is large.
fn stores(path: &Path, identity: Identity, clock: Arc<dyn Clock>) -> Result<Stores> {
    let directory = DataDir::open(path)?;
    let journal = Arc::new(Journal::open(&directory, clock)?);
    let records = Arc::new(Records::open(&directory)?);
    let (vectors, filled) = Vectors::open(&directory.vectors(), identity)?;
    Ok(Stores { directory, journal, records, index: Arc::new(vectors), filled })
}

impl Opened {
    /// Writes back what waits to be written back. Nothing is lost without it: the next start takes
    /// longer.
    pub(crate) async fn close(&self) {
        for closed in [self.records.close().await, self.journal.close().await] {
            if let Err(error) = closed {
                tracing::warn!("a store could not be closed in order: {error}");
            }
        }
    }

    /// The worker of the journal's one partition.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new(self.projector.clone(), 0)
    }

    /// Tells other processes of this machine where this one listens, until the result is dropped.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`.
    pub(crate) fn publish_address(&self, url: &str) -> Result<Published> {
        self.directory.publish_address(url)
    }
}

/// Where the process that owns this data directory listens, if one does.
pub(crate) fn find_server(data_dir: &Path) -> Option<String> {
    directory::find_server(data_dir).map(|running| running.url)
}
