//! A second look at the best candidates, as a port.
//!
//! A reranker reads question and memory together (a cross-encoder does), which is better and slower
//! than comparing what was made of each alone. None is shipped; whoever has one gives it to the
//! engine.

use async_trait::async_trait;

use crate::error::Result;
use crate::memory::Memory;

/// How many of the best candidates are looked at again.
pub const RERANKED: usize = 50;

/// Judges how well memories answer a question.
#[async_trait]
pub trait Reranker: Send + Sync {
    /// One score per memory, 0 to 1, higher is better; added to the sum that brought it here.
    ///
    /// # Errors
    /// `unavailable` when the model is away.
    async fn scores(&self, question: &str, memories: &[&Memory]) -> Result<Vec<f64>>;
}
