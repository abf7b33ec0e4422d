//! Reading and waiting.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Engine, PartitionStatus, Status, Stored, Written};
use crate::error::{Code, Error, Result};
use crate::ids::{LogId, MemoryId, Partition, Position};
use crate::memory::Memory;
use crate::store::PositionRow;

pub(super) async fn wait(engine: &Engine, position: &Position, bound: Duration) -> Result<()> {
    let passed = self::position(engine).await?;
    if position.iter().all(|(log, partition, next)| passed.next(log, partition) >= next) {
        return Ok(());
    }
    check_known(engine, position, &passed).await?;
    tokio::select! {
        biased;
        reached = engine.store.reached(&engine.projector, position) => reached,
        () = engine.clock.sleep(bound) => {
            let what = format!("the stores have not reached the position within {} ms", bound.as_millis());
            Err(Error::new(Code::PositionNotReached, what).remedy("try again, or wait longer"))
        }
    }
}

/// Refuses a position that can never be reached, because nothing projects such a partition here.
async fn check_known(engine: &Engine, position: &Position, passed: &Position) -> Result<()> {
    let unknown =
        |(log, partition, _): &(&LogId, Partition, u64)| !passed.0.contains_key(&((*log).clone(), *partition));
    let unknown: Vec<_> = position.iter().filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let bounds = engine.log.bounds().await?;
    for (log, partition, _) in unknown {
        if log != engine.log.id() || !bounds.iter().any(|bounds| bounds.partition == partition) {
            return Err(Error::new(Code::BadPosition, "the position is that of another system")
                .at("after")
                .remedy("use a position that this system has returned"));
        }
    }
    Ok(())
}

pub(super) async fn stored(engine: &Engine, written: &Written, bound: Duration) -> Result<Stored> {
    match wait(engine, &Position::of(&written.place), bound).await {
        Ok(()) => {}
        Err(error) if error.code == Code::PositionNotReached => return Ok(Stored::NotYet),
        Err(error) => return Err(error),
    }
    let Some(letter) = engine.letters.get(&written.place).await? else { return Ok(Stored::Yes) };
    let what = format!("the event {} became a dead letter: {} ({})", written.event_id, letter.error, letter.reason);
    Err(Error::new(Code::DeadLettered, what).remedy("correct the event and write it again"))
}

pub(super) async fn get(engine: &Engine, id: MemoryId) -> Result<Memory> {
    let state = engine.store.states(&[id]).await?.into_iter().next();
    let Some(state) = state else { return Err(not_found(id, "no memory {} is known")) };
    state.into_memory().ok_or_else(|| not_found(id, "the memory {} is deleted"))
}

pub(super) fn not_found(id: MemoryId, what: &str) -> Error {
    let error = Error::new(Code::NotFound, what.replace("{}", &id.to_string()));
    error.remedy("check the id; after a write, read with the position that it returned")
}

pub(super) async fn position(engine: &Engine) -> Result<Position> {
    let rows = engine.store.positions().await?.into_iter().filter(|row| row.projector == engine.projector);
    Ok(Position(rows.map(|row| ((row.log, row.partition), row.next)).collect()))
}

pub(super) async fn end(engine: &Engine) -> Result<Position> {
    let log = engine.log.id();
    let bounds = engine.log.bounds().await?.into_iter().filter(|bounds| bounds.next > bounds.first);
    Ok(Position(bounds.map(|bounds| ((log.clone(), bounds.partition), bounds.next)).collect()))
}

pub(super) async fn status(engine: &Engine) -> Result<Status> {
    let rows = engine.store.positions().await?.into_iter().filter(|row| row.projector == engine.projector);
    let mut partitions: BTreeMap<(LogId, Partition), PartitionStatus> =
        rows.map(|row| ((row.log.clone(), row.partition), projected(row))).collect();
    let log = engine.log.id();
    for bounds in engine.log.bounds().await? {
        let partition = partitions.entry((log.clone(), bounds.partition)).or_insert_with(|| PartitionStatus {
            log: log.clone(),
            partition: bounds.partition,
            first: None,
            end: None,
            next: 0,
            indexed: 0,
            lag: None,
            updated_at: None,
        });
        partition.first = Some(bounds.first);
        partition.end = Some(bounds.next);
        partition.lag = Some(bounds.next.saturating_sub(partition.next.max(bounds.first)));
    }
    Ok(Status { partitions: partitions.into_values().collect(), dead_letters: engine.letters.count().await? })
}

fn projected(row: PositionRow) -> PartitionStatus {
    PartitionStatus {
        log: row.log,
        partition: row.partition,
        first: None,
        end: None,
        next: row.next,
        indexed: row.indexed,
        lag: None,
        updated_at: Some(row.updated_at),
    }
}
