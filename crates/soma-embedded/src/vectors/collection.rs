//! The folder of the index: how it is created, opened again and kept small.
//!
//! ```text
//! <dir>/
//!   lock              held while the folder is open
//!   collection.json   which embedder filled it, the format, how often it was opened
//!   redo              what was flushed while points were packed ([`super::redo`])
//!   packing           there while they are ([`super::copies`])
//!   shard/            qdrant-edge's own files
//! ```
//!
//! Invariants:
//!
//! - `collection.json` appears with the first flush. A folder without it holds nothing that anybody
//!   relies on (its creation was cut short, or nothing was flushed yet) and is made anew.
//! - The library never replays its log, so the log is emptied whenever the folder is opened, and its
//!   full files are emptied while it is in use: they would hold the points of deleted memories.
//! - The library skips a change whose number is below that of the point which it meets, and numbers
//!   changes by their place in the log. So every opening starts the log at a number above all
//!   earlier ones, and that number is durable before it is used.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use qdrant_edge::{
    CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, FieldIndexOperations,
    HnswIndexConfig, IntegerIndexParams, Modifier, OperationResult, PayloadFieldSchema, PayloadSchemaParams,
    PayloadSchemaType, UpdateOperation, WalOptions,
};
use serde::{Deserialize, Serialize};
use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::point::FACTS;
use soma_core::point::stored::{DENSE, WORDS};

use super::failure::{self, contain};
use super::packing::{self, Packing, Plan};
use super::point::key;

/// The version of the layout of folder and points.
pub(super) const FORMAT: u32 = 5;
/// The oldest layout that this program goes on with: its points are the same, and the library packs its
/// segments anew where their setting differs.
const FORMAT_MIN: u32 = 4;

const MANIFEST: &str = "collection.json";
const SHARD: &str = "shard";
const LOG: &str = "wal";
/// Where the library writes the segments that it packs.
const DRAFTS: &str = "temp_segments";
/// One file of the library's log. Files are sparse: this much is used only while it is written.
const LOG_FILE_BYTES: usize = 16 << 20;
/// An empty log file: its magic, its version, a seed for checksums.
const EMPTY_LOG_FILE: [u8; 8] = *b"wal\0soma";
/// The library maps files that do not yet have their blocks: on a full disk, writing would end the
/// process instead of failing. So nothing is written when less than this is left.
pub(super) const SPACE_MIN: u64 = 24 << 20;
/// Numbers that one opening may use: a million million changes, and sixteen million openings.
const CHANGES_BITS: u32 = 40;

/// Packed segments are searched point by point.
const NO_GRAPH: HnswIndexConfig = HnswIndexConfig {
    m: 0,
    ef_construct: 4,
    full_scan_threshold: 10_000,
    max_indexing_threads: 1,
    on_disk: Some(true),
    payload_m: None,
    inline_storage: None,
};

/// Whether the index was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was made anew and holds nothing: every point has to be written from the records.
    Fresh,
    /// It holds what was flushed.
    Existing,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    embedder: Embedder,
    opened: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Embedder {
    name: String,
    revision: String,
    dims: usize,
}

/// The open folder.
pub(super) struct Collection {
    // Dropped in this order: the lock last.
    shard: EdgeShard,
    dir: PathBuf,
    manifest: Manifest,
    packing: Packing,
    sealed: AtomicBool,
    _lock: File,
}

/// The folder, locked and recognised, not yet opened.
pub(super) struct Folder {
    dir: PathBuf,
    identity: Identity,
    known: Option<Manifest>,
    lock: File,
}

impl Folder {
    /// Locks the folder and sees whose it is.
    ///
    /// # Errors
    /// `bad_config` when another embedder or an older layout filled it, `format_too_new`, `in_use`,
    /// `corrupt`, `storage_full`, `unavailable`.
    pub(super) fn claim(dir: &Path, identity: &Identity) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| io_error(dir, error))?;
        let lock = lock(dir)?;
        let known = read_manifest(dir)?;
        if let Some(manifest) = &known {
            manifest.check(dir, identity)?;
        }
        Ok(Self { dir: dir.to_owned(), identity: identity.clone(), known, lock })
    }

    /// Whether there is an index in it.
    pub(super) const fn opened(&self) -> Opened {
        if self.known.is_some() { Opened::Existing } else { Opened::Fresh }
    }

    /// Opens the index or creates it.
    ///
    /// # Errors
    /// `corrupt`, `storage_full`, `unavailable`.
    pub(super) fn open(self, packing: Packing) -> Result<Collection> {
        let Self { dir, identity, known, lock } = self;
        let sealed = AtomicBool::new(known.is_some());
        let (shard, manifest) = match known {
            Some(mut manifest) => {
                manifest.opened += 1;
                manifest.format = FORMAT;
                write_manifest(&dir, &manifest).map_err(|error| io_error(&dir, error))?;
                (load(&dir, &manifest, config(&identity, packing))?, manifest)
            }
            None => {
                let shard = create(&dir, config(&identity, packing))?;
                let Identity { name, revision, dims } = identity;
                let embedder = Embedder { name, revision, dims };
                (shard, Manifest { format: FORMAT, embedder, opened: 0 })
            }
        };
        Ok(Collection { shard, dir, manifest, packing, sealed, _lock: lock })
    }
}

impl Collection {
    /// The library's handle.
    pub(super) const fn shard(&self) -> &EdgeShard {
        &self.shard
    }

    /// What packing would do now.
    ///
    /// # Errors
    /// `storage_full` when the packed copy would not fit; `corrupt`, `unavailable`.
    pub(super) fn plan(&self) -> Result<Plan> {
        let dims = self.manifest.embedder.dims;
        let plan = contain(&self.dir, || Ok(self.packing.plan(&self.shard, dims)))?;
        // Mapped files cannot fail on a full disk, so the space is asked for before.
        let space = plan.space(bytes_below(&self.dir.join(SHARD)));
        if space_left(&self.dir).is_some_and(|left| left < SPACE_MIN + space) {
            return Err(failure::full(&self.dir));
        }
        Ok(plan)
    }

    /// Packs, beside writes. When it fails, the library has forgotten what was removed meanwhile.
    ///
    /// # Errors
    /// `storage_full`, `corrupt`, `unavailable`.
    pub(super) fn pack(&self, plan: &Plan) -> Result<()> {
        contain(&self.dir, || plan.carry_out(&self.shard))
    }

    /// Makes everything written durable. Only the thread that writes may call this, and not while points
    /// are packed: the library panics when a flush meets a write or packing, and what packing has yet to
    /// remove would not be durable.
    pub(super) fn flush(&self) -> Result<()> {
        contain(&self.dir, || {
            self.shard.flush();
            Ok(())
        })?;
        if !self.sealed.load(Ordering::Relaxed) {
            write_manifest(&self.dir, &self.manifest).map_err(|error| io_error(&self.dir, error))?;
            self.sealed.store(true, Ordering::Relaxed);
        }
        empty_full_log_files(&self.dir.join(SHARD).join(LOG));
        Ok(())
    }
}

impl Manifest {
    /// Whether this program can read the layout.
    fn check_format(&self, dir: &Path) -> Result<()> {
        if self.format > FORMAT {
            return Err(Error::new(
                Code::FormatTooNew,
                format!(
                    "the vector index in {} has format {}, this program knows up to {FORMAT}",
                    dir.display(),
                    self.format
                ),
            )
            .remedy(format!("start the version that wrote it, or {}", rebuild(dir))));
        }
        if self.format < FORMAT_MIN {
            return Err(Error::new(
                Code::BadConfig,
                format!(
                    "the vector index in {} has format {}, this program writes {FORMAT}",
                    dir.display(),
                    self.format
                ),
            )
            .remedy(rebuild(dir)));
        }
        Ok(())
    }

    fn check(&self, dir: &Path, identity: &Identity) -> Result<()> {
        self.check_format(dir)?;
        let filled = Identity {
            name: self.embedder.name.clone(),
            revision: self.embedder.revision.clone(),
            dims: self.embedder.dims,
        };
        if filled != *identity {
            return Err(Error::new(
                Code::BadConfig,
                format!("the vector index in {} was filled by {filled}, and this start uses {identity}", dir.display()),
            )
            .remedy(format!("start with the embedder that filled it, or {}", rebuild(dir))));
        }
        Ok(())
    }
}

fn config(identity: &Identity, packing: Packing) -> EdgeConfig {
    let dims = identity.dims;
    let dense = EdgeVectorParams::builder(dims, Distance::Dot).on_disk(true);
    let dense = if identity.is_searched_exactly() { dense } else { dense.quantization_config(packing::coarse()) };
    let words = EdgeSparseVectorParams::builder().modifier(Modifier::Idf).on_disk(true).build();
    EdgeConfig::builder()
        .on_disk_payload(true)
        .hnsw_config(NO_GRAPH)
        .optimizers(packing.settings(dims))
        .vector(DENSE, dense.build())
        .sparse_vector(WORDS, words)
        .wal_options(WalOptions {
            segment_capacity: LOG_FILE_BYTES,
            segment_queue_len: 0,
            retain_closed: NonZeroUsize::MIN,
        })
        .build()
}

fn create(dir: &Path, config: EdgeConfig) -> Result<EdgeShard> {
    let path = dir.join(SHARD);
    let clear = match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::create_dir(&path),
    };
    clear.map_err(|error| io_error(dir, error))?;
    contain(dir, || {
        let shard = EdgeShard::new(&path, config)?;
        index(&shard, "namespace", PayloadSchemaType::Keyword.into())?;
        index(&shard, FACTS, lookups())?;
        Ok(shard)
    })
}

/// Numbers that are compared by equality only.
fn lookups() -> PayloadFieldSchema {
    PayloadFieldSchema::FieldParams(PayloadSchemaParams::Integer(IntegerIndexParams {
        lookup: Some(true),
        range: Some(false),
        on_disk: Some(true),
        ..IntegerIndexParams::default()
    }))
}

fn index(shard: &EdgeShard, field: &str, of: PayloadFieldSchema) -> OperationResult<()> {
    shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
        field_name: key(field),
        field_schema: Some(of),
    })))
}

fn load(dir: &Path, manifest: &Manifest, config: EdgeConfig) -> Result<EdgeShard> {
    let path = dir.join(SHARD);
    let start = manifest.opened.checked_shl(CHANGES_BITS).unwrap_or(u64::MAX);
    restart_log(&path.join(LOG), start).map_err(|error| io_error(dir, error))?;
    // What packing had begun to write when it was killed; the library leaves it there.
    if let Err(error) = fs::remove_dir_all(path.join(DRAFTS))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.join(DRAFTS).display(), "drafts of the vector index stay where they are: {error}");
    }
    contain(dir, || EdgeShard::load(&path, Some(config)))
}

/// Leaves a log without records whose next record gets the number `start`.
fn restart_log(log: &Path, start: u64) -> io::Result<()> {
    match fs::remove_dir_all(log) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => fs::create_dir(log)?,
    }
    fs::write(log.join(format!("closed-{start}")), EMPTY_LOG_FILE)
}

/// Gives the space of full log files back. The newest may still be on its way to the disk, and the
/// empty one is the library's to remove. What cannot be emptied waits for the next opening.
fn empty_full_log_files(log: &Path) {
    let Ok(entries) = fs::read_dir(log) else { return };
    let mut full: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|m| m.len() > EMPTY_LOG_FILE.len() as u64))
        .filter_map(|entry| {
            let start = entry.file_name().to_str()?.strip_prefix("closed-")?.parse().ok()?;
            Some((start, entry.path()))
        })
        .collect();
    full.sort_unstable();
    full.pop();
    for (_, path) in full {
        // The library keeps its mapping, so removing alone would keep the space.
        let emptied = File::options().write(true).open(&path).and_then(|file| file.set_len(0));
        if emptied.and_then(|()| fs::remove_file(&path)).is_err() {
            tracing::debug!(path = %path.display(), "a full log file of the vector index stays until the next start");
        }
    }
}

fn lock(dir: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let file = file.map_err(|error| io_error(dir, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::new(Code::InUse, format!("the vector index in {} is open already", dir.display()))
                .remedy("stop the process that uses it"))
        }
        Err(fs::TryLockError::Error(error)) => Err(io_error(dir, error)),
    }
}

/// Which embedder filled a folder that this program can read; `None` when nothing relies on it yet.
pub(super) fn identity_of(dir: &Path) -> Result<Option<Identity>> {
    let Some(manifest) = read_manifest(dir)? else { return Ok(None) };
    manifest.check_format(dir)?;
    let Embedder { name, revision, dims } = manifest.embedder;
    Ok(Some(Identity { name, revision, dims }))
}

/// What to do with an index that cannot be used.
fn rebuild(dir: &Path) -> String {
    format!("remove {}: the next start rebuilds it from the records", dir.display())
}

fn read_manifest(dir: &Path) -> Result<Option<Manifest>> {
    let path = dir.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(dir, error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(Code::Corrupt, format!("{} cannot be read: {error}", path.display()))
            .remedy(format!("remove {}: the next start rebuilds the vector index from the records", dir.display()))
    })
}

fn write_manifest(dir: &Path, manifest: &Manifest) -> io::Result<()> {
    let draft = dir.join(format!("{MANIFEST}.new"));
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
    file.sync_all()?;
    fs::rename(&draft, dir.join(MANIFEST))?;
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

pub(super) fn io_error(dir: &Path, error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) {
        return failure::full(dir).because(error);
    }
    Error::new(Code::Unavailable, format!("the vector index in {} cannot be opened: {error}", dir.display()))
        .remedy("see that the folder can be read and written by this user")
        .because(error)
}

/// Bytes that may still be written beside `dir`; `None` where the system does not tell.
pub(super) fn space_left(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stats = rustix::fs::statvfs(dir).ok()?;
        Some(stats.f_bavail.saturating_mul(stats.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}

/// The bytes of the files in a folder, at most.
fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
