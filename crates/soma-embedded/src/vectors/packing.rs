//! When growing points are packed into read-only segments.
//!
//! The library writes into one growing segment. There a word costs a pass over the posting list that it
//! joins, opening costs a pass over every point, and all words lie in memory. In a packed segment none
//! of this holds: it is mapped from files, and a point that changes moves to the growing one. So the
//! growing segment is packed whenever it has taken [`Packing::changes`] changes, and the smallest
//! packed ones are joined, so that a search asks few.
//!
//! Packing has a thread of its own ([`super::worker`]): searches and writes go on beside it, and what they
//! write grows in a new segment. The library packs until nothing is left to pack, so what has grown by
//! less than half of [`Packing::changes`] is left alone: else it would pack the few points that came
//! while it packed, and again.
//!
//! A packed segment also holds each dense vector in one byte a number ([`coarse`]). A search takes the
//! likely points by these, and compares them by their vectors.
//!
//! A removed point counts in the document frequencies of a packed segment until that is packed anew,
//! which happens at the latest when a fifth of its points are removed.

use qdrant_edge::{
    EdgeOptimizersConfig, EdgeShard, OperationResult, QuantizationConfig, ScalarQuantizationConfig, ScalarType,
};

/// How points are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// After how many changes the growing segment is packed.
    pub changes: usize,
    /// How many small segments are joined into one.
    pub join: usize,
}

impl Default for Packing {
    fn default() -> Self {
        Self { changes: 4_096, join: 8 }
    }
}

impl Packing {
    /// The settings of a collection that is packed when asked for and joins nothing.
    pub(super) fn settings(self, dims: usize) -> EdgeOptimizersConfig {
        self.joining_above(SEGMENTS_MAX, dims)
    }

    fn joining_above(self, segments: usize, dims: usize) -> EdgeOptimizersConfig {
        let least = (self.changes / 2).saturating_mul(dims * size_of::<f32>()) / 1_024;
        EdgeOptimizersConfig {
            deleted_threshold: Some(0.2),
            vacuum_min_vector_number: Some(1_000),
            default_segment_number: Some(segments),
            max_segment_size: Some(KILOBYTES_MAX),
            indexing_threshold: Some(least.clamp(1, KILOBYTES_MAX)),
            prevent_unoptimized: None,
        }
    }

    /// How many changes the growing segment has taken, of an index that was just opened.
    pub(super) fn taken(shard: &EdgeShard) -> usize {
        let (points, packed) = count(shard);
        points.saturating_sub(packed)
    }

    /// What packing would do.
    pub(super) fn plan(self, shard: &EdgeShard, dims: usize) -> Plan {
        let segments = shard.info().segments_count;
        let (points, packed) = count(shard);
        let needed = points / (self.changes * self.join) + self.join + 1;
        // The library joins the smallest, one more than there are beyond the number that is asked for.
        let left = (segments > needed).then(|| (segments + 1).saturating_sub(self.join).max(1));
        let growing = points.saturating_sub(packed);
        let rewritten = if left.is_some() { growing + self.changes * self.join } else { growing };
        Plan { packing: self, dims, left, points, rewritten: rewritten.min(points) }
    }
}

/// One byte a number, over the whole range of the numbers that are packed together: equal vectors get equal
/// bytes whenever equal points are packed. Mapped from files, as the vectors are.
pub(super) fn coarse() -> QuantizationConfig {
    ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile: None, always_ram: Some(false) }.into()
}

/// What packing is going to do.
pub(super) struct Plan {
    packing: Packing,
    dims: usize,
    /// How many segments stay when small ones are joined.
    left: Option<usize>,
    points: usize,
    rewritten: usize,
}

impl Plan {
    /// How much space the library wants for the rewritten points until those that they replace are gone, twice
    /// what they take, of a collection that takes `bytes`.
    pub(super) fn space(&self, bytes: u64) -> u64 {
        2 * (bytes / (self.points.max(1) as u64) * self.rewritten as u64)
    }

    /// Packs the growing segment, and joins small ones if planned.
    pub(super) fn carry_out(&self, shard: &EdgeShard) -> OperationResult<()> {
        if let Some(left) = self.left {
            shard.set_optimizers_config(self.packing.joining_above(left, self.dims))?;
        }
        shard.optimize()?;
        if self.left.is_some() { shard.set_optimizers_config(self.packing.settings(self.dims)) } else { Ok(()) }
    }
}

/// More than there ever are, so that none are joined.
const SEGMENTS_MAX: usize = 1 << 20;
/// The library multiplies kilobytes.
const KILOBYTES_MAX: usize = usize::MAX >> 11;

/// How many points there are, and how many of them are packed. The library counts a packed point as
/// indexed twice, by its dense and its sparse vector, and a growing one once.
fn count(shard: &EdgeShard) -> (usize, usize) {
    let info = shard.info();
    (info.points_count, info.indexed_vectors_count.saturating_sub(info.points_count))
}
