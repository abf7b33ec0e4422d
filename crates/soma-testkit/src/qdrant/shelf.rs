//! The collections of the stand-in, each one shard of qdrant-edge.
//!
//! ```text
//! <dir>/<collection>/
//!   collection      the request that made it, with the metadata as it is
//!   shard-<n>/      the library's own files; the highest n counts
//! ```
//!
//! The library panics when a flush meets a write, or packing, so they exclude each other. Packing goes on
//! beside writes, as on a real server.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use prost::Message;
use qdrant_client::qdrant::CreateCollection;
use qdrant_edge::{
    EdgeConfig, EdgeOptimizersConfig, EdgeShard, HnswIndexConfig, OperationError, OperationResult, UpdateOperation,
    WalOptions,
};
use tonic::Status;

use super::{copy, lock, translate};

const DESCRIPTION: &str = "collection";
/// Changes after which the growing segment is packed; without it writing slows down with what is there.
const PACK_AFTER: usize = 4_096;

/// All collections.
pub(super) struct Shelf {
    dir: PathBuf,
    collections: RwLock<BTreeMap<String, Arc<Collection>>>,
}

/// One collection.
pub(super) struct Collection {
    dir: PathBuf,
    made: Mutex<CreateCollection>,
    shard: RwLock<EdgeShard>,
    writing: Mutex<()>,
    packing: Mutex<()>,
    packer: Mutex<Option<JoinHandle<()>>>,
    changes: AtomicUsize,
}

impl Shelf {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut collections = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let collection = Collection::load(&entry.path())?;
                collections.insert(entry.file_name().to_string_lossy().into_owned(), Arc::new(collection));
            }
        }
        Ok(Self { dir: dir.to_owned(), collections: RwLock::new(collections) })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        collections.get(name).cloned().ok_or_else(missing)
    }

    pub(super) fn create(&self, made: CreateCollection) -> Result<(), Status> {
        let name = made.collection_name.clone();
        let mut collections = self.collections.write().unwrap_or_else(PoisonError::into_inner);
        if collections.contains_key(&name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
            return Err(Status::invalid_argument("Wrong input: a collection cannot have this name"));
        }
        let collection = Collection::create(&self.dir.join(&name), made)?;
        collections.insert(name, Arc::new(collection));
        Ok(())
    }

    /// Tells whether it was there.
    pub(super) fn delete(&self, name: &str) -> bool {
        let removed = self.collections.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        let Some(collection) = removed else { return false };
        let dir = collection.dir.clone();
        // Whoever packs holds it as well.
        let packer = lock(&collection.packer).take();
        let _ = packer.map(JoinHandle::join);
        // The library flushes as it is closed, so its files go last.
        drop(collection);
        fs::remove_dir_all(dir).is_ok()
    }

    pub(super) fn flush(&self) -> Result<(), String> {
        self.each(Collection::flush)
    }

    pub(super) fn optimise(&self) -> Result<(), String> {
        self.each(Collection::optimise)
    }

    fn each(&self, work: impl Fn(&Collection) -> Result<(), Status>) -> Result<(), String> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections.values().try_for_each(|collection| work(collection)).map_err(|status| status.message().to_owned())
    }

    /// Loses what was not flushed.
    pub(super) fn forget(&self) -> io::Result<()> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        collections.values().try_for_each(|collection| collection.forget())
    }
}

impl Collection {
    fn create(dir: &Path, made: CreateCollection) -> Result<Self, Status> {
        let internal = |error: io::Error| Status::internal(format!("Service internal error: {error}"));
        let config = config(&made)?;
        let shard = dir.join("shard-0");
        fs::create_dir_all(&shard).map_err(internal)?;
        let shard = contain(|| EdgeShard::new(&shard, config))?;
        let collection = Self::with(dir, made, shard);
        collection.flush()?;
        // Last, so that a folder with a description is whole.
        collection.describe().map_err(internal)?;
        Ok(collection)
    }

    fn load(dir: &Path) -> io::Result<Self> {
        let made = CreateCollection::decode(fs::read(dir.join(DESCRIPTION))?.as_slice()).map_err(io::Error::other)?;
        let newest = newest(dir)?;
        let config = config(&made).map_err(io::Error::other)?;
        let shard = contain(|| EdgeShard::load(&dir.join(format!("shard-{newest}")), Some(config)));
        Ok(Self::with(dir, made, shard.map_err(io::Error::other)?))
    }

    fn with(dir: &Path, made: CreateCollection, shard: EdgeShard) -> Self {
        Self {
            dir: dir.to_owned(),
            made: Mutex::new(made),
            shard: RwLock::new(shard),
            writing: Mutex::default(),
            packing: Mutex::default(),
            packer: Mutex::default(),
            changes: AtomicUsize::new(0),
        }
    }

    fn describe(&self) -> io::Result<()> {
        fs::write(self.dir.join(DESCRIPTION), lock(&self.made).encode_to_vec())
    }

    /// The request that made it, with the metadata as it is.
    pub(super) fn made(&self) -> CreateCollection {
        lock(&self.made).clone()
    }

    /// Changes the description. What it says of vectors holds from the next opening on.
    pub(super) fn update(
        &self,
        change: impl FnOnce(&mut CreateCollection) -> Result<(), Status>,
    ) -> Result<(), Status> {
        change(&mut lock(&self.made))?;
        self.describe().map_err(|error| Status::internal(format!("Service internal error: {error}")))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&EdgeShard) -> OperationResult<T>) -> Result<T, Status> {
        let shard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        contain(|| read(&shard))
    }

    pub(super) fn write(self: &Arc<Self>, operation: UpdateOperation, changes: usize) -> Result<(), Status> {
        let _alone = lock(&self.writing);
        self.read(|shard| shard.update(operation))?;
        if self.changes.fetch_add(changes, Ordering::Relaxed) + changes >= PACK_AFTER {
            self.changes.store(0, Ordering::Relaxed);
            self.pack();
        }
        Ok(())
    }

    /// Packs in a thread of its own.
    #[expect(clippy::print_stderr, reason = "nobody waits for the answer, and the stand-in has no log")]
    fn pack(self: &Arc<Self>) {
        let mut packer = lock(&self.packer);
        if packer.as_ref().is_some_and(|packer| !packer.is_finished()) {
            return;
        }
        let packed = Arc::clone(self);
        let packing = std::thread::Builder::new().name("packing".into()).spawn(move || {
            let _alone = lock(&packed.packing);
            if let Err(status) = packed.read(EdgeShard::optimize) {
                eprintln!("a collection could not be packed: {}", status.message());
            }
        });
        match packing {
            Ok(packing) => *packer = Some(packing),
            Err(error) => eprintln!("no thread can be started to pack a collection: {error}"),
        }
    }

    fn flush(&self) -> Result<(), Status> {
        let _packed = lock(&self.packing);
        let _alone = lock(&self.writing);
        self.read(|shard| {
            shard.flush();
            Ok(())
        })
    }

    fn optimise(&self) -> Result<(), Status> {
        let _packed = lock(&self.packing);
        let _alone = lock(&self.writing);
        self.read(EdgeShard::optimize).map(drop)
    }

    /// Goes on with the files as they are, which is what a kill leaves. The library flushes as it is
    /// closed, but into the files that are left behind.
    fn forget(&self) -> io::Result<()> {
        let _packed = lock(&self.packing);
        let _alone = lock(&self.writing);
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        let newest = newest(&self.dir)?;
        let (old, new) = (self.dir.join(format!("shard-{newest}")), self.dir.join(format!("shard-{}", newest + 1)));
        copy(&old, &new)?;
        let config = config(&lock(&self.made)).map_err(io::Error::other)?;
        *shard = contain(|| EdgeShard::load(&new, Some(config))).map_err(io::Error::other)?;
        fs::remove_dir_all(old)
    }
}

fn newest(dir: &Path) -> io::Result<u64> {
    let numbers = fs::read_dir(dir)?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.strip_prefix("shard-")?.parse().ok()
    });
    numbers.max().ok_or_else(|| io::Error::other(format!("{} holds no shard", dir.display())))
}

fn config(made: &CreateCollection) -> Result<EdgeConfig, Status> {
    let no_graph = HnswIndexConfig {
        m: 0,
        ef_construct: 4,
        full_scan_threshold: 10_000,
        max_indexing_threads: 1,
        on_disk: Some(true),
        payload_m: None,
        inline_storage: None,
    };
    let optimizers = EdgeOptimizersConfig {
        deleted_threshold: Some(0.2),
        vacuum_min_vector_number: Some(1),
        default_segment_number: Some(1 << 20),
        max_segment_size: Some(usize::MAX >> 11),
        indexing_threshold: Some(1),
        prevent_unoptimized: None,
    };
    let wal = WalOptions { segment_capacity: 16 << 20, segment_queue_len: 0, retain_closed: NonZeroUsize::MIN };
    let mut config =
        EdgeConfig::builder().on_disk_payload(true).hnsw_config(no_graph).optimizers(optimizers).wal_options(wal);
    for (name, params) in translate::dense_vectors(made)? {
        config = config.vector(name, params);
    }
    for (name, params) in translate::sparse_vectors(made) {
        config = config.sparse_vector(name, params);
    }
    Ok(config.build())
}

/// Runs one call into the library; neither its errors nor its panics end the server.
fn contain<T>(call: impl FnOnce() -> OperationResult<T>) -> Result<T, Status> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(status(&error)),
        Err(panic) => Err(Status::internal(format!("Service internal error: {}", said(panic.as_ref())))),
    }
}

/// As a real server answers.
fn status(error: &OperationError) -> Status {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum: what is not about the request is internal")]
    match error {
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::TypeError { .. }
        | OperationError::MissingRangeIndexForOrderBy { .. } => {
            Status::invalid_argument(format!("Wrong input: {error}"))
        }
        OperationError::PointIdError { .. } => Status::not_found(format!("Not found: {error}")),
        other => Status::internal(format!("Service internal error: {other}")),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}
