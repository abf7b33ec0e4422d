//! Remember, recall, forget: what HTTP, the command line and every other surface call.
//!
//! The engine appends events and reads stores; it never writes a store. It knows no surface: what a
//! repeated request is recognised by comes in as plain parts ([`Key`]).
//!
//! `admission.rs` says who may write under an id, `write.rs` appends, `change.rs` replaces and deletes, `read.rs` waits and reads, `list.rs` and `history.rs` make pages.

mod admission;
mod change;
mod first;
mod history;
mod list;
mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::Result;
use crate::event::Event;
use crate::event::build::Draft;
use crate::event::derive::Idempotency;
use crate::ids::{EventId, LogId, MemoryId, Namespace, Offset, Partition, Place, Position, Timestamp};
use crate::index::VectorIndex;
use crate::log::{DeadLetters, EventLog};
use crate::memory::{HistoryEntry, Memory};
use crate::recall;
use crate::store::{Counts, MemoryStore, NamespaceCount, ProjectorName};

pub use admission::Derived;
pub use change::{Forgotten, Replacement, Selection, Target};
pub use list::{ListRequest, Page};

/// The ports that the engine works on.
#[derive(Clone)]
pub struct Engine {
    /// Where events go.
    pub log: Arc<dyn EventLog>,
    /// Where refused events went.
    pub letters: Arc<dyn DeadLetters>,
    /// What readers see.
    pub store: Arc<dyn MemoryStore>,
    /// What recall searches.
    pub index: Arc<dyn VectorIndex>,
    /// What turns queries into vectors.
    pub embedder: Arc<dyn Embedder>,
    /// What judges the best candidates of a recall again, if anything does.
    pub reranker: Option<Arc<dyn recall::Reranker>>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// The projector that fills `store` and `index`.
    pub projector: ProjectorName,
    /// The largest event value, in bytes.
    pub value_bytes_max: usize,
}

/// What became of one event that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The memory.
    pub id: MemoryId,
    /// The event.
    pub event_id: EventId,
    /// Where it lies.
    pub place: Place,
    /// Whether the log had it already: the first answer again.
    pub repeated: bool,
}

/// What became of a durable write when the caller asked for it to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Both stores have it.
    Yes,
    /// Not in time; it is durable in the log and will be projected.
    NotYet,
}

/// What a repeated request is recognised by, beside the namespace and the item of it.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The request's method, in capitals.
    pub method: &'a str,
    /// The request's path, without its query.
    pub target: &'a str,
    /// The caller's `Idempotency-Key`.
    pub key: &'a str,
}

impl<'a> Key<'a> {
    /// The key for one item of the request in a namespace.
    #[must_use]
    pub const fn item(&self, namespace: &'a Namespace, item: usize) -> Idempotency<'a> {
        Idempotency { namespace, method: self.method, target: self.target, item, key: self.key }
    }
}

/// What comes with a write beside its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Makes repeating the write safe: equal keys give equal event ids.
    pub key: Option<Key<'a>>,
    /// The W3C trace that the write belongs to; carried as a header of its record.
    pub traceparent: Option<&'a str>,
}

/// How far the projector is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The log.
    pub log: LogId,
    /// The partition.
    pub partition: Partition,
    /// The first offset that the log retains; absent for a log that is not in use any more.
    pub first: Option<Offset>,
    /// The offset that the log's next record will get; absent likewise.
    pub end: Option<Offset>,
    /// The first offset that is not yet projected.
    pub next: Offset,
    /// Below this offset the index is known to be durable.
    pub indexed: Offset,
    /// Offsets that are not yet projected; absent for a log that is not in use any more.
    pub lag: Option<u64>,
    /// When the position last moved; absent before it first did.
    pub updated_at: Option<Timestamp>,
}

/// How the system is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// By log and partition.
    pub partitions: Vec<PartitionStatus>,
    /// Dead letters that are kept, redriven ones included.
    pub dead_letters: u64,
}

impl Engine {
    /// Checks drafts, fills in ids and times, and appends the events; answers in the order given.
    ///
    /// With a key in `context`, event and memory ids follow from it and the draft's place in the
    /// list, so repeating the call gives the first answers again. Ids that a draft names stand.
    ///
    /// A derived id (version 5) in a draft is the caller's own derivation: surfaces take explicit ids
    /// by [`MemoryId::parse_explicit`].
    ///
    /// # Errors
    /// Per item as [`Draft::build`] and [`Engine::append`], and `namespace_mismatch` when the records
    /// know that the memory is another namespace's; for the whole call as [`Engine::append`].
    pub async fn remember(&self, drafts: Vec<Draft>, context: Context<'_>) -> Result<Vec<Result<Written>>> {
        write::remember(self, drafts, context).await
    }

    /// Replaces the content of a memory; creates it when it is unknown and its namespace is named.
    ///
    /// # Errors
    /// `not_found` when it is deleted, or unknown and without a namespace; `namespace_mismatch`; `schema`
    /// and `position_not_reached` as [`Engine::publish`] for a derived id; else as [`Engine::remember`].
    pub async fn replace(&self, target: &Target, replacement: Replacement, context: Context<'_>) -> Result<Written> {
        change::replace(self, target, replacement, context).await
    }

    /// Deletes a memory; deleting it again is no error. The namespace of an unknown memory must be
    /// named, so that a delete can precede what it deletes.
    ///
    /// # Errors
    /// `not_found` when it is unknown and without a namespace; `namespace_mismatch`; `schema` and
    /// `position_not_reached` as [`Engine::publish`] for a derived id; else as [`Engine::append`].
    pub async fn forget(&self, target: &Target, context: Context<'_>) -> Result<Written> {
        change::forget(self, target, context).await
    }

    /// Deletes the memories that a selection names, as the stores hold them when they are read.
    /// A failure in between leaves some of them deleted; repeating the call deletes the rest.
    ///
    /// # Errors
    /// `bad_request` for a selection of everything everywhere; else as [`Engine::append`].
    pub async fn forget_all(&self, selection: &Selection, context: Context<'_>) -> Result<Forgotten> {
        change::forget_all(self, selection, context).await
    }

    /// A page of the memories that a request selects.
    ///
    /// # Errors
    /// `bad_request` for a limit out of bounds; `bad_position` for a cursor of another list or of
    /// no list; `unavailable`, `corrupt`.
    pub async fn list(&self, request: &ListRequest) -> Result<Page<Memory>> {
        list::list(self, request).await
    }

    /// A page of the namespaces that begin with `prefix` and hold memories, in order; the cursor is
    /// the last namespace of the page before.
    ///
    /// # Errors
    /// `bad_request` for a limit out of bounds; `bad_position` for a cursor that is no namespace;
    /// `unavailable`, `corrupt`.
    pub async fn namespaces(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page<NamespaceCount>> {
        list::namespaces(self, prefix, cursor, limit).await
    }

    /// A page of the events of a memory in the order in which they count, oldest first; also of a
    /// deleted one. The cursor is that of the page before.
    ///
    /// # Errors
    /// `not_found` when it is unknown; `bad_request` for a limit out of bounds; `bad_position` for a
    /// cursor of another history; `unavailable`, `corrupt`.
    pub async fn history(&self, id: MemoryId, cursor: Option<&str>, limit: usize) -> Result<Page<HistoryEntry>> {
        history::history(self, id, cursor, limit).await
    }

    /// Counts over the whole store.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn counts(&self) -> Result<Counts> {
        self.store.counts().await
    }

    /// Positions, lag and dead letters.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn status(&self) -> Result<Status> {
        read::status(self).await
    }

    /// Appends events that somebody else made: what [`Engine::append`] does, behind a look at the
    /// records.
    ///
    /// # Errors
    /// Per item `namespace_mismatch` when the records know that the memory is another namespace's;
    /// with [`Derived::Checked`] also `schema` for a derived memory id that neither the log nor the
    /// event explains, and `position_not_reached` when the stores are too far behind to tell. Else as
    /// [`Engine::append`].
    pub async fn publish(
        &self,
        events: Vec<Event>,
        derived: Derived,
        traceparent: Option<&str>,
    ) -> Result<Vec<Result<Written>>> {
        write::publish(self, events, derived, traceparent).await
    }

    /// The end of the log: a position that covers everything that it holds.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn end(&self) -> Result<Position> {
        read::end(self).await
    }

    /// Appends events, durably, in order, and asks nobody whether they may be. An event whose id the log already holds is answered with
    /// its first place.
    ///
    /// # Errors
    /// Per item: `too_large`; `idempotency_conflict` when the log holds another event under the same
    /// event id (timestamps aside). For the whole call: `unavailable` (also when the log took longer than
    /// [`crate::limits::APPEND_TIMEOUT`]), `storage_full`, `corrupt`.
    pub async fn append(&self, events: Vec<Event>, traceparent: Option<&str>) -> Result<Vec<Result<Written>>> {
        write::append(self, events, traceparent).await
    }

    /// Returns when both stores have passed `position`.
    ///
    /// # Errors
    /// `position_not_reached` after `bound`; `bad_position` when it names a log or partition that
    /// this system has not; `unavailable`.
    pub async fn wait(&self, position: &Position, bound: Duration) -> Result<()> {
        read::wait(self, position, bound).await
    }

    /// Waits until a write is stored.
    ///
    /// # Errors
    /// `dead_lettered`, with the reason, when it became a dead letter; `unavailable`.
    pub async fn stored(&self, written: &Written, bound: Duration) -> Result<Stored> {
        read::stored(self, written, bound).await
    }

    /// The memory of that id.
    ///
    /// # Errors
    /// `not_found` when there is none or it is deleted; `unavailable`, `corrupt`.
    pub async fn get(&self, id: MemoryId) -> Result<Memory> {
        read::get(self, id).await
    }

    /// What the stores have passed.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn position(&self) -> Result<Position> {
        read::position(self).await
    }

    /// Answers a question. The answer ends early, and says so, with the hit with which the payloads reach
    /// [`crate::limits::PAGE_BYTES`].
    ///
    /// # Errors
    /// `bad_request` for an empty question, a vector of the wrong length, a `top_k` out of bounds;
    /// `position_not_reached`; `unavailable`, `corrupt`.
    pub async fn recall(&self, request: &recall::Request) -> Result<recall::Answer> {
        recall::recall(self, request).await.map(recall::Answer::bounded)
    }
}
