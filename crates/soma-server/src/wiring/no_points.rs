//! The index of a process that keeps records only: it holds nothing, and nobody may write to it.

use async_trait::async_trait;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::ids::MemoryId;
use soma_core::index::{FoundList, Op, Search, StoredPoint, VectorIndex};
use soma_core::{Error, Result};

/// No points.
pub(super) struct NoPoints(pub(super) Identity);

#[async_trait]
impl VectorIndex for NoPoints {
    fn identity(&self) -> &Identity {
        &self.0
    }

    async fn write(&self, _: Vec<Op>) -> Result<()> {
        Err(Error::new(Code::Internal, "a process that keeps records only was to write points").remedy("report this"))
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    async fn search(&self, _: &Search) -> Result<FoundList> {
        Ok(FoundList { found: Vec::new(), exact: true })
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        Ok(vec![None; terms.len()])
    }

    async fn scan(&self, _: Option<MemoryId>, _: usize) -> Result<Vec<StoredPoint>> {
        Ok(Vec::new())
    }

    async fn count(&self) -> Result<u64> {
        Ok(0)
    }

    async fn purge(&self, _: &[MemoryId]) -> Result<()> {
        Ok(())
    }
}
