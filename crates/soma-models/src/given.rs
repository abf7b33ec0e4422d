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
mod tests {
    use serde_json::json;
    use soma_core::embed::Embedder as _;
    use soma_core::error::Code;
    use soma_core::projector::verdict::{self, Verdict};

    use super::Given;
    use crate::testing::run;

    #[test]
    fn a_payload_without_a_vector_is_refused_and_none_is_made_up() {
        let given = Given::new("r7", 3);
        let error = run(given.documents(&[&json!({"text": "words"})])).expect_err("there is no vector");
        assert_eq!((error.code, verdict::of(&error)), (Code::StoreRejected, Verdict::DeadLetter));
        assert!(error.to_string().contains("3 numbers and `model_revision` r7"), "{error}");
        assert!(run(given.documents(&[])).expect("nothing is asked for").is_empty());
    }

    #[test]
    fn a_question_in_text_is_refused_with_a_way_out() {
        let given = Given::new("r7", 3);
        let error = run(given.query("words")).expect_err("there is no model");
        assert_eq!((error.code, error.message.as_str()), (Code::BadRequest, "this embedder takes vectors only"));
        assert_eq!(given.hybrid_weight(), 0.0, "hybrid recall must not ask for the vector of a text");
        assert_eq!(given.identity().to_string(), "given:r7 with 3 dimensions");
    }
}
