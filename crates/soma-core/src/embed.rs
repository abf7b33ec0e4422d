//! Embedders: payload to dense vector, as a port; and the vectors that need no model.

pub mod hash;
pub mod language;
pub mod sparse;
pub mod words;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;
use language::Language;

/// Which embedder filled an index: two indexes with equal identities hold comparable vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The embedder's name (`hash`).
    pub name: String,
    /// The revision of its model or algorithm.
    pub revision: String,
    /// The length of its vectors.
    pub dims: usize,
}

impl Identity {
    /// Whether a search by these vectors looks at each of them as it is. So it is with `hash`, which promises the
    /// same order on every index; of other embedders an index may first take the likely ones by a coarser look.
    #[must_use]
    pub fn is_searched_exactly(&self) -> bool {
        self.name.split('+').next() == Some("hash")
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} with {} dimensions", self.name, self.revision, self.dims)
    }
}

/// Turns payloads and queries into dense vectors of norm 1.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Which embedder this is.
    fn identity(&self) -> &Identity;

    /// How much the dense score counts beside the lexical one in hybrid recall.
    fn hybrid_weight(&self) -> f64;

    /// Whether a turn's vector takes in those of its neighbours; the index then holds a mixture that no
    /// single payload has. By default, if the dense score counts in hybrid recall.
    fn mixes_neighbours(&self) -> bool {
        self.hybrid_weight() > 0.0
    }

    /// In which language the words beside its vectors are cut; see [`language::speaking`].
    fn language(&self) -> Language {
        Language::English
    }

    /// By how much a component may differ when the vector of one payload is made again: 0 when equal
    /// payloads have equal bits.
    fn tolerance(&self) -> f32 {
        0.0
    }

    /// One vector per payload, each of length `dims` and norm 1.
    ///
    /// # Errors
    /// `unavailable` when the model is away.
    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>>;

    /// The vector of a query, of length `dims` and norm 1.
    ///
    /// # Errors
    /// `unavailable` when the model is away; `bad_request` when this embedder takes vectors only.
    async fn query(&self, text: &str) -> Result<Vec<f32>>;
}
