//! A record store in memory.
//!
//! One transaction is open at a time in the whole store; it works on a copy that replaces the
//! original at the commit, so nothing is visible before. Taking a partition over ends the
//! transaction of its previous owner, as a database does by ending the owner's session.

mod read;

pub use read::history;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::lock;
use crate::error::{Code, Error, Result};
use crate::fold::{Change, Entry, Erase, State};
use crate::ids::{EventId, LogId, MemoryId, Offset, Partition, Timestamp};
use crate::store::{Advance, Claim, Claimed, LastEvent, Loaded, Mending, Projecting, ProjectorName, Staging};
use crate::thread::{Placed, Thread, TurnKey};

/// A [`crate::store::MemoryStore`] in memory.
#[derive(Default)]
pub struct Store(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Told after every change of a position and at the end of every transaction.
    moved: Notify,
    /// See [`Store::rows_read`].
    rows_read: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    tables: Tables,
    positions: BTreeMap<Key, Row>,
    /// The last `rev` drawn; never goes back, not even with a transaction.
    rev: u64,
    /// The open transaction.
    writer: Option<(u64, Claim)>,
    transactions: u64,
}

/// What a transaction changes. Rows are shared between copies.
#[derive(Clone, Default)]
struct Tables {
    memories: BTreeMap<MemoryId, Arc<Stored>>,
    events: HashMap<EventId, MemoryId>,
}

#[derive(Clone)]
struct Stored {
    state: State,
    entries: Vec<Entry>,
    placed: Option<Placed>,
}

type Key = (ProjectorName, LogId, Partition);

struct Row {
    next: Offset,
    indexed: Offset,
    last: Option<LastEvent>,
    epoch: u64,
    updated_at: Timestamp,
    /// By the end of its batch.
    rewritten: BTreeMap<Offset, Vec<MemoryId>>,
}

impl Row {
    fn new(now: Timestamp) -> Self {
        Self { next: 0, indexed: 0, last: None, epoch: 0, updated_at: now, rewritten: BTreeMap::new() }
    }
}

impl Store {
    /// How many rows readers have asked for by id.
    #[must_use]
    pub fn rows_read(&self) -> usize {
        self.0.rows_read.load(Ordering::Relaxed)
    }

    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn key(claim: &Claim) -> Key {
    (claim.projector.clone(), claim.log.clone(), claim.partition)
}

fn fenced(claim: &Claim) -> Error {
    let Claim { log, partition, epoch, .. } = claim;
    Error::new(
        Code::Fenced,
        format!("another projector has taken partition {partition} of {log} over since epoch {epoch}"),
    )
    .remedy("claim the partition again")
}

impl Inner {
    fn row(&mut self, claim: &Claim) -> Result<&mut Row> {
        self.positions.get_mut(&key(claim)).filter(|row| row.epoch == claim.epoch).ok_or_else(|| fenced(claim))
    }
}

#[async_trait]
impl Projecting for Store {
    async fn claim(
        &self,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Claimed> {
        let mut inner = lock(&self.0.inner);
        inner.rev = inner.rev.max(u64::try_from(now.0).unwrap_or(0));
        let key = (projector.clone(), log.clone(), partition);
        inner.writer.take_if(|(_, claim)| self::key(claim) == key);
        let row = inner.positions.entry(key).or_insert_with(|| Row::new(now));
        row.epoch += 1;
        let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch: row.epoch };
        let rewritten: BTreeSet<MemoryId> = row.rewritten.values().flatten().copied().collect();
        let rewritten = rewritten.into_iter().collect();
        let claimed = Claimed { claim, next: row.next, indexed: row.indexed, last: row.last, rewritten };
        drop(inner);
        self.0.moved.notify_waiters();
        Ok(claimed)
    }

    async fn begin(&self, claim: &Claim) -> Result<Box<dyn Staging>> {
        loop {
            let moved = self.0.moved.notified();
            {
                let mut inner = lock(&self.0.inner);
                inner.row(claim)?;
                if inner.writer.is_none() {
                    inner.transactions += 1;
                    let transaction = inner.transactions;
                    inner.writer = Some((transaction, claim.clone()));
                    let tables = inner.tables.clone();
                    let (shared, claim) = (Arc::clone(&self.0), claim.clone());
                    return Ok(Box::new(Transaction { shared, transaction, claim, tables, rewritten: None }));
                }
            }
            moved.await;
        }
    }

    async fn mend(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> Result<Mending> {
        let key = (projector.clone(), log.clone(), partition);
        let (epoch, next, last) = {
            let inner = lock(&self.0.inner);
            let row = inner.positions.get(&key).ok_or_else(|| {
                Error::new(Code::Unavailable, format!("nobody has taken partition {partition} of {log} yet"))
            })?;
            (row.epoch, row.next, row.last)
        };
        let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch };
        let staging = self.begin(&claim).await?;
        // It had to wait, perhaps, for the owner's transaction.
        let moved = lock(&self.0.inner).positions.get(&key).map(|row| (row.next, row.last));
        let (next, last) = moved.unwrap_or((next, last));
        Ok(Mending { staging, next, last })
    }

    async fn mark_indexed(&self, claim: &Claim, indexed: Offset) -> Result<()> {
        let mut inner = lock(&self.0.inner);
        let row = inner.row(claim)?;
        row.indexed = row.indexed.max(indexed.min(row.next));
        let indexed = row.indexed;
        row.rewritten.retain(|next, _| *next > indexed);
        Ok(())
    }

    async fn forget_indexed(&self, projector: &ProjectorName) -> Result<()> {
        let mut inner = lock(&self.0.inner);
        inner.positions.iter_mut().filter(|((p, ..), _)| p == projector).for_each(|(_, row)| row.indexed = 0);
        Ok(())
    }
}

struct Transaction {
    shared: Arc<Shared>,
    transaction: u64,
    claim: Claim,
    tables: Tables,
    rewritten: Option<(Offset, Vec<MemoryId>)>,
}

impl Transaction {
    /// Fails when a successor has ended this transaction.
    fn check(&self, inner: &Inner) -> Result<()> {
        match &inner.writer {
            Some((open, _)) if *open == self.transaction => Ok(()),
            Some(_) | None => Err(fenced(&self.claim)),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        lock(&self.shared.inner).writer.take_if(|(open, _)| *open == self.transaction);
        self.shared.moved.notify_waiters();
    }
}

#[async_trait]
impl Staging for Transaction {
    async fn load(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<Loaded> {
        self.check(&lock(&self.shared.inner))?;
        let rows = ids.iter().filter_map(|id| self.tables.memories.get(id));
        Ok(Loaded {
            states: rows.map(|row| (row.state.id, row.state.clone())).collect(),
            seen: events.iter().filter(|id| self.tables.events.contains_key(id)).copied().collect(),
        })
    }

    async fn entries(&mut self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Entry>>> {
        self.check(&lock(&self.shared.inner))?;
        let rows = ids.iter().filter_map(|id| self.tables.memories.get(id));
        Ok(rows.map(|row| (row.state.id, row.entries.clone())).collect())
    }

    /// Nobody else changes anything meanwhile.
    async fn lock_threads(&mut self, _threads: &[Thread]) -> Result<()> {
        self.check(&lock(&self.shared.inner))
    }

    async fn turns(&mut self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        self.check(&lock(&self.shared.inner))?;
        Ok(self.tables.turns(thread, around, reach))
    }

    async fn note_rewritten(&mut self, ids: &[MemoryId], next: Offset) -> Result<()> {
        self.check(&lock(&self.shared.inner))?;
        self.rewritten = Some((next, ids.to_vec()));
        Ok(())
    }

    async fn stage(&mut self, changes: &[Change]) -> Result<u64> {
        let rev = {
            let mut inner = lock(&self.shared.inner);
            self.check(&inner)?;
            inner.rev += 1;
            inner.rev
        };
        for change in changes {
            self.tables.apply(change, rev)?;
        }
        Ok(rev)
    }

    async fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<()> {
        self.check(&lock(&self.shared.inner))?;
        self.tables.discard(ids, events);
        Ok(())
    }

    /// Nothing is kept that could be wrong.
    async fn recount(&mut self) -> Result<()> {
        self.check(&lock(&self.shared.inner))
    }

    async fn commit(mut self: Box<Self>, advance: Advance) -> Result<()> {
        let mut inner = lock(&self.shared.inner);
        self.check(&inner)?;
        let row = inner.row(&self.claim)?;
        row.next = advance.next;
        row.indexed = row.indexed.min(advance.next);
        row.last = advance.last;
        row.updated_at = advance.now;
        row.rewritten.extend(self.rewritten.take());
        inner.tables = std::mem::take(&mut self.tables);
        drop(inner);
        Ok(())
    }
}

impl Tables {
    fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) {
        for id in ids {
            self.memories.remove(id);
        }
        self.events.retain(|event, id| !ids.contains(id) && !events.contains(event));
        for row in self.memories.values_mut() {
            let is_there = |entry: &Entry| !events.contains(&entry.event.event_id);
            if !row.entries.iter().all(is_there) {
                Arc::make_mut(row).entries.retain(is_there);
            }
        }
    }

    fn apply(&mut self, change: &Change, rev: u64) -> Result<()> {
        let Change { state, visible, erase, rows } = change;
        let mut entries = self.memories.get(&state.id).map(|row| row.entries.clone()).unwrap_or_default();
        let erased: Option<BTreeSet<EventId>> = match erase {
            Erase::Nothing => Some(BTreeSet::new()),
            Erase::Everything => None,
            Erase::Events(ids) => Some(ids.iter().copied().collect()),
        };
        for entry in &mut entries {
            if erased.as_ref().is_none_or(|ids| ids.contains(&entry.event.event_id)) {
                entry.event.content = None;
            }
        }
        for entry in rows {
            if self.events.insert(entry.event.event_id, state.id).is_some() {
                let text = format!("the event {} is staged a second time", entry.event.event_id);
                return Err(Error::new(Code::Internal, text));
            }
            entries.push(entry.clone());
        }
        let rev = if *visible { rev } else { state.rev };
        let state = State { rev, ..state.clone() };
        self.memories.insert(state.id, Arc::new(Stored { placed: Placed::of(&state), state, entries }));
        Ok(())
    }
}
