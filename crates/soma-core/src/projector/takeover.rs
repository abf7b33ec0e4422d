//! Taking a partition: claim it, make sure that the log is still the one it was, repair the index.

use std::collections::BTreeSet;

use super::observe::Component;
use super::{Failure, Projector, Session, points};
use crate::error::{Code, Error, Result};
use crate::event::codec;
use crate::fold::State;
use crate::ids::{LogId, MemoryId, Offset, Partition};
use crate::log::{Bounds, ReadLimit};
use crate::store::Claimed;

/// Memories whose points are rewritten at once.
const REPAIR_CHUNK: usize = 500;

pub(super) async fn take(projector: &Projector, partition: Partition) -> Result<Session, Failure> {
    let now = projector.clock.now();
    let claimed = projector.store.claim(&projector.name, projector.log.id(), partition, now).await;
    let claimed = claimed.map_err(Failure::of(Component::KvWriter))?;
    let bounds = bounds(projector, partition).await.map_err(Failure::of(Component::Log))?;
    check(projector, &claimed, bounds).await.map_err(Failure::of(Component::Log))?;
    repair(projector, &claimed, bounds).await?;
    Ok(Session {
        claim: claimed.claim,
        next: claimed.next,
        dirty: false,
        flushed_at: projector.clock.elapsed(),
        lettered: BTreeSet::new(),
    })
}

async fn bounds(projector: &Projector, partition: Partition) -> Result<Bounds> {
    let all = projector.log.bounds().await?;
    all.into_iter().find(|bounds| bounds.partition == partition).ok_or_else(|| {
        let log = projector.log.id();
        Error::new(Code::LogReplaced, format!("log {log} has no partition {partition}"))
            .remedy("check that the projector reads the log that it is meant to read")
    })
}

/// Refuses a log that does not continue where the position stands.
async fn check(projector: &Projector, claimed: &Claimed, bounds: Bounds) -> Result<()> {
    let (log, next) = (projector.log.id(), claimed.next);
    if next > bounds.next {
        let end = bounds.next;
        return Err(replaced(log, bounds, &format!("it ends at offset {end}, before the projected position {next}")));
    }
    if next < bounds.first {
        let first = bounds.first;
        return Err(replaced(log, bounds, &format!("offsets {next} to {first} are gone before they were projected")));
    }
    let Some(last) = claimed.last.filter(|last| last.offset >= bounds.first) else { return Ok(()) };
    let one = ReadLimit { records: 1, bytes: 1 };
    let found = projector.log.read(bounds.partition, last.offset, one).await?;
    match found.first() {
        Some(record) if record.place.offset == last.offset && codec::identity(record) == last.event_id => Ok(()),
        Some(_) | None => {
            let what = format!("offset {} no longer holds event {}", last.offset, last.event_id);
            Err(replaced(log, bounds, &what))
        }
    }
}

fn replaced(log: &LogId, bounds: Bounds, what: &str) -> Error {
    let partition = bounds.partition;
    Error::new(Code::LogReplaced, format!("log {log} partition {partition} was recreated or truncated: {what}"))
        .remedy("restore the log, or move the record and vector stores away so that they are rebuilt from it")
}

/// Rewrites from the records the points that the index may have forgotten.
async fn repair(projector: &Projector, claimed: &Claimed, bounds: Bounds) -> Result<(), Failure> {
    let Some(index) = &projector.index else { return Ok(()) };
    if claimed.indexed >= claimed.next {
        return Ok(());
    }
    if claimed.indexed == 0 || claimed.indexed < bounds.first {
        rewrite_all(projector).await?;
    } else {
        rewrite_named(projector, bounds.partition, claimed.indexed, claimed.next).await?;
    }
    index.flush().await.map_err(Failure::of(Component::VectorIndexer))?;
    let marked = projector.store.mark_indexed(&claimed.claim, claimed.next).await;
    marked.map_err(Failure::of(Component::KvWriter))
}

/// The points of every memory that the log names between two offsets.
async fn rewrite_named(
    projector: &Projector,
    partition: Partition,
    from: Offset,
    until: Offset,
) -> Result<(), Failure> {
    let mut at = from;
    while at < until {
        let limit = ReadLimit { records: REPAIR_CHUNK, bytes: projector.options.batch.bytes };
        let records = projector.log.read(partition, at, limit).await.map_err(Failure::of(Component::Log))?;
        let Some(last) = records.last() else { break };
        at = last.place.offset + 1;
        let ids: BTreeSet<MemoryId> = records
            .iter()
            .filter(|record| record.place.offset < until)
            .filter_map(|record| codec::decode(record, projector.options.value_bytes_max).ok())
            .map(|entry| entry.event.id)
            .collect();
        let ids: Vec<MemoryId> = ids.into_iter().collect();
        let states = projector.store.states(&ids).await.map_err(Failure::of(Component::KvWriter))?;
        rewrite(projector, &states).await?;
    }
    Ok(())
}

/// The points of every memory that the store holds.
async fn rewrite_all(projector: &Projector) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let states = projector.store.scan(after, REPAIR_CHUNK).await.map_err(Failure::of(Component::KvWriter))?;
        let Some(last) = states.last() else { return Ok(()) };
        after = Some(last.id);
        rewrite(projector, &states).await?;
    }
}

async fn rewrite(projector: &Projector, states: &[State]) -> Result<(), Failure> {
    let Some(index) = &projector.index else { return Ok(()) };
    let states: Vec<&State> = states.iter().collect();
    let planned = points::plan(projector.embedder.as_ref(), &states).await;
    let planned = planned.map_err(Failure::of(Component::VectorIndexer))?;
    index.write(planned.ops).await.map_err(Failure::of(Component::VectorIndexer))
}
