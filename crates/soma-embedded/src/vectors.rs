//! The vector index, in process: qdrant-edge under [`VectorIndex`].
//!
//! Invariants:
//!
//! - One thread ([`worker`]) makes every change and every flush; readers run beside it, and so does packing,
//!   at most one at a time.
//! - What was flushed survives the end of the process at any moment, also while points are packed ([`redo`]).
//! - A point under a higher `rev` is neither replaced nor removed.
//! - Scores are those of a flat index, and every sparse search reads the posting lists of its terms. A dense search
//!   looks at every point that the filter lets through: at its vector, or with an embedder for which that
//!   is enough ([`Identity::is_searched_exactly`]) at one byte a number first. Document frequencies count no
//!   removed point of the growing segment, and at most a fifth of a packed one's ([`packing`]).
//! - Nothing of the library ends the process: its panics become errors.
//!
//! It does not build graphs, and it keeps nothing that the records do not have: the
//! folder may be removed at any time while it is closed.

mod collection;
mod copies;
mod failure;
mod filter;
mod owner;
mod packing;
mod point;
mod rarities;
mod redo;
mod search;
mod worker;
mod writes;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use qdrant_edge::{EdgeShard, OperationResult};
use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::{FoundList, Op, Query, Search, StoredPoint, VectorIndex};
use soma_core::point::stored;
use tokio::sync::Semaphore;

pub use self::collection::Opened;
use self::owner::{Change, Owner, Shared};
pub use self::packing::Packing;

/// Which embedder filled the index in `dir`, whoever has it open; `None` before its first flush.
///
/// # Errors
/// `corrupt`, `unavailable`.
pub fn identity_of(dir: &Path) -> Result<Option<Identity>> {
    collection::identity_of(dir)
}

/// Reads that run at once, at least: a long one lets others by.
const READS_MIN: usize = 2;

/// The vector index in one folder.
pub struct Vectors {
    owner: Owner,
    shared: Arc<Shared>,
    dir: PathBuf,
    identity: Identity,
    /// One for each processor: reads compute, so more of them at once would only make all of them late.
    turns: Arc<Semaphore>,
}

impl Vectors {
    /// Opens the index in `dir`, or creates it there. When it answers [`Opened::Fresh`] the points have
    /// to be written from the records before the index is complete; it goes on to answer so until
    /// the first flush.
    ///
    /// # Errors
    /// `bad_config` when another embedder or an older layout filled the folder, `format_too_new`,
    /// `in_use`, `corrupt`, `storage_full`, `unavailable`.
    pub fn open(dir: &Path, identity: Identity) -> Result<(Self, Opened)> {
        Self::open_packing(dir, identity, Packing::default())
    }

    /// As [`Self::open`], packed as `packing` says.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_packing(dir: &Path, identity: Identity, packing: Packing) -> Result<(Self, Opened)> {
        let (owner, shared, opened) = Owner::start(dir, &identity, packing)?;
        let processors = std::thread::available_parallelism().map_or(READS_MIN, NonZero::get).max(READS_MIN);
        let turns = Arc::new(Semaphore::new(processors));
        Ok((Self { owner, shared, dir: dir.to_owned(), identity, turns }, opened))
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&EdgeShard) -> OperationResult<T> + Send + 'static,
    ) -> Result<T> {
        let (shared, dir) = (Arc::clone(&self.shared), self.dir.clone());
        let closed = |error| Error::new(Code::ShuttingDown, "the vector index is closed").because(error);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            shared.read(&dir, |collection| failure::contain(&dir, || read(collection.shard())))
        });
        task.await
            .map_err(|error| Error::new(Code::Internal, "a read of the vector index ended early").because(error))?
    }
}

#[async_trait]
impl VectorIndex for Vectors {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        for op in &ops {
            if let Op::Upsert(point) = op {
                stored::check(point, self.identity.dims)?;
            }
        }
        if ops.is_empty() { Ok(()) } else { self.owner.change(Change::Ops(ops)).await }
    }

    async fn flush(&self) -> Result<()> {
        self.owner.flush().await
    }

    async fn search(&self, search: &Search) -> Result<FoundList> {
        if let Query::Dense(numbers) = &search.query
            && numbers.len() != self.identity.dims
        {
            return Err(Error::new(
                Code::Internal,
                format!("a query of {} numbers meets an index of {}", numbers.len(), self.identity.dims),
            ));
        }
        let search = search.clone();
        self.read(move |shard| search::nearest(shard, &search)).await
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        if let Some(known) = self.shared.rarities.of(terms) {
            return Ok(known);
        }
        let (terms, shared) = (terms.to_vec(), Arc::clone(&self.shared));
        self.read(move |shard| shared.rarities.ask(shard, &terms)).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        self.read(move |shard| search::page(shard, after, limit)).await
    }

    async fn count(&self) -> Result<u64> {
        self.read(search::count).await
    }

    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        if ids.is_empty() { Ok(()) } else { self.owner.change(Change::Purge(ids.to_vec())).await }
    }
}
