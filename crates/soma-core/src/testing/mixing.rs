//! An embedder that behaves like a model: its vectors take in those of neighbours and count in ranking.

use async_trait::async_trait;
use serde_json::Value;

use crate::embed::hash::HashEmbedder;
use crate::embed::{Embedder, Identity};
use crate::error::Result;

/// The hash embedder, weighed and mixed as models are.
#[derive(Clone, Debug)]
pub struct Mixing(HashEmbedder);

impl Mixing {
    /// An embedder of that many dimensions.
    ///
    /// # Errors
    /// As [`HashEmbedder::new`].
    pub fn new(dims: usize) -> Result<Self> {
        HashEmbedder::new(dims).map(Self)
    }
}

#[async_trait]
impl Embedder for Mixing {
    fn identity(&self) -> &Identity {
        self.0.identity()
    }

    fn hybrid_weight(&self) -> f64 {
        0.8
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        self.0.documents(payloads).await
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        self.0.query(text).await
    }
}
