//! The vector index: points that can be found by meaning and by words, as a port.
//!
//! A point follows its record under the record's `rev`; the index refuses to replace or delete a
//! point that carries a higher one. The index may forget what was not flushed: the projector
//! repairs that from the records.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::embed::Identity;
use crate::error::Result;
use crate::event::EventType;
use crate::filter::Filter;
use crate::ids::{EventId, MemoryId, Namespace, Timestamp};

/// A sparse vector: terms by hash, ascending, without repeats, and their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    /// Term hashes, ascending.
    pub indices: Vec<u32>,
    /// One weight per term, finite.
    pub values: Vec<f32>,
}

/// One point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The memory's id.
    pub id: MemoryId,
    /// The record's `rev`.
    pub rev: u64,
    /// The event that the record shows.
    pub event_id: EventId,
    /// What that event did.
    pub kind: EventType,
    /// Whose memory.
    pub namespace: Namespace,
    /// Time of the first event since the memory last came into being.
    pub created_at: Timestamp,
    /// Time of the event that the record shows.
    pub updated_at: Timestamp,
    /// The memory's importance.
    pub importance: Option<f64>,
    /// Which model made the writer's own vector.
    pub model_revision: Option<String>,
    /// The conversation that it is a turn of.
    pub thread: Option<String>,
    /// The memory's own JSON, so that filters reach it.
    pub payload: Value,
    /// Length [`Identity::dims`], of L2 norm 1, never all zero.
    pub dense: Vec<f32>,
    /// Term weights; possibly empty.
    pub sparse: Sparse,
}

/// One change of the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Write the point unless one with a higher `rev` is there.
    Upsert(Box<Point>),
    /// Remove the point unless it has a higher `rev`.
    Delete {
        /// Whose point.
        id: MemoryId,
        /// Under which `rev`.
        rev: u64,
    },
}

/// What a search compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Cosine similarity, −1 to 1 (vectors have norm 1).
    Dense(Vec<f32>),
    /// BM25: the sum over shared terms of the two weights and the term's inverse document frequency
    /// in the whole index, ln(1 + (N − n + 0.5) ÷ (n + 0.5)). Terms are those of a namespace.
    Sparse(Sparse),
}

/// One search.
#[derive(Clone, Debug)]
pub struct Search {
    /// What to compare with.
    pub query: Query,
    /// Only points of these namespaces; `None` is every namespace.
    pub namespaces: Option<Vec<Namespace>>,
    /// Only points that match.
    pub filter: Option<Filter>,
    /// Only these points.
    pub ids: Option<Vec<MemoryId>>,
    /// At most this many.
    pub limit: usize,
}

/// One point that a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The memory.
    pub id: MemoryId,
    /// Similarity, or the BM25 sum.
    pub score: f32,
}

/// What a search found, best first; ties by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundList {
    /// The points.
    pub found: Vec<Found>,
    /// Whether every one of them is known to match the filter and none was left out because of it.
    /// If not, the list is that of a wider filter, and the caller checks the records and asks for more.
    pub exact: bool,
}

/// A point as it is stored, for verification.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPoint {
    /// The memory's id.
    pub id: MemoryId,
    /// Its `rev`.
    pub rev: u64,
    /// The event that it was written for.
    pub event_id: EventId,
    /// Its namespace.
    pub namespace: String,
    /// Its dense vector.
    pub dense: Vec<f32>,
    /// Its sparse vector, ascending by term.
    pub sparse: Sparse,
}

/// The index of memories.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// Which embedder filled it.
    fn identity(&self) -> &Identity;

    /// Applies changes in order and returns when every search sees them. They need not be durable.
    ///
    /// # Errors
    /// `store_rejected` when a point is refused as such; `unavailable`, `storage_full`, `corrupt`.
    async fn write(&self, ops: Vec<Op>) -> Result<()>;

    /// Makes everything written so far durable, or sees to it that it becomes so within
    /// [`Self::durability_lag`].
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn flush(&self) -> Result<()>;

    /// How long after a flush its writes may still be lost. Zero where a flush makes them durable; a
    /// server that flushes on its own answers with more than it takes to.
    fn durability_lag(&self) -> Duration {
        Duration::ZERO
    }

    /// The nearest points. A sparse query leaves out points that share no term with it.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn search(&self, search: &Search) -> Result<FoundList>;

    /// The inverse document frequency of each of these terms, as [`Query::Sparse`] counts it; `None` where
    /// no point holds the term with a weight.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>>;

    /// Points in the order of their ids after `after`, at most `limit`.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>>;

    /// How many points there are.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn count(&self) -> Result<u64>;

    /// Removes this point whatever its `rev`, for repairs.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn purge(&self, ids: &[MemoryId]) -> Result<()>;
}
