//! Which adapters stand behind the ports: the only file that names them.

use std::path::Path;
use std::sync::Arc;

use soma_core::Result;
use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::engine::Engine;
use soma_core::index::VectorIndex;
use soma_core::projector::observe::Observer;
use soma_core::projector::{Options, Projector, Worker};
use soma_core::store::{MemoryStore, ProjectorName};
use soma_core::testing::store::Store as Records;
use soma_embedded::directory;
use soma_embedded::journal::Journal;
use soma_embedded::vectors::Vectors;
use soma_embedded::{DataDir, directory::Published};

use crate::config::Config;

/// The opened stores and what works on them.
pub(crate) struct Opened {
    /// Remember, recall, forget.
    pub engine: Engine,
    /// Moves events into the stores.
    pub projector: Projector,
    /// The directory, owned until this is dropped.
    directory: DataDir,
}

/// Opens everything that the configuration names. Blocks.
///
/// # Errors
/// `in_use`, `corrupt`, `format_too_new`, `bad_config`, `storage_full`, `unavailable`.
pub(crate) fn open(config: &Config, observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Result<Opened> {
    let embedder: Arc<dyn Embedder> = Arc::new(HashEmbedder::new(config.embedder.dims)?);
    let directory = DataDir::open(&config.embedded.data_dir)?;
    let journal = Arc::new(Journal::open(&directory, Arc::clone(&clock))?);
    let records: Arc<dyn MemoryStore> = Arc::new(Records::new());
    let (vectors, _) = Vectors::open(&directory.vectors(), embedder.identity().clone())?;
    let index: Arc<dyn VectorIndex> = Arc::new(vectors);
    let name = ProjectorName::memory();
    let value_bytes_max = config.events.value_bytes_max;

    let projector = Projector {
        name: name.clone(),
        log: journal.clone(),
        letters: journal.clone(),
        store: Arc::clone(&records),
        index: Some(Arc::clone(&index)),
        embedder: Arc::clone(&embedder),
        clock: Arc::clone(&clock),
        observer,
        options: Options { value_bytes_max, ..Options::default() },
    };
    let engine = Engine {
        log: journal.clone(),
        letters: journal,
        store: records,
        index,
        embedder,
        clock,
        projector: name,
        value_bytes_max,
    };
    Ok(Opened { engine, projector, directory })
}

impl Opened {
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
