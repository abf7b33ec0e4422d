//! When growing points are packed into read-only segments.
//!
//! The library writes into one growing segment. There a word costs a pass over the posting list that it
//! joins, opening costs a pass over every point, and all words lie in memory. In a packed segment none
//! of this holds: it is mapped from files, and a point that changes moves to the growing one. So the
//! growing segment is packed whenever it has taken [`Packing::changes`] changes, and the smallest
//! packed ones are joined, so that a search asks few.
//!
//! Packing happens between two changes, on the thread that owns them: searches go on beside it, and no
//! flush can meet it. A write that comes meanwhile waits, at 768 dimensions about 0.1 ms for each point
//! that is packed or joined.
//!
//! A removed point counts in the document frequencies of a packed segment until that is packed anew,
//! which happens at the latest when a fifth of its points are removed.

use qdrant_edge::{EdgeOptimizersConfig, EdgeShard, OperationResult};

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
    pub(super) fn settings() -> EdgeOptimizersConfig {
        joining_above(SEGMENTS_MAX)
    }

    /// How many changes the growing segment has taken, of an index that was just opened.
    pub(super) fn taken(shard: &EdgeShard) -> usize {
        let (points, packed) = count(shard);
        points.saturating_sub(packed)
    }

    /// What packing would do.
    pub(super) fn plan(self, shard: &EdgeShard) -> Plan {
        let segments = shard.info().segments_count;
        let (points, packed) = count(shard);
        let needed = points / (self.changes * self.join) + self.join + 1;
        // The library joins the smallest, one more than there are beyond the number that is asked for.
        let left = (segments > needed).then(|| (segments + 1).saturating_sub(self.join).max(1));
        let growing = points.saturating_sub(packed);
        let rewritten = if left.is_some() { growing + self.changes * self.join } else { growing };
        Plan { left, points, rewritten: rewritten.min(points) }
    }
}

/// What packing is going to do.
pub(super) struct Plan {
    /// How many segments stay when small ones are joined.
    left: Option<usize>,
    points: usize,
    rewritten: usize,
}

impl Plan {
    /// How much space the rewritten points take until those that they replace are gone, of a collection
    /// that takes `bytes`.
    pub(super) fn space(&self, bytes: u64) -> u64 {
        bytes / (self.points.max(1) as u64) * self.rewritten as u64
    }

    /// Packs the growing segment, and joins small ones if planned.
    pub(super) fn carry_out(&self, shard: &EdgeShard) -> OperationResult<()> {
        if let Some(left) = self.left {
            shard.set_optimizers_config(joining_above(left))?;
        }
        shard.optimize()?;
        if self.left.is_some() { shard.set_optimizers_config(Packing::settings()) } else { Ok(()) }
    }
}

/// More than there ever are, so that none are joined.
const SEGMENTS_MAX: usize = 1 << 20;

fn joining_above(segments: usize) -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        deleted_threshold: Some(0.2),
        vacuum_min_vector_number: Some(1_000),
        default_segment_number: Some(segments),
        // In kilobytes, which the library multiplies.
        max_segment_size: Some(usize::MAX >> 11),
        // In kilobytes: whatever is growing is large enough to be packed when packing is asked for.
        indexing_threshold: Some(1),
        prevent_unoptimized: None,
    }
}

/// How many points there are, and how many of them are packed. The library counts a packed point as
/// indexed twice, by its dense and its sparse vector, and a growing one once.
fn count(shard: &EdgeShard) -> (usize, usize) {
    let info = shard.info();
    (info.points_count, info.indexed_vectors_count.saturating_sub(info.points_count))
}
