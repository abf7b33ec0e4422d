//! What a projector tells about itself: the source of metrics, as a port.

use std::time::Duration;

use crate::error::Error;
use crate::ids::{Offset, Partition};

/// A part of the projector that can fail or be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The log that it reads.
    Log,
    /// The record store.
    KvWriter,
    /// The embedder and the vector index.
    VectorIndexer,
    /// The dead-letter log.
    DeadLetters,
    /// The schema registry.
    Schemas,
}

impl Component {
    /// Every component.
    pub const ALL: [Self; 5] = [Self::Log, Self::KvWriter, Self::VectorIndexer, Self::DeadLetters, Self::Schemas];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::KvWriter => "kv_writer",
            Self::VectorIndexer => "vector_indexer",
            Self::DeadLetters => "dead_letters",
            Self::Schemas => "schema_registry",
        }
    }
}

/// What became of one committed batch.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records that the position passed.
    pub records: usize,
    /// Events that took effect.
    pub applied: usize,
    /// Events that are history only: a newer state or a delete stood.
    pub stale: usize,
    /// Events whose id had taken effect before.
    pub duplicates: usize,
    /// Dead letters, by reason code.
    pub letters: Vec<String>,
    /// Writers' own vectors that did not fit the index and were replaced by ours.
    pub embeddings_replaced: usize,
    /// Time in the record store.
    pub records_took: Duration,
    /// Time in the embedder and the index.
    pub index_took: Duration,
    /// Time from the open transaction to the commit in both.
    pub both_took: Duration,
    /// Per record, time from the log taking it to the commit in both stores.
    pub end_to_end: Vec<Duration>,
    /// The `traceparent` of each record that carries one.
    pub traceparents: Vec<String>,
}

/// Who wants to know how a projector fares. Calls are brief and never block.
pub trait Observer: Send + Sync {
    /// Records were read from the log.
    fn consumed(&self, partition: Partition, records: usize);
    /// A batch was committed; the partition's first unprojected offset is `next`.
    fn projected(&self, partition: Partition, next: Offset, report: &Report);
    /// A step failed.
    fn failed(&self, component: Component, error: &Error);
    /// The projector began or ceased to wait for a component.
    fn paused(&self, component: Component, paused: bool);
    /// The projector stopped for good.
    fn halted(&self, partition: Partition, error: &Error);
}

/// An observer that does not care.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn consumed(&self, _: Partition, _: usize) {}
    fn projected(&self, _: Partition, _: Offset, _: &Report) {}
    fn failed(&self, _: Component, _: &Error) {}
    fn paused(&self, _: Component, _: bool) {}
    fn halted(&self, _: Partition, _: &Error) {}
}
