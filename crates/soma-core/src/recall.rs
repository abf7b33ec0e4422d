//! Recall: a question in, memories out, best first.
//!
//! Recall reads the index and the records, never the log. A hit shows the committed record, with the
//! filter checked on it again; a hit whose record is gone is dropped. Filters never reduce the hits
//! below what exists.
//!
//! What each mode finds: `lexical`, the memories that share a word with the question, by BM25 alone.
//! `dense`, the nearest memories, by cosine alone. `hybrid`, the candidates of both lists by the sum
//! of [`rank`]; when the embedder's weight is 0 (`hash`) its list takes no part, so the hits are
//! those that share a word with the question, and fewer than `top_k` when fewer do: hits without a
//! shared word would be noise. A question that consists of function words only ("who are you?")
//! names nothing that is indexed by word; hybrid then answers by vector alone, lexical with nothing.

mod boost;
mod finalists;
mod question;
pub mod rank;
mod rarity;
mod rerank;
mod search;
mod why;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::{Namespace, Position};
use crate::memory::Memory;
use crate::{json, limits};

/// Names what memories are found by, for whoever compares figures: words with those of up to three turns
/// on each side ([`crate::context`]), and a sum with priors ([`rank`]). A change of either that changes
/// figures changes it.
pub const RECIPE: &str = "context-5";

/// Which lists take part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Both, fused by score sum (see [`rank`]).
    #[default]
    Hybrid,
    /// By vector alone.
    Dense,
    /// By words alone.
    Lexical,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In these namespaces, at least one.
    Namespaces(Vec<Namespace>),
    /// In every namespace that begins with this.
    Prefix(String),
}

impl Scope {
    /// The namespaces that it covers as the store knows them; `None` is every namespace.
    pub(crate) async fn namespaces(&self, engine: &Engine) -> Result<Option<Vec<Namespace>>> {
        match self {
            Self::Prefix(prefix) if prefix.is_empty() => Ok(None),
            Self::Namespaces(_) | Self::Prefix(_) => self.names(engine).await.map(Some),
        }
    }

    /// The namespaces that it covers, each by name.
    pub(crate) async fn names(&self, engine: &Engine) -> Result<Vec<Namespace>> {
        let prefix = match self {
            Self::Namespaces(names) => return Ok(names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()),
            Self::Prefix(prefix) => prefix,
        };
        let mut names: Vec<Namespace> = Vec::new();
        loop {
            let page = engine.store.namespaces(prefix, names.last(), limits::PAGE_MAX).await?;
            let last = page.len() < limits::PAGE_MAX;
            names.extend(page.into_iter().map(|count| count.namespace));
            if last {
                return Ok(names);
            }
        }
    }
}

/// What to look for.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// A question in words.
    Text(String),
    /// A vector of the index's dimensions, of any length above 0; the lexical list takes no part.
    Vector(Vec<f32>),
}

/// One question.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to look.
    pub scope: Scope,
    /// What to look for.
    pub probe: Probe,
    /// How many hits, 1 to [`crate::limits::TOP_K_MAX`].
    pub top_k: usize,
    /// Only memories that match.
    pub filter: Option<Filter>,
    /// Which lists take part.
    pub mode: Mode,
    /// What counts beside words and meaning; in hybrid mode only.
    pub boost: Boost,
    /// Wait until the stores have passed this.
    pub after: Option<Position>,
    /// How long to wait for it.
    pub wait: Duration,
    /// Whether each hit tells why it is one.
    pub explain: bool,
}

/// Why a hit is one: every part of its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// BM25 sum of the query's terms, if the lexical list took part.
    pub bm25: Option<f64>,
    /// Cosine similarity, if the dense list took part.
    pub cosine: Option<f64>,
    /// The named summands of the score, in the order in which they were added; they sum to `score`.
    pub parts: Vec<(&'static str, f64)>,
    /// The query's words that the memory shares, as they were indexed, in the query's order.
    pub terms: Vec<String>,
    /// Further words of the query, which turns around it hold and lend to it ([`crate::context`]).
    pub context: Vec<String>,
}

/// One memory that answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The committed record.
    pub memory: Memory,
    /// Higher is better; comparable within one answer only.
    pub score: f64,
    /// Why, when asked.
    pub explain: Option<Explain>,
}

/// What recall found, best first; ties by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Whether further hits were left out because of their size.
    pub truncated: bool,
    /// What the stores had passed, at least, when they were read.
    pub position: Position,
}

impl Answer {
    /// Leaves out the hits behind the one with which the payloads reach [`limits::PAGE_BYTES`].
    pub(crate) fn bounded(mut self) -> Self {
        let len = json::page_len(self.hits.iter().map(|hit| Some(&hit.memory.payload)));
        self.truncated = len < self.hits.len();
        self.hits.truncate(len);
        self
    }
}

pub use boost::Boost;
pub use rerank::{RERANKED, Reranker};
pub(crate) use search::recall;
