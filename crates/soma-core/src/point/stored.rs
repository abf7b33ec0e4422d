//! How a point lies in an index of Qdrant's kind, in process or on a server; written and read here, so
//! that both hold the same.
//!
//! ```text
//! id        the memory's id
//! dense     the dense vector
//! words     the sparse vector; one without terms is held as the term `NO_TERMS` of weight 0, so that
//!           the point counts among the `N` points of the BM25 formula
//! payload   namespace, type, timestamp (when the memory was last set), created_at, importance,
//!           event_id, rev; model_revision, thread: digests; fields: the memory's own JSON, one entry
//!           per path, strings and paths by their digests; facts: their numbers, for lookups
//! ```
//!
//! Of a caller's words only the namespace stands here in readable form: an index keeps in its files
//! what was removed until its place is used again.
//!
//! A change of this layout raises the format number of every index that uses it.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::facts::{self, FACTS};
use super::fields;
use crate::error::{Code, Error, Result};
use crate::ids::{EventId, MemoryId};
use crate::index::{Point, Sparse, StoredPoint};

/// The dense vector's name.
pub const DENSE: &str = "dense";
/// The sparse vector's name.
pub const WORDS: &str = "words";
/// The fields of a payload that [`read`] looks at.
pub const READ: [&str; 3] = ["rev", "event_id", "namespace"];

/// Stands for a sparse vector without terms. A weight of 0 makes no score.
const NO_TERMS: u32 = u32::MAX;

/// Refuses a point that the index could not hold, before anything of its batch is written.
///
/// # Errors
/// `store_rejected`.
pub fn check(point: &Point, dims: usize) -> Result<()> {
    let refuse = |why: String| {
        Err(Error::new(
            Code::StoreRejected,
            format!("the vector index cannot hold the point of memory {}: {why}", point.id),
        ))
    };
    let Point { dense, sparse, .. } = point;
    if dense.len() != dims {
        return refuse(format!("its dense vector has {} numbers instead of {dims}", dense.len()));
    }
    if dense.iter().all(|n| *n == 0.0) {
        return refuse("its dense vector is all zero".into());
    }
    if sparse.indices.len() != sparse.values.len() {
        return refuse(format!("it has {} terms with {} weights", sparse.indices.len(), sparse.values.len()));
    }
    if !sparse.indices.is_sorted_by(|a, b| a < b) {
        return refuse("its terms do not ascend".into());
    }
    if !dense.iter().chain(&sparse.values).all(|n| n.is_finite()) {
        return refuse("a number of its vectors is not finite".into());
    }
    Ok(())
}

/// The payload of a point.
#[must_use]
pub fn payload(point: &Point) -> Map<String, Value> {
    let mut payload = Map::new();
    let mut put = |name: &str, value: Value| payload.insert(name.to_owned(), value);
    put("namespace", point.namespace.as_str().into());
    put("type", point.kind.as_str().into());
    put("timestamp", point.updated_at.to_string().into());
    put("created_at", point.created_at.to_string().into());
    put("event_id", point.event_id.to_string().into());
    put("rev", point.rev.into());
    if let Some(importance) = point.importance {
        put("importance", importance.into());
    }
    if let Some(revision) = &point.model_revision {
        put("model_revision", fields::digest(revision.as_str()).into());
    }
    if let Some(thread) = &point.thread {
        put("thread", fields::digest(thread.as_str()).into());
    }
    put(FACTS, facts::of(&point.payload).into());
    put("fields", Value::Object(fields::flatten(&point.payload)));
    payload
}

/// The sparse vector of a point as it is stored.
#[must_use]
pub fn words(sparse: &Sparse) -> Sparse {
    if sparse.indices.is_empty() { Sparse { indices: vec![NO_TERMS], values: vec![0.0] } } else { sparse.clone() }
}

/// The sparse vector that was stored as [`words`], in whatever order its terms come.
#[must_use]
pub fn read_words(indices: Vec<u32>, values: Vec<f32>) -> Sparse {
    let mut terms: Vec<(u32, f32)> = indices.into_iter().zip(values).collect();
    if terms == [(NO_TERMS, 0.0)] {
        return Sparse::default();
    }
    terms.sort_unstable_by_key(|(index, _)| *index);
    let (indices, values) = terms.into_iter().unzip();
    Sparse { indices, values }
}

/// The inverse document frequency of a term, by the score of the best point of a search for it alone.
/// `None` when the point has been written anew meanwhile, without the term.
#[must_use]
pub fn rarity(score: f32, held: &Sparse, term: u32) -> Option<f32> {
    let at = held.indices.binary_search(&term).ok()?;
    let weight = held.values[at];
    (weight > 0.0).then(|| score / weight)
}

/// The event that a point was written for; `None` while it is being removed.
fn event_id(payload: &Map<String, Value>) -> Option<EventId> {
    payload.get("event_id")?.as_str()?.parse().ok().map(EventId)
}

/// Reads a point back. One that lost its payload has the nil event, so that a comparison with its
/// record notices.
#[must_use]
pub fn read(id: MemoryId, payload: &Map<String, Value>, dense: Vec<f32>, sparse: Sparse) -> StoredPoint {
    StoredPoint {
        id,
        rev: payload.get("rev").and_then(Value::as_u64).unwrap_or_default(),
        event_id: event_id(payload).unwrap_or(EventId(Uuid::nil())),
        namespace: payload.get("namespace").and_then(Value::as_str).unwrap_or_default().to_owned(),
        dense,
        sparse,
    }
}
