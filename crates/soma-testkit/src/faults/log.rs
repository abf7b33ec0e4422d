//! The log and the dead letters, seen from a process that may fail.

use std::sync::Arc;

use async_trait::async_trait;
use soma_core::error::Result;
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Place};
use soma_core::log::{Appended, Bounds, DeadLetter, DeadLetters, Erasure, EventLog, NewRecord, ReadLimit, Record};

use super::Faults;

/// An [`EventLog`] whose calls may fail.
pub struct Log {
    /// What holds the records.
    pub inner: Arc<dyn EventLog>,
    /// The process.
    pub faults: Arc<Faults>,
}

#[async_trait]
impl EventLog for Log {
    fn id(&self) -> &LogId {
        self.inner.id()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        self.faults.around("log.append", self.inner.append(records)).await
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        self.faults.around("log.read", self.inner.read(partition, from, limit)).await
    }

    fn forget_ahead(&self, partition: Partition) {
        self.inner.forget_ahead(partition);
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        self.faults.around("log.bounds", self.inner.bounds()).await
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        self.faults.around("log.wait", self.inner.wait(partition, from)).await
    }

    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        self.faults.around("log.erase", self.inner.erase(partition, items)).await
    }

    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        self.faults.around("log.find", self.inner.find(event_id)).await
    }
}

/// A [`DeadLetters`] whose calls may fail.
pub struct Letters {
    /// What holds the letters.
    pub inner: Arc<dyn DeadLetters>,
    /// The process.
    pub faults: Arc<Faults>,
}

#[async_trait]
impl DeadLetters for Letters {
    async fn put(&self, letters: Vec<DeadLetter>) -> Result<()> {
        self.faults.around("letters.put", self.inner.put(letters)).await
    }

    async fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<DeadLetter>> {
        self.faults.around("letters.list", self.inner.list(after, limit)).await
    }

    async fn get(&self, source: &Place) -> Result<Option<DeadLetter>> {
        self.faults.around("letters.get", self.inner.get(source)).await
    }

    async fn count(&self) -> Result<u64> {
        self.faults.around("letters.count", self.inner.count()).await
    }
}
