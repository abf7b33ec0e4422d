//! Points in the words of the wire. What they hold is decided in [`soma_core::point::stored`]; a change
//! of that layout raises [`super::collection::FORMAT`].

use std::collections::HashMap;

use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    DenseVector, NamedVectors, PointId, PointStruct, RetrievedPoint, SparseVector, Value as Wired, Vector, Vectors,
    VectorsOutput, vector, vector_output, vectors_output,
};
use serde_json::{Map, Value};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::{Point, Sparse, StoredPoint};
use soma_core::point::stored::{self, DENSE, WORDS};
use uuid::Uuid;

use super::filter;

/// The point as it is stored.
pub(super) fn stored(point: &Point) -> PointStruct {
    let Sparse { indices, values } = stored::words(&point.sparse);
    let vectors = [
        (DENSE, vector::Vector::Dense(DenseVector { data: point.dense.clone() })),
        (WORDS, vector::Vector::Sparse(SparseVector { indices, values })),
    ];
    PointStruct {
        id: Some(filter::id(point.id.0)),
        payload: stored::payload(point).into_iter().map(|(name, value)| (name, Wired::from(value))).collect(),
        vectors: named(vectors.into_iter()),
    }
}

/// A point without content, to be removed next: taking the terms away first makes the index forget
/// them, so that they no longer count in any document frequency.
pub(super) fn blank(id: PointId, rev: Option<u64>) -> PointStruct {
    let payload = rev.map(|rev| ("rev".to_owned(), Wired::from(Value::from(rev)))).into_iter().collect();
    PointStruct { id: Some(id), payload, vectors: named(std::iter::empty()) }
}

fn named<'a>(vectors: impl Iterator<Item = (&'a str, vector::Vector)>) -> Option<Vectors> {
    let vectors = vectors.map(|(name, vector)| (name.to_owned(), Vector { vector: Some(vector), ..Vector::default() }));
    Some(Vectors { vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors: vectors.collect() })) })
}

/// The id of a point; all of ours are UUIDs.
///
/// # Errors
/// `corrupt` for a point of somebody else.
pub(super) fn id(id: Option<PointId>) -> Result<MemoryId> {
    let text = match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Uuid(text)) => text,
        Some(PointIdOptions::Num(n)) => n.to_string(),
        None => String::new(),
    };
    Uuid::parse_str(&text).map(MemoryId).map_err(|error| {
        Error::new(Code::Corrupt, format!("the vector index holds a point {text:?}, which is no memory's"))
            .remedy("see who else writes to the collection")
            .because(error)
    })
}

/// Reads a point back.
///
/// # Errors
/// `corrupt` for a point of somebody else.
pub(super) fn read(point: RetrievedPoint) -> Result<StoredPoint> {
    let (dense, sparse) = point.vectors.map(vectors).unwrap_or_default();
    Ok(stored::read(id(point.id)?, &json(point.payload), dense, sparse))
}

/// The dense and the sparse vector among those of a point.
pub(super) fn vectors(vectors: VectorsOutput) -> (Vec<f32>, Sparse) {
    let (mut dense, mut sparse) = (Vec::new(), Sparse::default());
    if let Some(vectors_output::VectorsOptions::Vectors(named)) = vectors.vectors_options {
        for vector in named.vectors.into_values() {
            match vector.into_vector() {
                vector_output::Vector::Dense(DenseVector { data }) => dense = data,
                vector_output::Vector::Sparse(SparseVector { indices, values }) => {
                    sparse = stored::read_words(indices, values);
                }
                vector_output::Vector::MultiDense(_) => {}
            }
        }
    }
    (dense, sparse)
}

fn json(payload: HashMap<String, Wired>) -> Map<String, Value> {
    payload.into_iter().filter_map(|(name, value)| Some((name, serde_json::to_value(value).ok()?))).collect()
}
