//! The vector index on a Qdrant server: [`VectorIndex`] over gRPC.
//!
//! The points are those of the embedded profile ([`soma_core::point`]), so both give the same hits.
//!
//! Invariants:
//!
//! - A point under a higher `rev` is neither replaced nor removed: upserts and deletes carry the
//!   condition, and a server that would ignore it is refused at the start.
//! - Changes of one point are applied in their order; a write returns when searches see it.
//! - Every call ends within the deadline. Nothing is tried again here: what an answer means is decided
//!   in [`classify`] alone, whether to repeat is the projector's.
//! - The collection says which embedder filled it; another one is refused.
//!
//! It does not make anything durable itself: the server flushes on its own, which is why `indexed`
//! trails ([`VectorIndex::durability_lag`]). It never deletes a collection; [`bare`] removes those of a benchmark.

pub mod bare;
mod classify;
mod collection;
mod filter;
mod point;
mod search;
mod settings;
mod wire;
mod writes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::{FoundList, Op, Query, Search, StoredPoint, VectorIndex};
use soma_core::point::{Holders, stored};

pub use self::collection::{Collection, Facts};
pub use self::settings::{Settings, TIMEOUT_DEFAULT};
use self::wire::Wire;

/// The oldest server whose upserts heed a condition: `update_mode` came with it.
pub const VERSION_MIN: (u32, u32) = (1, 17);

/// How long the server may hold what it has acknowledged before its segments are on disk. It flushes
/// every five seconds; the rest is for a server that is busy.
const DURABILITY_LAG: Duration = Duration::from_secs(60);

/// Whether the index was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was made anew, or nobody has filled it yet: every point has to be written from the records.
    Fresh,
    /// It holds what was flushed.
    Existing,
}

/// The vector index in one collection.
pub struct Vectors {
    wire: Wire,
    identity: Identity,
    /// Whether the collection says that it was filled, or was asked to.
    sealed: AtomicBool,
    holders: Holders,
}

impl Vectors {
    /// Connects to the server and opens the collection, or creates it there. Several processes may do so
    /// at once. When it answers [`Opened::Fresh`] the points have to be written from the records before
    /// the index is complete; it goes on to answer so until the first flush.
    ///
    /// # Errors
    /// `bad_config` when the settings cannot be used, the server is older than [`VERSION_MIN`], or
    /// another embedder or program filled the collection; `format_too_new`; `unavailable`.
    pub async fn connect(settings: &Settings, identity: Identity) -> Result<(Self, Opened)> {
        let wire = Wire::new(settings)?;
        collection::check_version(&wire).await?;
        let opened = collection::open(&wire, &identity).await?;
        let sealed = AtomicBool::new(opened == Opened::Existing);
        Ok((Self { wire, identity, sealed, holders: Holders::default() }, opened))
    }

    /// What an operator wants to know.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn facts(&self) -> Result<Facts> {
        collection::facts(&self.wire).await
    }
}

/// What an operator wants to know of a server and its collection, without changing anything; the
/// version may be one that [`Vectors::connect`] refuses.
///
/// # Errors
/// `bad_config` when the settings cannot be used; `unavailable`.
pub async fn facts(settings: &Settings) -> Result<Facts> {
    collection::facts(&Wire::new(settings)?).await
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
        writes::apply(&self.wire, &ops).await
    }

    async fn flush(&self) -> Result<()> {
        if !self.sealed.swap(true, Ordering::Relaxed)
            && let Err(error) = collection::seal(&self.wire, &self.identity).await
        {
            // Some keys may write points only. Then the next start repairs the index once more.
            tracing::warn!("the collection does not say that it was filled, the next start writes it again: {error}");
        }
        Ok(())
    }

    fn durability_lag(&self) -> Duration {
        DURABILITY_LAG
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
        search::nearest(&self.wire, search, self.identity.is_searched_exactly()).await
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        search::rarities(&self.wire, terms, &self.holders).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        search::page(&self.wire, after, limit).await
    }

    async fn count(&self) -> Result<u64> {
        search::count(&self.wire).await
    }

    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        writes::purge(&self.wire, ids).await
    }
}
