//! Changes in the words of the wire.
//!
//! Changes are dealt to a few lanes by the memory's id, so those of one memory stay in one lane, in
//! their order; the lanes are sent side by side, each request after the one before was applied. A
//! request holds few points, and its operations are applied in order.

use std::collections::HashSet;

use futures::future::join_all;
use prost::Message;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_update_operation::{DeletePoints, Operation, PointStructList};
use qdrant_client::qdrant::{
    Filter, PointId, PointStruct, PointsIdsList, PointsSelector, PointsUpdateOperation, UpdateBatchPoints, UpdateMode,
    UpdateStatus,
};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::Op;

use super::classify::Asked;
use super::wire::Wire;
use super::{filter, point};

/// The most requests that are on their way at once.
pub(super) const LANES_MAX: usize = 3;
/// Changes below which another lane is not worth it.
const LANE_OPS_MIN: usize = 64;
/// The most points of one request.
pub(super) const REQUEST_POINTS_MAX: usize = 128;
/// About how many bytes one request holds, unless its only point is larger.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// The largest point. A server takes requests of 32 MiB.
const POINT_BYTES_MAX: usize = 30 << 20;

/// Applies changes in their order, under one deadline.
///
/// # Errors
/// `store_rejected` when a point is refused; else as [`super::classify`] decides.
pub(super) async fn apply(wire: &Wire, ops: &[Op]) -> Result<()> {
    let lanes = lanes(ops);
    // A request is made when the one before was applied: the server works meanwhile.
    let sending = lanes.iter().map(|lane| send(wire, requests(lane)));
    let sent = wire.within(async { Ok(join_all(sending).await) }).await?;
    let failed: Vec<Error> = sent.into_iter().filter_map(Result::err).collect();
    // An outage in one lane says nothing about a point that was refused in another.
    let rejected = |error: &Error| error.code == Code::StoreRejected;
    failed.into_iter().min_by_key(rejected).map_or(Ok(()), Err)
}

/// Removes points whatever their `rev`.
///
/// # Errors
/// As [`super::classify`] decides.
pub(super) async fn purge(wire: &Wire, ids: &[MemoryId]) -> Result<()> {
    for ids in ids.chunks(REQUEST_POINTS_MAX) {
        let ids: Vec<PointId> = ids.iter().map(|id| filter::id(id.0)).collect();
        let blanks = ids.iter().cloned().map(|id| point::blank(id, None)).collect();
        let listed = PointsSelectorOneOf::Points(PointsIdsList { ids });
        let request = vec![upsert(blanks, None, UpdateMode::UpdateOnly), delete(listed)];
        wire.within(send(wire, std::iter::once(Ok(request)))).await?;
    }
    Ok(())
}

async fn send(wire: &Wire, requests: impl Iterator<Item = Result<Vec<PointsUpdateOperation>>>) -> Result<()> {
    for operations in requests {
        let operations = operations?;
        let request = UpdateBatchPoints {
            collection_name: wire.collection(),
            wait: Some(true),
            operations,
            ordering: None,
            timeout: wire.timeout_secs(),
        };
        let answer = wire.call(Asked::Write, wire.points().update_batch(request)).await?;
        if let Some(result) = answer.result.iter().find(|result| result.status() != UpdateStatus::Completed) {
            let status = result.status().as_str_name();
            return Err(Error::new(
                Code::Unavailable,
                format!("{} took a write without applying it in time ({status})", wire.what()),
            ));
        }
    }
    Ok(())
}

const fn id(op: &Op) -> MemoryId {
    match op {
        Op::Upsert(point) => point.id,
        Op::Delete { id, .. } => *id,
    }
}

fn lanes(ops: &[Op]) -> Vec<Vec<&Op>> {
    let count = (ops.len() / LANE_OPS_MIN).clamp(1, LANES_MAX);
    let mut lanes = vec![Vec::new(); count];
    for op in ops {
        let (_, low) = id(op).0.as_u64_pair();
        lanes[(low % count as u64) as usize].push(op);
    }
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

/// Consecutive changes of one kind under one `rev`, of different points.
enum Run {
    Upserts(u64, Vec<PointStruct>),
    Deletes(u64, Vec<PointId>),
}

impl Run {
    fn operations(self) -> Vec<PointsUpdateOperation> {
        match self {
            Self::Upserts(rev, points) => vec![upsert(points, Some(filter::rev_up_to(rev)), UpdateMode::Upsert)],
            Self::Deletes(rev, ids) => {
                let blanks = ids.iter().cloned().map(|id| point::blank(id, Some(rev))).collect();
                let blanks = upsert(blanks, Some(filter::rev_up_to(rev)), UpdateMode::UpdateOnly);
                vec![blanks, delete(PointsSelectorOneOf::Filter(filter::among(ids, rev)))]
            }
        }
    }
}

/// Cuts the changes of a lane into requests, one when it is asked for; `store_rejected` for a point that no
/// request can hold.
fn requests<'a>(ops: &'a [&'a Op]) -> impl Iterator<Item = Result<Vec<PointsUpdateOperation>>> + use<'a> {
    let mut changes = ops.iter().map(|op| made(op).map(|(run, size)| (id(op), run, size))).peekable();
    std::iter::from_fn(move || {
        let (mut runs, mut seen): (Vec<Run>, HashSet<MemoryId>) = (Vec::new(), HashSet::new());
        let (mut points, mut bytes) = (0, 0);
        let fits = |points: usize, bytes: usize, next: &Result<(MemoryId, Run, usize)>| {
            let size = next.as_ref().map_or(0, |(_, _, size)| *size);
            points == 0 || (points < REQUEST_POINTS_MAX && bytes + size <= REQUEST_BYTES_MAX)
        };
        while let Some(next) = changes.next_if(|next| fits(points, bytes, next)) {
            let (id, made, size) = match next {
                Ok(next) => next,
                Err(refused) => return Some(Err(refused)),
            };
            (points, bytes) = (points + 1, bytes + size);
            // A second change of a point opens another run, so the later one wins.
            let again = !seen.insert(id);
            match (runs.last_mut(), made) {
                (Some(Run::Upserts(rev, held)), Run::Upserts(new, more)) if *rev == new && !again => held.extend(more),
                (Some(Run::Deletes(rev, held)), Run::Deletes(new, more)) if *rev == new && !again => held.extend(more),
                (_, made) => {
                    seen = HashSet::from([id]);
                    runs.push(made);
                }
            }
        }
        (!runs.is_empty()).then(|| Ok(runs.into_iter().flat_map(Run::operations).collect()))
    })
}

/// One change and about how many bytes it takes.
fn made(op: &Op) -> Result<(Run, usize)> {
    match op {
        Op::Upsert(new) => {
            let stored = point::stored(new);
            let size = stored.encoded_len();
            if size > POINT_BYTES_MAX {
                return Err(Error::new(
                    Code::StoreRejected,
                    format!("the point of memory {} takes {size} bytes, more than a Qdrant server accepts", new.id),
                ));
            }
            Ok((Run::Upserts(new.rev, vec![stored]), size))
        }
        Op::Delete { id, rev } => Ok((Run::Deletes(*rev, vec![filter::id(id.0)]), 128)),
    }
}

fn upsert(points: Vec<PointStruct>, condition: Option<Filter>, mode: UpdateMode) -> PointsUpdateOperation {
    let list =
        PointStructList { points, shard_key_selector: None, update_filter: condition, update_mode: Some(mode.into()) };
    PointsUpdateOperation { operation: Some(Operation::Upsert(list)) }
}

fn delete(points: PointsSelectorOneOf) -> PointsUpdateOperation {
    let points = Some(PointsSelector { points_selector_one_of: Some(points) });
    PointsUpdateOperation {
        operation: Some(Operation::DeletePoints(DeletePoints { points, shard_key_selector: None })),
    }
}

#[cfg(test)]
mod tests;
