//! How a point lies in the index, written and read in one place.
//!
//! ```text
//! id        the memory's id
//! dense     the dense vector
//! words     the sparse vector; one without terms is held as the term [`NO_TERMS`] of weight 0, so that
//!           the point counts among the `N` points of the BM25 formula
//! payload   namespace, type, timestamp (when the memory was last set), created_at, importance,
//!           event_id, rev; model_revision, thread: digests; fields: the memory's own JSON, one entry
//!           per path, strings and paths by their digests; facts: their numbers, for lookups
//! ```
//!
//! Of a caller's words only the namespace stands here in readable form: the library's files keep
//! what was removed until its place is used again.
//!
//! A change of this layout raises [`super::collection::FORMAT`].

use qdrant_edge::{
    DateTimeWrapper, JsonPath, Payload, PointId, PointStructPersisted, Record, SparseVector, VectorInternal,
    VectorPersisted, VectorStructInternal, VectorStructPersisted,
};
use serde_json::{Map, Value};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{EventId, MemoryId, Timestamp};
use soma_core::index::{Point, Sparse, StoredPoint};
use uuid::Uuid;

use super::facts::{self, FACTS};
use super::fields;

/// The dense vector's name.
pub(super) const DENSE: &str = "dense";
/// The sparse vector's name.
pub(super) const WORDS: &str = "words";

/// Stands for a sparse vector without terms. A weight of 0 makes no score.
const NO_TERMS: u32 = u32::MAX;

/// A field at the top of a point's payload.
pub(super) fn key(name: &str) -> JsonPath {
    JsonPath { first_key: name.to_owned(), rest: Vec::new() }
}

/// Refuses a point that the index could not hold, before anything of its batch is written.
///
/// # Errors
/// `store_rejected`.
pub(super) fn check(point: &Point, dims: usize) -> Result<()> {
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

/// The point as it is stored.
pub(super) fn stored(point: &Point) -> PointStructPersisted {
    let words = if point.sparse.indices.is_empty() {
        SparseVector { indices: vec![NO_TERMS], values: vec![0.0] }
    } else {
        SparseVector { indices: point.sparse.indices.clone(), values: point.sparse.values.clone() }
    };
    let vectors = [
        (DENSE.to_owned(), VectorPersisted::Dense(point.dense.clone())),
        (WORDS.to_owned(), VectorPersisted::Sparse(words)),
    ];
    PointStructPersisted {
        id: PointId::Uuid(point.id.0),
        vector: VectorStructPersisted::Named(vectors.into_iter().collect()),
        payload: Some(payload(point)),
    }
}

/// A point without content, to be removed next: taking the terms away first makes the index forget
/// them, so that they no longer count in any document frequency.
pub(super) fn blank(id: PointId) -> PointStructPersisted {
    PointStructPersisted { id, vector: VectorStructPersisted::Named(Default::default()), payload: None }
}

fn payload(point: &Point) -> Payload {
    let mut payload = Map::new();
    let mut put = |name: &str, value: Value| payload.insert(name.to_owned(), value);
    put("namespace", point.namespace.as_str().into());
    put("type", point.kind.as_str().into());
    put("timestamp", moment(point.updated_at));
    put("created_at", moment(point.created_at));
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
    Payload(payload)
}

/// RFC 3339, to the microsecond.
fn moment(time: Timestamp) -> Value {
    DateTimeWrapper::from_timestamp(time.0)
        .and_then(|moment| serde_json::to_value(moment).ok())
        .unwrap_or_else(|| time.0.into())
}

/// The id of a point; all of ours are UUIDs.
pub(super) fn id(id: PointId) -> MemoryId {
    match id {
        PointId::Uuid(id) => MemoryId(id),
        PointId::NumId(n) => MemoryId(Uuid::from_u128(n.into())),
    }
}

/// The event that a point was written for; `None` while it is being removed.
pub(super) fn event_id(payload: Option<&Payload>) -> Option<EventId> {
    payload?.0.get("event_id")?.as_str()?.parse().ok().map(EventId)
}

/// Reads a point back. One that lost its payload has the nil event, so that a comparison with its
/// record notices.
pub(super) fn read(record: Record) -> StoredPoint {
    let payload = record.payload.unwrap_or_default();
    let (mut dense, mut sparse) = (Vec::new(), Sparse::default());
    if let Some(VectorStructInternal::Named(vectors)) = record.vector {
        for vector in vectors.into_values() {
            match vector {
                VectorInternal::Dense(numbers) => dense = numbers,
                VectorInternal::Sparse(SparseVector { indices, values }) => sparse = ascending(indices, values),
                VectorInternal::MultiDense(_) => {}
            }
        }
    }
    StoredPoint {
        id: id(record.id),
        rev: payload.0.get("rev").and_then(Value::as_u64).unwrap_or_default(),
        event_id: event_id(Some(&payload)).unwrap_or(EventId(Uuid::nil())),
        namespace: payload.0.get("namespace").and_then(Value::as_str).unwrap_or_default().to_owned(),
        dense,
        sparse,
    }
}

fn ascending(indices: Vec<u32>, values: Vec<f32>) -> Sparse {
    let mut terms: Vec<(u32, f32)> = indices.into_iter().zip(values).collect();
    if terms == [(NO_TERMS, 0.0)] {
        return Sparse::default();
    }
    terms.sort_unstable_by_key(|(index, _)| *index);
    let (indices, values) = terms.into_iter().unzip();
    Sparse { indices, values }
}
