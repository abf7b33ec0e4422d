//! Points in the library's types. What they hold is decided in [`soma_core::point::stored`]; a change of
//! that layout raises [`super::collection::FORMAT`].

use qdrant_edge::{
    JsonPath, Payload, PointId, PointStructPersisted, Record, SparseVector, VectorInternal, VectorPersisted,
    VectorStructInternal, VectorStructPersisted,
};
use soma_core::ids::MemoryId;
use soma_core::index::{Point, Sparse, StoredPoint};
use soma_core::point::stored::{self, DENSE, WORDS};
use uuid::Uuid;

/// A field at the top of a point's payload.
pub(super) fn key(name: &str) -> JsonPath {
    JsonPath { first_key: name.to_owned(), rest: Vec::new() }
}

/// The point as it is stored.
pub(super) fn stored(point: &Point) -> PointStructPersisted {
    PointStructPersisted {
        id: PointId::Uuid(point.id.0),
        vector: named(point.dense.clone(), stored::words(&point.sparse)),
        payload: Some(Payload(stored::payload(point))),
    }
}

/// The vectors of a point as it is stored.
pub(super) fn named(dense: Vec<f32>, Sparse { indices, values }: Sparse) -> VectorStructPersisted {
    let vectors = [
        (DENSE.to_owned(), VectorPersisted::Dense(dense)),
        (WORDS.to_owned(), VectorPersisted::Sparse(SparseVector { indices, values })),
    ];
    VectorStructPersisted::Named(vectors.into_iter().collect())
}

/// The dense vector and the words among those of a point as it is stored.
pub(super) fn persisted(vectors: &VectorStructPersisted) -> (&[f32], Sparse) {
    let VectorStructPersisted::Named(vectors) = vectors else { return (&[], Sparse::default()) };
    let dense = match vectors.get(DENSE) {
        Some(VectorPersisted::Dense(numbers)) => numbers.as_slice(),
        _ => &[],
    };
    let words = match vectors.get(WORDS) {
        Some(VectorPersisted::Sparse(SparseVector { indices, values })) => {
            Sparse { indices: indices.clone(), values: values.clone() }
        }
        _ => Sparse::default(),
    };
    (dense, words)
}

/// A point without content, to be removed next: taking the terms away first makes the index forget
/// them, so that they no longer count in any document frequency.
pub(super) fn blank(id: PointId) -> PointStructPersisted {
    PointStructPersisted { id, vector: VectorStructPersisted::Named(Default::default()), payload: None }
}

/// The id of a point; all of ours are UUIDs.
pub(super) fn id(id: PointId) -> MemoryId {
    match id {
        PointId::Uuid(id) => MemoryId(id),
        PointId::NumId(n) => MemoryId(Uuid::from_u128(n.into())),
    }
}

/// Reads a point back.
pub(super) fn read(record: Record) -> StoredPoint {
    let payload = record.payload.unwrap_or_default();
    let (dense, sparse) = record.vector.map(vectors).unwrap_or_default();
    stored::read(id(record.id), &payload.0, dense, sparse)
}

/// The dense and the sparse vector among those of a point.
pub(super) fn vectors(vectors: VectorStructInternal) -> (Vec<f32>, Sparse) {
    let (mut dense, mut sparse) = (Vec::new(), Sparse::default());
    if let VectorStructInternal::Named(vectors) = vectors {
        for vector in vectors.into_values() {
            match vector {
                VectorInternal::Dense(numbers) => dense = numbers,
                VectorInternal::Sparse(SparseVector { indices, values }) => {
                    sparse = stored::read_words(indices, values);
                }
                VectorInternal::MultiDense(_) => {}
            }
        }
    }
    (dense, sparse)
}
