//! The record store, seen from a process that may fail.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use soma_core::error::{Code, Error, Result};
use soma_core::fold::{Change, Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Offset, Partition, Position, Timestamp};
use soma_core::memory::Memory;
use soma_core::store::{
    Advance, Audit, Claim, Claimed, Counts, ListQuery, Loaded, Mark, MemoryStore, Mending, NamespaceCount, PositionRow,
    Progress, Projecting, ProjectorName, Reading, Staging, StoredEvent,
};
use soma_core::thread::{Thread, TurnKey};

use super::Faults;

/// A [`MemoryStore`] whose calls may fail, and that refuses the rows of some events.
pub struct Store {
    /// What holds the records.
    pub inner: Arc<dyn MemoryStore>,
    /// The process.
    pub faults: Arc<Faults>,
}

struct Transaction {
    inner: Box<dyn Staging>,
    faults: Arc<Faults>,
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
        self.faults.around("store.claim", self.inner.claim(projector, log, partition, now)).await
    }

    async fn begin(&self, claim: &Claim) -> Result<Box<dyn Staging>> {
        let inner = self.faults.around("store.begin", self.inner.begin(claim)).await?;
        Ok(Box::new(Transaction { inner, faults: Arc::clone(&self.faults) }))
    }

    async fn mend(&self, projector: &ProjectorName, log: &LogId, partition: Partition) -> Result<Mending> {
        let mending = self.faults.around("store.mend", self.inner.mend(projector, log, partition)).await?;
        let inner = Transaction { inner: mending.staging, faults: Arc::clone(&self.faults) };
        Ok(Mending { staging: Box::new(inner), ..mending })
    }

    async fn mark_indexed(&self, claim: &Claim, indexed: Offset) -> Result<()> {
        self.faults.around("store.mark_indexed", self.inner.mark_indexed(claim, indexed)).await
    }

    async fn forget_indexed(&self, projector: &ProjectorName) -> Result<()> {
        self.faults.around("store.forget_indexed", self.inner.forget_indexed(projector)).await
    }
}

#[async_trait]
impl Staging for Transaction {
    async fn load(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<Loaded> {
        self.faults.around("store.load", self.inner.load(ids, events)).await
    }

    async fn entries(&mut self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Entry>>> {
        self.faults.around("store.entries", self.inner.entries(ids)).await
    }

    async fn lock_threads(&mut self, threads: &[Thread]) -> Result<()> {
        self.faults.around("store.lock_threads", self.inner.lock_threads(threads)).await
    }

    async fn turns(&mut self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        self.faults.around("store.turns", self.inner.turns(thread, around, reach)).await
    }

    async fn note_rewritten(&mut self, ids: &[MemoryId], next: Offset) -> Result<()> {
        self.faults.around("store.note_rewritten", self.inner.note_rewritten(ids, next)).await
    }

    async fn stage(&mut self, changes: &[Change]) -> Result<u64> {
        let mut events = changes.iter().flat_map(|change| &change.rows).map(|row| row.event.event_id);
        if let Some(refused) = events.find(|event_id| self.faults.refuses(*event_id)) {
            return Err(Error::new(Code::StoreRejected, format!("the store refuses event {refused} as it was told")));
        }
        self.faults.around("store.stage", self.inner.stage(changes)).await
    }

    async fn discard(&mut self, ids: &[MemoryId], events: &[EventId]) -> Result<()> {
        self.faults.around("store.discard", self.inner.discard(ids, events)).await
    }

    async fn recount(&mut self) -> Result<()> {
        self.faults.around("store.recount", self.inner.recount()).await
    }

    async fn commit(self: Box<Self>, advance: Advance) -> Result<()> {
        self.faults.around("store.commit", self.inner.commit(advance)).await
    }
}

#[async_trait]
impl Reading for Store {
    async fn states(&self, ids: &[MemoryId]) -> Result<Vec<State>> {
        self.faults.around("store.states", self.inner.states(ids)).await
    }

    async fn owners(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Option<Namespace>>> {
        self.faults.around("store.owners", self.inner.owners(ids)).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>> {
        self.faults.around("store.scan", self.inner.scan(after, limit)).await
    }

    async fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        self.faults.around("store.turns_read", self.inner.turns(thread, around, reach)).await
    }

    async fn actors(&self, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>> {
        self.faults.around("store.actors", self.inner.actors(namespaces, limit)).await
    }

    async fn histories(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Mark>>> {
        self.faults.around("store.histories", self.inner.histories(ids)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Memory>> {
        self.faults.around("store.list", self.inner.list(query)).await
    }

    async fn namespaces(&self, prefix: &str, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceCount>> {
        self.faults.around("store.namespaces", self.inner.namespaces(prefix, after, limit)).await
    }

    async fn counts(&self) -> Result<Counts> {
        self.faults.around("store.counts", self.inner.counts()).await
    }

    async fn audit(&self, limit: usize) -> Result<Audit> {
        self.faults.around("store.audit", self.inner.audit(limit)).await
    }

    async fn event(&self, event_id: EventId) -> Result<Option<StoredEvent>> {
        self.faults.around("store.event", self.inner.event(event_id)).await
    }
}

#[async_trait]
impl Progress for Store {
    async fn positions(&self) -> Result<Vec<PositionRow>> {
        self.faults.around("store.positions", self.inner.positions()).await
    }

    async fn reached(&self, projector: &ProjectorName, position: &Position) -> Result<()> {
        self.faults.around("store.reached", self.inner.reached(projector, position)).await
    }
}
