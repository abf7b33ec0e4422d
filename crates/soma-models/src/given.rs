//! No model: whoever writes a memory brings its vector.
//!
//! A vector counts when its length and its `model_revision` are those of the configuration. A memory
//! without one has no place in the index, and nothing may stand in for it: whatever stood there would be
//! compared with real vectors. So its event is refused (`store_rejected`) and becomes a dead letter. For
//! the same reason questions in text are answered by their words alone.

use async_trait::async_trait;
use serde_json::Value;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};

/// Takes vectors and makes none.
#[derive(Clone, Debug)]
pub struct Given {
    identity: Identity,
}

impl Given {
    /// Of vectors of that model revision and length.
    #[must_use]
    pub fn new(revision: &str, dims: usize) -> Self {
        Self { identity: Identity { name: "given".to_owned(), revision: revision.to_owned(), dims } }
    }
}

#[async_trait]
impl Embedder for Given {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// None: a question in text has no vector.
    fn hybrid_weight(&self) -> f64 {
        0.0
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        let Identity { revision, dims, .. } = &self.identity;
        Err(Error::new(Code::StoreRejected, "the event brings no vector that this index takes")
            .at("embedding")
            .remedy(format!("send `embedding` with {dims} numbers and `model_revision` {revision}")))
    }

    async fn query(&self, _text: &str) -> Result<Vec<f32>> {
        Err(Error::new(Code::BadRequest, "this embedder takes vectors only")
            .at("query")
            .remedy(format!("send `embedding` with {} numbers instead, or ask in lexical mode", self.identity.dims)))
    }
}

#[cfg(test)]
mod tests;
