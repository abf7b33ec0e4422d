//! A log whose records of ours are framed with their schema's id: `KAFKA_VALUE_FORMAT=confluent`.
//!
//! Framing stands at the edge of the log alone. What is read keeps its frame, and the codec takes it off;
//! so the log, its dead letters and every reader beside us see the same bytes.

use std::sync::Arc;

use async_trait::async_trait;
use soma_core::Result;
use soma_core::event::frame::{SchemaId, framed};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition};
use soma_core::log::{Appended, Bounds, Erasure, EventLog, NewRecord, ReadLimit, Record};

/// A log behind a frame.
pub struct FramedLog {
    log: Arc<dyn EventLog>,
    schema: SchemaId,
}

impl FramedLog {
    /// Frames what is appended as values of the schema with that id.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, schema: u32) -> Self {
        Self { log, schema: SchemaId::Id(schema) }
    }
}

#[async_trait]
impl EventLog for FramedLog {
    fn id(&self) -> &LogId {
        self.log.id()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        self.log.append(records.into_iter().map(|record| framed(record, self.schema)).collect()).await
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        self.log.read(partition, from, limit).await
    }

    fn forget_ahead(&self, partition: Partition) {
        self.log.forget_ahead(partition);
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        self.log.bounds().await
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        self.log.wait(partition, from).await
    }

    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        self.log.erase(partition, items).await
    }

    fn knows_event_ids(&self) -> bool {
        self.log.knows_event_ids()
    }

    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        self.log.find(event_id).await
    }
}
