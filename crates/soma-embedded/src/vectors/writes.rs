//! Changes in the library's terms.
//!
//! A point under a higher `rev` is neither replaced nor removed: an upsert names the condition that
//! a present point must meet, a delete first asks which points meet it. That is sound because one
//! thread does all the writing.

use std::collections::HashSet;

use qdrant_edge::{
    ConditionalInsertOperation, EdgeShard, Filter, OperationResult, PointId, PointInsertOperations, PointOperations,
    PointStructPersisted, UpdateMode, UpdateOperation,
};
use soma_core::ids::MemoryId;
use soma_core::index::Op;

use super::{filter, point, search};

/// The most points of one operation of the library; each operation is one record of its log.
const RUN_POINTS_MAX: usize = 256;

/// Consecutive changes of one kind under one `rev`, of different points.
#[derive(Debug, PartialEq)]
pub(super) enum Run {
    /// Points written unless there is one with a higher `rev`.
    Upserts(u64, Vec<PointStructPersisted>),
    /// Points removed unless they have a higher `rev`.
    Deletes(u64, Vec<PointId>),
    /// Points removed whatever their `rev`.
    Purge(Vec<PointId>),
}

/// Applies changes that belong together.
pub(super) fn apply(shard: &EdgeShard, run: Run) -> OperationResult<()> {
    let (condition, ids) = match run {
        Run::Upserts(rev, points) => return upsert(shard, rev, points),
        Run::Deletes(rev, ids) => (filter::rev_up_to(rev), ids),
        Run::Purge(ids) => (Filter::default(), ids),
    };
    let limit = ids.len();
    remove(shard, search::ids(shard, condition.with_point_ids(ids), limit)?)
}

/// Points to be removed whatever their `rev`.
pub(super) fn purges(ids: &[MemoryId]) -> Vec<Run> {
    ids.chunks(RUN_POINTS_MAX).map(|ids| Run::Purge(ids.iter().map(|id| PointId::Uuid(id.0)).collect())).collect()
}

/// Groups changes in their order. A second change of a point opens a new run, so the later one wins.
pub(super) fn runs(ops: &[Op]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut seen = HashSet::new();
    for op in ops {
        let id = match op {
            Op::Upsert(point) => point.id,
            Op::Delete { id, .. } => *id,
        };
        let again = !seen.insert(id);
        match (runs.last_mut(), op) {
            (Some(Run::Upserts(rev, points)), Op::Upsert(new))
                if *rev == new.rev && !again && points.len() < RUN_POINTS_MAX =>
            {
                points.push(point::stored(new));
            }
            (Some(Run::Deletes(rev, ids)), Op::Delete { rev: new, .. })
                if rev == new && !again && ids.len() < RUN_POINTS_MAX =>
            {
                ids.push(PointId::Uuid(id.0));
            }
            (_, op) => {
                seen = HashSet::from([id]);
                runs.push(match op {
                    Op::Upsert(new) => Run::Upserts(new.rev, vec![point::stored(new)]),
                    Op::Delete { rev, .. } => Run::Deletes(*rev, vec![PointId::Uuid(id.0)]),
                });
            }
        }
    }
    runs
}

fn upsert(shard: &EdgeShard, rev: u64, points: Vec<PointStructPersisted>) -> OperationResult<()> {
    shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPointsConditional(
        ConditionalInsertOperation {
            points_op: PointInsertOperations::PointsList(points),
            condition: filter::rev_up_to(rev),
            update_mode: Some(UpdateMode::Upsert),
        },
    )))
}

fn remove(shard: &EdgeShard, ids: Vec<PointId>) -> OperationResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let blanks = ids.iter().copied().map(point::blank).collect();
    let operation = |operation| shard.update(UpdateOperation::PointOperation(operation));
    operation(PointOperations::UpsertPoints(PointInsertOperations::PointsList(blanks)))?;
    operation(PointOperations::DeletePoints { ids })
}
