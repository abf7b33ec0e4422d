//! The index and the embedder, seen from a process that may fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use soma_core::embed::language::Language;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Result;
use soma_core::ids::MemoryId;
use soma_core::index::{FoundList, Op, Search, StoredPoint, VectorIndex};

use super::Faults;

/// A [`VectorIndex`] whose calls may fail.
pub struct Index {
    /// What holds the points.
    pub inner: Arc<dyn VectorIndex>,
    /// The process.
    pub faults: Arc<Faults>,
}

#[async_trait]
impl VectorIndex for Index {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        self.faults.around("index.write", self.inner.write(ops)).await
    }

    async fn flush(&self) -> Result<()> {
        self.faults.around("index.flush", self.inner.flush()).await
    }

    fn durability_lag(&self) -> Duration {
        self.inner.durability_lag()
    }

    async fn search(&self, search: &Search) -> Result<FoundList> {
        self.faults.around("index.search", self.inner.search(search)).await
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        self.faults.around("index.rarities", self.inner.rarities(terms)).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        self.faults.around("index.scan", self.inner.scan(after, limit)).await
    }

    async fn count(&self) -> Result<u64> {
        self.faults.around("index.count", self.inner.count()).await
    }

    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        self.faults.around("index.purge", self.inner.purge(ids)).await
    }
}

/// An [`Embedder`] whose calls may fail.
pub struct Embedding {
    /// What makes the vectors.
    pub inner: Arc<dyn Embedder>,
    /// The process.
    pub faults: Arc<Faults>,
}

#[async_trait]
impl Embedder for Embedding {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    fn hybrid_weight(&self) -> f64 {
        self.inner.hybrid_weight()
    }

    fn mixes_neighbours(&self) -> bool {
        self.inner.mixes_neighbours()
    }

    fn language(&self) -> Language {
        self.inner.language()
    }

    fn tolerance(&self) -> f32 {
        self.inner.tolerance()
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        self.faults.around("embedder.documents", self.inner.documents(payloads)).await
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        self.faults.around("embedder.query", self.inner.query(text)).await
    }
}
