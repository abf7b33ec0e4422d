//! What every measurement works with: the clock, the folder, the texts, and the bare equivalents.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::language::Language;
use soma_core::embed::sparse::{self, Lexicon};
use soma_core::error::Code;
use soma_core::event::build::Draft;
use soma_core::event::{Event, EventType};
use soma_core::ids::Namespace;
use soma_core::index::{Op, Point, VectorIndex};
use soma_core::turn::Turn;
use soma_core::{Error, Result};
use tokio::runtime::Runtime;

use super::stats::Bounds;
use super::texts::{Item, Texts};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wiring::bare::{self, Row, Table};

/// What texts to measure with, and what reads them.
pub(super) struct Asked {
    pub(super) seed: u64,
    /// Words of a text.
    pub(super) words: Option<usize>,
    /// Whether the embedder that is set is measured too.
    pub(super) with_model: bool,
}

/// Everything that measurements share.
pub(super) struct Lab {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) runtime: Runtime,
    pub(super) texts: Texts,
    pub(super) bounds: Bounds,
    pub(super) config: Config,
    pub(super) folder: Folder,
}

impl Lab {
    /// Makes the folder and what else is needed.
    ///
    /// # Errors
    /// `bad_request` when nothing can be written below `below`; `bad_config`.
    pub(super) fn new(config: Config, below: &Path, asked: &Asked, bounds: Bounds) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let folder = Folder::make(below, clock.as_ref())?;
        let mut config = config;
        config.embedded.data_dir = folder.data();
        if !asked.with_model {
            config.embedder = config.embedder.without_model();
        } else if config.embedder.in_process().is_none() {
            let what = "--with-model measures a model that runs in this process, and SOMA_EMBEDDER names none";
            return Err(Error::new(Code::BadRequest, what)
                .at("--with-model")
                .remedy("set SOMA_EMBEDDER=minilm:FOLDER"));
        }
        let runtime = super::super::client::runtime()?;
        let embedder = runtime.block_on(bare::embedder(&config))?;
        let texts = match bare::known_words(&config)? {
            Some(words) => Texts::known(asked.seed, words),
            None => Texts::new(asked.seed),
        };
        let texts = match asked.words {
            Some(words) => texts.of_words(words),
            None => texts,
        };
        Ok(Self { clock, embedder, runtime, texts, bounds, config, folder })
    }

    /// What the projector would make of these memories, in the shape of the bare stores.
    ///
    /// # Errors
    /// Those of building an event.
    pub(super) fn bare_items(&self, items: &[Item]) -> Result<BareItems> {
        let payloads: Vec<_> = items.iter().map(|item| &item.payload).collect();
        let vectors = self.runtime.block_on(self.embedder.documents(&payloads))?;
        let (mut rows, mut ops) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for (item, dense) in items.iter().zip(vectors) {
            let namespace = Namespace::parse(&item.namespace)?;
            let event = Draft::created(namespace.clone(), item.payload.clone()).build(self.clock.as_ref())?;
            rows.push(Row { id: event.id, payload: item.payload.to_string() });
            ops.push(Op::Upsert(Box::new(point(&event, namespace, &item.payload, dense))));
        }
        Ok(BareItems { rows, ops })
    }
}

/// The point of a memory that was created with this payload.
pub(super) fn point(event: &Event, namespace: Namespace, payload: &Value, dense: Vec<f32>) -> Point {
    let (turn, lexicon) = (Turn::of(payload), Lexicon::of(&namespace, Language::English));
    Point {
        id: event.id,
        rev: 1,
        event_id: event.event_id,
        kind: EventType::Created,
        namespace,
        created_at: event.timestamp,
        updated_at: event.timestamp,
        importance: None,
        model_revision: None,
        sparse: sparse::memory(&turn, event.timestamp, &lexicon),
        thread: turn.thread,
        payload: payload.clone(),
        dense,
    }
}

/// Memories as the bare stores take them.
pub(super) struct BareItems {
    pub(super) rows: Vec<Row>,
    pub(super) ops: Vec<Op>,
}

/// The bare equivalents, beside the server's directory in the same folder.
pub(super) struct Bare {
    /// Takes what the stores are filled with.
    pub(super) table: Table,
    /// Takes single commits, so that the other holds the same number of rows as there are memories.
    pub(super) commits: Table,
    pub(super) index: Arc<dyn VectorIndex>,
    path: PathBuf,
}

impl Bare {
    /// Opens them, or makes them.
    ///
    /// # Errors
    /// Those of opening a store.
    pub(super) fn open(lab: &Lab) -> Result<Self> {
        let path = lab.folder.path().join("bare");
        fs::create_dir_all(&path).map_err(|error| unusable(&path, error))?;
        let table = Table::open(&path.join("table.db"))?;
        let commits = Table::open(&path.join("commits.db"))?;
        let index = bare::index(&path.join("index"), lab.embedder.as_ref())?;
        Ok(Self { table, commits, index, path })
    }

    /// Where they lie.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder that is removed when this is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    fn make(below: &Path, clock: &dyn Clock) -> Result<Self> {
        let name: String = clock.random().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let path = below.join(format!("soma-bench-{name}"));
        fs::create_dir(&path).map_err(|error| unusable(&path, error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The server's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} cannot be removed: {error}", self.0.display());
        }
    }
}

/// The data directory, or the nearest folder above it that is there: the same file system.
///
/// # Errors
/// `bad_request` when there is none.
pub(super) fn beside(data_dir: &Path) -> Result<PathBuf> {
    let there = data_dir.ancestors().find(|path| path.is_dir());
    let here = || data_dir.is_relative().then(|| PathBuf::from("."));
    there.map(Path::to_owned).or_else(here).ok_or_else(|| {
        Error::new(Code::BadRequest, format!("nothing of {} is there", data_dir.display()))
            .at("--dir")
            .remedy("name a folder on the disk that matters with --dir")
    })
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::BadRequest, format!("{} cannot be made: {error}", path.display()))
        .at("--dir")
        .remedy("name a folder that may be written with --dir")
        .because(error)
}
