//! The record store: what readers see, and how far the projector has come, as ports.
//!
//! [`Projecting`] is the projector's side, [`Reading`] everybody else's. The position in the log is
//! committed in the same transaction as the records that it describes; there is no other truth
//! about progress.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::{Event, EventType};
use crate::filter::Filter;
use crate::fold::{Change, Entry, State};
use crate::ids::{EventId, LogId, MemoryId, Namespace, Offset, Partition, Place, Position, Timestamp};
use crate::memory::Memory;
use crate::thread::{Thread, TurnKey};

/// Names one projector; positions are kept by (projector, log, partition).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectorName(Arc<str>);

impl ProjectorName {
    /// A projector by its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The projector that fills the stores which recall reads.
    #[must_use]
    pub fn memory() -> Self {
        Self::new("memory")
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The right to advance one partition, until somebody else takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose position.
    pub projector: ProjectorName,
    /// In which log.
    pub log: LogId,
    /// In which partition.
    pub partition: Partition,
    /// Grows with every claim; a commit under an older one fails with `fenced`.
    pub epoch: u64,
}

/// What a projector finds when it takes a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The right to advance it.
    pub claim: Claim,
    /// The first offset that is not yet projected.
    pub next: Offset,
    /// Below this offset the index is known to be durable; at most `next`.
    pub indexed: Offset,
    /// The event at the last projected offset, when it had one that could be read.
    pub last: Option<LastEvent>,
    /// What [`Staging::note_rewritten`] noted beyond `indexed`, ascending.
    pub rewritten: Vec<MemoryId>,
}

/// The last record that a position has passed: by it a replaced log is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Where it lay in the partition.
    pub offset: Offset,
    /// Its event id, as derived by [`crate::event::codec::identity`].
    pub event_id: EventId,
}

/// Where the position goes when a batch commits.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// The first offset that is not yet projected.
    pub next: Offset,
    /// The last record passed, if it could be read; `None` keeps no witness.
    pub last: Option<LastEvent>,
    /// The time of the commit.
    pub now: Timestamp,
}

/// How far one projector has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// Whose position.
    pub projector: ProjectorName,
    /// In which log.
    pub log: LogId,
    /// In which partition.
    pub partition: Partition,
    /// The first offset that is not yet projected.
    pub next: Offset,
    /// Below this offset the index is known to be durable.
    pub indexed: Offset,
    /// When the position last moved.
    pub updated_at: Timestamp,
}

/// What the store knows about the memories and events of a batch.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The rows that exist, deleted memories included.
    pub states: HashMap<MemoryId, State>,
    /// Those of the events asked for that have taken effect before.
    pub seen: HashSet<EventId>,
}

/// One open record transaction; dropping it rolls back.
#[async_trait]
pub trait Staging: Send {
    /// Reads the rows of these memories, locking them until the end of the transaction, and tells
    /// which of these events are known.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn load(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<Loaded>;

    /// Every stored event of these memories, in the order in which they were staged (the order of
    /// arrival, on which their total order depends: see [`crate::fold`]).
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn entries(&mut self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Entry>>>;

    /// Locks these threads, given in ascending order, until the end of the transaction: nobody else
    /// changes their turns meanwhile. Called before [`Self::stage`] with the threads of every changed
    /// memory, the old and the new.
    ///
    /// # Errors
    /// `unavailable`.
    async fn lock_threads(&mut self, threads: &[Thread]) -> Result<()>;

    /// The live turns of a thread, as staged so far, in order: those at each of these places, whether
    /// or not one is there, and at most `reach` before and after each.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn turns(&mut self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>>;

    /// Notes, with the commit, that the batch which ends before `next` rewrites the points of these
    /// memories though it may not name them: claims are told ([`Claimed::rewritten`]) until the index
    /// is durable up to `next`. At most once in a transaction.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`.
    async fn note_rewritten(&mut self, ids: &[MemoryId], next: Offset) -> Result<()>;

    /// Draws a new `rev`, higher than every one drawn before, and writes the changes; a changed
    /// state is stored under that `rev`, an unchanged one keeps its own. At most one change per memory.
    ///
    /// # Errors
    /// `store_rejected` when a row is refused as such; `unavailable`, `storage_full`, `corrupt`.
    async fn stage(&mut self, changes: &[Change]) -> Result<u64>;

    /// Removes all that is kept of these memories, rows and histories, and these events, whose ever they
    /// are; the counts follow. For mending only: what stands in the log is staged again in the same
    /// transaction, as of memories that were never known.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<()>;

    /// Counts anew from the rows ([`Reading::counts`], [`Reading::namespaces`]); reads all of them.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`.
    async fn recount(&mut self) -> Result<()>;

    /// Commits changes and position together.
    ///
    /// # Errors
    /// `fenced` when the claim's epoch has passed; `unavailable`, `storage_full`, `corrupt`.
    async fn commit(self: Box<Self>, advance: Advance) -> Result<()>;
}

/// A record transaction beside the owner of a partition, for mending what was damaged.
pub struct Mending {
    /// The transaction.
    pub staging: Box<dyn Staging>,
    /// Where the position stands.
    pub next: Offset,
    /// Its witness.
    pub last: Option<LastEvent>,
}

impl Mending {
    /// Commits, and leaves the position where it is.
    ///
    /// # Errors
    /// As [`Staging::commit`].
    pub async fn commit(self, now: Timestamp) -> Result<()> {
        self.staging.commit(Advance { next: self.next, last: self.last, now }).await
    }
}

/// The projector's side of the record store.
#[async_trait]
pub trait Projecting: Send + Sync {
    /// Takes a partition over: draws a new epoch and reads the position. Starts at 0 when there is
    /// none. Raises the `rev` sequence to at least `now` in microseconds, so that a store that lost
    /// its last commits (power loss) never draws a `rev` that the index has seen.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn claim(
        &self,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Claimed>;

    /// Opens a record transaction under a claim.
    ///
    /// # Errors
    /// `fenced`, `unavailable`, `corrupt`.
    async fn begin(&self, claim: &Claim) -> Result<Box<dyn Staging>>;

    /// Opens a record transaction under the claim that stands, without taking the partition from its
    /// owner: the owner's transactions and this one wait for each other, and the owner goes on afterwards
    /// as if nothing had been. A takeover waits for it or ends it.
    ///
    /// # Errors
    /// `unavailable`, also when nobody has claimed the partition yet; `fenced` when a takeover ends it;
    /// `corrupt`.
    async fn mend(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> Result<Mending>;

    /// Records that the index is durable below `indexed`.
    ///
    /// # Errors
    /// `fenced`, `unavailable`, `storage_full`.
    async fn mark_indexed(&self, claim: &Claim, indexed: Offset) -> Result<()>;

    /// Sets `indexed` of all the projector's positions to 0, because its index was made anew: the
    /// next claim rewrites every point from the records.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`.
    async fn forget_indexed(&self, projector: &ProjectorName) -> Result<()>;
}

/// In which order a list comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By `updated_at`, the latest first.
    #[default]
    Newest,
    /// By `updated_at`, the earliest first.
    Oldest,
    /// By importance, the highest first; memories without one last.
    Importance,
}

/// Which memories a list selects.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// In one of these namespaces; `None` is every namespace.
    pub namespaces: Option<Vec<Namespace>>,
    /// And matching this.
    pub filter: Option<Filter>,
    /// In this order; ties by id.
    pub order: Order,
    /// After this memory in that order (the last of the page before).
    pub after: Option<ListKey>,
    /// At most this many.
    pub limit: usize,
}

/// The place of a memory in a list: all that a cursor holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ListKey {
    /// When it was last set.
    pub updated_at: Timestamp,
    /// Its importance.
    pub importance: Option<f64>,
    /// Its id.
    pub id: MemoryId,
}

/// One namespace and how many memories it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceCount {
    /// The namespace.
    pub namespace: Namespace,
    /// Its memories, without the deleted.
    pub memories: u64,
}

/// Counts over the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Memories, without the deleted.
    pub memories: u64,
    /// Deleted memories that are remembered as such.
    pub deleted: u64,
    /// Events that took part in a fold.
    pub events: u64,
    /// Namespaces with at least one memory.
    pub namespaces: u64,
}

/// Whether a store counts what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// What is counted wrongly: what it is, how many are kept as its count, and how many there are.
    pub miscounts: Vec<(String, i64, i64)>,
    /// Memories of which there are events and no row, in order.
    pub ownerless: Vec<MemoryId>,
}

/// One event in the history of a memory, without what it set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The event.
    pub event_id: EventId,
    /// What it did.
    pub kind: EventType,
    /// When it happened, by its writer's clock.
    pub timestamp: Timestamp,
    /// Where it lies.
    pub place: Place,
}

impl From<&Entry> for Mark {
    fn from(entry: &Entry) -> Self {
        let Entry { event, place } = entry;
        Self { event_id: event.event_id, kind: event.kind, timestamp: event.timestamp, place: place.clone() }
    }
}

/// An event as the store remembers it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// The event, without content when a delete erased it.
    pub event: Event,
    /// Where it lies.
    pub place: Place,
}

/// Everybody else's side of the record store.
#[async_trait]
pub trait Reading: Send + Sync {
    /// The rows of these memories, deleted ones included; those that do not exist are left out.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn states(&self, ids: &[MemoryId]) -> Result<Vec<State>>;

    /// Whose these memories are, deleted ones included: the namespace of each that exists, `None` while
    /// only tombstones have named it. Reads no content.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn owners(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Option<Namespace>>>;

    /// Rows in the order of their ids after `after`, deleted ones included: at most `limit`, and none
    /// behind the row with which the payloads reach [`crate::limits::PAGE_BYTES`].
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>>;

    /// As [`Staging::turns`], of what is committed.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>>;

    /// Who speaks in the threads of these namespaces: each name once, in order, at most `limit`. Costs
    /// a look-up for each name and namespace.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn actors(&self, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>>;

    /// The events of those of these memories that exist, each in the order in which they count, oldest
    /// first. Reads no content.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn histories(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Mark>>>;

    /// The memories that a query selects: at most its limit, and none behind the memory with which the
    /// payloads reach [`crate::limits::PAGE_BYTES`].
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn list(&self, query: &ListQuery) -> Result<Vec<Memory>>;

    /// Namespaces with at least one memory that begin with `prefix`, after `after`, in order.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn namespaces(&self, prefix: &str, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceCount>>;

    /// Counts over the whole store.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn counts(&self) -> Result<Counts>;

    /// Compares the counts with the rows, and looks for events without a memory: at most `limit` of each.
    /// All of one moment; reads everything.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn audit(&self, limit: usize) -> Result<Audit>;

    /// The event of that id, if it took part in a fold.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn event(&self, event_id: EventId) -> Result<Option<StoredEvent>>;

    /// Those of these events that took part in a fold.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn events(&self, event_ids: &[EventId]) -> Result<Vec<StoredEvent>> {
        let mut found = Vec::new();
        for event_id in event_ids {
            found.extend(self.event(*event_id).await?);
        }
        Ok(found)
    }
}

/// How far projectors have come, and waiting for it.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Every position row.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn positions(&self) -> Result<Vec<PositionRow>>;

    /// Returns once the projector has committed every partition of `position` up to its offset.
    /// Wakes by notification, never by polling. Cancel by dropping.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn reached(&self, projector: &ProjectorName, position: &Position) -> Result<()>;
}

/// A record store.
pub trait MemoryStore: Projecting + Reading + Progress {}

impl<T: Projecting + Reading + Progress> MemoryStore for T {}
