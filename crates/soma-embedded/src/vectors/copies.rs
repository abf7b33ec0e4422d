//! Points that stand in two segments after a kill.
//!
//! Packing puts the new segment in its place and then removes those that it replaces. A kill in between leaves
//! both, and the library opens both: each point would be counted twice for good. So a file says that points are
//! being packed, and whoever finds it when the folder is opened looks for such points and writes them anew,
//! which removes every older one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use qdrant_edge::{
    CountRequest, EdgeShard, Filter, OperationError, OperationResult, PointId, PointInsertOperations, PointOperations,
    PointStructPersisted, ScrollRequest, UpdateOperation, WithPayloadInterface, WithVector,
};

const FILE: &str = "packing";
/// Points that are looked at together.
const PAGE: usize = 256;

/// Says, durably, that points are being packed.
pub(super) fn begin(dir: &Path) -> io::Result<()> {
    File::create(dir.join(FILE))?;
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Says that they are packed, once that is durable.
pub(super) fn end(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether points were being packed when the folder was left.
pub(super) fn suspected(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Leaves one of each point. Returns how many there were too many.
pub(super) fn remove(shard: &EdgeShard) -> OperationResult<usize> {
    let (mut from, mut removed) = (None, 0);
    loop {
        let (records, next) = shard.scroll(ScrollRequest {
            offset: from,
            limit: Some(PAGE),
            filter: None,
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        })?;
        let ids: Vec<PointId> = records.into_iter().map(|record| record.id).collect();
        let filter = Filter::default().with_point_ids(ids.iter().copied());
        let there = shard.count(CountRequest { filter: Some(filter), exact: true })?;
        if there > ids.len() {
            let whole = shard.retrieve(&ids, Some(WithPayloadInterface::Bool(true)), Some(WithVector::Bool(true)))?;
            let points = whole.into_iter().map(PointStructPersisted::try_from).collect::<Result<Vec<_>, _>>();
            let points = points.map_err(OperationError::service_error)?;
            let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            shard.update(UpdateOperation::PointOperation(upsert))?;
            removed += there - ids.len();
        }
        match next {
            Some(next) => from = Some(next),
            None => return Ok(removed),
        }
    }
}
