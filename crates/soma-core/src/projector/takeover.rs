//! Taking a partition: claim it, make sure that the log is still the one it was, repair the index.

use std::collections::BTreeSet;
use std::time::Duration;

use super::durable::Trail;
use super::observe::Component;
use super::reach::{self, Places};
use super::vectors::Vectors;
use super::{Failure, Projector, Session, points};
use crate::context::{self, REACH, Subject};
use crate::error::{Code, Error, Result};
use crate::event::codec;
use crate::ids::{LogId, MemoryId, Offset, Partition};
use crate::index::{Op, VectorIndex};
use crate::log::{Bounds, ReadLimit};
use crate::store::{Claim, Claimed, LastEvent, Staging};
use crate::thread::{Placed, Thread, TurnKey};

/// Memories whose points are rewritten at once.
const REPAIR_CHUNK: usize = 500;
/// Rows of these that are held at once.
const LOAD_CHUNK: usize = 16;

pub(super) async fn take(projector: &Projector, partition: Partition) -> Result<Session, Failure> {
    let now = projector.clock.now();
    let claimed = projector.store.claim(&projector.name, projector.log.id(), partition, now).await;
    let claimed = claimed.map_err(Failure::of(Component::KvWriter))?;
    let bounds = bounds(projector, partition).await.map_err(Failure::of(Component::Log))?;
    let next = begins_at(projector.log.id(), &claimed, bounds);
    check(projector, next, claimed.last, bounds).await.map_err(Failure::of(Component::Log))?;
    let repaired = repair(projector, &claimed, bounds).await?;
    let lag = projector.index.as_ref().map_or(Duration::ZERO, |index| index.durability_lag());
    let mut session = Session {
        claim: claimed.claim,
        next,
        last: claimed.last,
        doubtful: false,
        dirty: repaired,
        flushed_at: projector.clock.elapsed(),
        trail: Trail::new(lag),
        lettered: BTreeSet::new(),
        vectors: Vectors::default(),
    };
    session.flush(projector).await?;
    Ok(session)
}

async fn bounds(projector: &Projector, partition: Partition) -> Result<Bounds> {
    let all = projector.log.bounds().await?;
    all.into_iter().find(|bounds| bounds.partition == partition).ok_or_else(|| {
        let log = projector.log.id();
        Error::new(Code::LogReplaced, format!("log {log} has no partition {partition}"))
            .remedy("check that the projector reads the log that it is meant to read")
    })
}

/// Where projecting begins. Whoever renewed a log has accepted what it had lost by then, and nothing of it
/// has been projected yet.
fn begins_at(log: &LogId, claimed: &Claimed, bounds: Bounds) -> Offset {
    let untouched = claimed.next == 0 && claimed.last.is_none();
    if bounds.first == 0 || !untouched || !log.is_renewed() {
        return claimed.next;
    }
    tracing::warn!(
        log.partition = bounds.partition,
        log.offset = bounds.first,
        "the renewed log begins later than it did: what lay before is not projected, and memories that only it told of stay as they are"
    );
    bounds.first
}

/// Whether the log, which could not be read for a while, still continues where the session stands.
pub(super) async fn is_the_same(projector: &Projector, session: &Session) -> Result<bool, Failure> {
    let same = async {
        let bounds = bounds(projector, session.claim.partition).await?;
        check(projector, session.next, session.last, bounds).await
    };
    match same.await {
        Ok(()) => Ok(true),
        Err(error) if error.code == Code::LogReplaced => Ok(false),
        Err(error) => Err(Failure { component: Component::Log, error }),
    }
}

/// Refuses a log that does not continue where the position stands.
async fn check(projector: &Projector, next: Offset, last: Option<LastEvent>, bounds: Bounds) -> Result<()> {
    let log = projector.log.id();
    if next > bounds.next {
        let end = bounds.next;
        return Err(replaced(log, bounds, &format!("it ends at offset {end}, before the projected position {next}")));
    }
    if next < bounds.first {
        let first = bounds.first;
        return Err(replaced(log, bounds, &format!("offsets {next} to {first} are gone before they were projected")));
    }
    let Some(last) = last.filter(|last| last.offset >= bounds.first) else { return Ok(()) };
    match find(projector, last, bounds).await {
        Err(error) if error.code == Code::LogReplaced => {
            // Retention may have dropped the record since the bounds were read.
            let now = self::bounds(projector, bounds.partition).await?;
            if last.offset < now.first && now.first <= next { Ok(()) } else { Err(error) }
        }
        found => found,
    }
}

/// Looks for the event before the position, once more apart from what was fetched when it is not there.
async fn find(projector: &Projector, last: LastEvent, bounds: Bounds) -> Result<()> {
    let partition = bounds.partition;
    let Some(instead) = differs(projector, partition, last).await? else { return Ok(()) };
    tracing::warn!(
        log.partition = partition,
        log.offset = last.offset,
        "the event before the position was not found in the log ({instead}), which is now asked anew"
    );
    projector.log.forget_ahead(partition);
    let Some(instead) = differs(projector, partition, last).await? else { return Ok(()) };
    let LastEvent { offset, event_id } = last;
    let what = format!("offset {offset} no longer holds event {event_id}, but {instead}");
    Err(replaced(projector.log.id(), bounds, &what))
}

/// What lies in the log where the event before the position was, when that is not there.
async fn differs(projector: &Projector, partition: Partition, last: LastEvent) -> Result<Option<String>> {
    let one = ReadLimit { records: 1, bytes: 1 };
    let found = projector.log.read(partition, last.offset, one).await?;
    Ok(match found.first() {
        None => Some("no record".to_owned()),
        Some(record) if record.place.offset != last.offset => {
            Some(format!("no record, and the next one lies at offset {}", record.place.offset))
        }
        Some(record) => {
            let found = codec::identity(record);
            (found != last.event_id).then(|| format!("event {found}"))
        }
    })
}

fn replaced(log: &LogId, bounds: Bounds, what: &str) -> Error {
    let partition = bounds.partition;
    Error::new(Code::LogReplaced, format!("log {log} partition {partition} was recreated or truncated: {what}")).remedy(
        "restore the log; or accept it as it is: a topic by `soma log renew`, a journal by moving the record and \
             vector stores away, which are then rebuilt from it",
    )
}

/// Rewrites from the records the points that the index may have forgotten; tells whether there were any.
async fn repair(projector: &Projector, claimed: &Claimed, bounds: Bounds) -> Result<bool, Failure> {
    let Some(index) = projector.index.as_ref().filter(|_| claimed.next > 0) else { return Ok(false) };
    let lacking = lacks_points(projector, index.as_ref(), claimed).await?;
    if claimed.indexed >= claimed.next && !lacking {
        return Ok(false);
    }
    let whole = |bounds: Bounds| lacking || claimed.indexed == 0 || claimed.indexed < bounds.first;
    if !whole(bounds) {
        rewrite_named(projector, claimed).await?;
    }
    // Retention may have dropped some of the names while they were read.
    let now = self::bounds(projector, bounds.partition).await.map_err(Failure::of(Component::Log))?;
    if whole(now) {
        rewrite_all(projector, claimed).await?;
    }
    Ok(true)
}

/// Whether the index holds fewer points than there are memories by more than it may have forgotten:
/// somebody lost its files. Other projectors at work may make this true for a moment; then the points
/// are rewritten for nothing.
async fn lacks_points(projector: &Projector, index: &dyn VectorIndex, claimed: &Claimed) -> Result<bool, Failure> {
    let forgotten = claimed.next.saturating_sub(claimed.indexed);
    let memories = projector.store.counts().await.map_err(Failure::of(Component::KvWriter))?.memories;
    let points = index.count().await.map_err(Failure::of(Component::VectorIndexer))?;
    Ok(points.saturating_add(forgotten) < memories)
}

/// The points of every memory that the log names between what is durable and the position, and those
/// that the same batches rewrote beside them.
async fn rewrite_named(projector: &Projector, claimed: &Claimed) -> Result<(), Failure> {
    for ids in claimed.rewritten.chunks(REPAIR_CHUNK) {
        rewrite(projector, &claimed.claim, ids.iter().copied().collect()).await?;
    }
    let mut at = claimed.indexed;
    while at < claimed.next {
        let limit = ReadLimit { records: REPAIR_CHUNK, bytes: projector.options.batch.bytes };
        let records = projector.log.read(claimed.claim.partition, at, limit).await;
        let records = records.map_err(Failure::of(Component::Log))?;
        // The last of them is a record that was projected.
        let Some(last) = records.last() else { return Err(cut_short(projector, claimed, at)) };
        at = last.place.offset + 1;
        let ids: BTreeSet<MemoryId> = records
            .iter()
            .filter(|record| record.place.offset < claimed.next)
            .filter_map(|record| codec::decode(record, projector.options.value_bytes_max).ok())
            .map(|entry| entry.event.id)
            .collect();
        rewrite(projector, &claimed.claim, ids).await?;
    }
    Ok(())
}

/// The log, or whoever read it, answered with nothing where records lie: the repair begins again.
fn cut_short(projector: &Projector, claimed: &Claimed, at: Offset) -> Failure {
    let Claimed { claim, next, .. } = claimed;
    let what =
        format!("reading {} partition {} ended at offset {at}, before {next}", projector.log.id(), claim.partition);
    let error = Error::new(Code::Unavailable, what)
        .remedy("wait: it is read again; if that goes on, compare the stores with the log by `soma verify`");
    Failure { component: Component::Log, error }
}

/// The points of every memory that the store holds.
async fn rewrite_all(projector: &Projector, claimed: &Claimed) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let states = projector.store.scan(after, REPAIR_CHUNK).await.map_err(Failure::of(Component::KvWriter))?;
        let Some(last) = states.last() else { return Ok(()) };
        after = Some(last.id);
        let ids = states.iter().map(|state| state.id).collect();
        drop(states);
        rewrite(projector, &claimed.claim, ids).await?;
    }
}

/// Rewrites these points under the locks of their rows and threads: a point written from a row that
/// another projector deletes meanwhile would come back, because the index inserts what is missing. The
/// rows are loaded few at a time, because each may be large; points are small.
///
/// A neighbour's change may have raised the `rev` of a turn's point above its record's, so turns are
/// rewritten under a new one; they are read when all threads are locked.
async fn rewrite(projector: &Projector, claim: &Claim, ids: BTreeSet<MemoryId>) -> Result<(), Failure> {
    let Some(index) = &projector.index else { return Ok(()) };
    let ids: Vec<MemoryId> = ids.into_iter().collect();
    let mut staging = projector.store.begin(claim).await.map_err(Failure::of(Component::KvWriter))?;
    let (mut ops, mut places) = (Vec::with_capacity(ids.len()), Places::new());
    for ids in ids.chunks(LOAD_CHUNK) {
        let loaded = staging.load(ids, &[]).await.map_err(Failure::of(Component::KvWriter))?;
        let states = ids.iter().filter_map(|id| loaded.states.get(id));
        let mut alone = Vec::new();
        for state in states {
            match Placed::of(state) {
                Some(placed) => reach::add(&mut places, Some(placed)),
                None => alone.push(Subject::alone(state)),
            }
        }
        ops.extend(plan(projector, &alone).await?);
    }
    if !places.is_empty() {
        ops.extend(turns(projector, staging.as_mut(), places).await?);
    }
    index.write(ops).await.map_err(Failure::of(Component::VectorIndexer))
}

/// The points of the turns at these places.
async fn turns(projector: &Projector, staging: &mut dyn Staging, places: Places) -> Result<Vec<Op>, Failure> {
    let threads: Vec<Thread> = places.keys().cloned().collect();
    staging.lock_threads(&threads).await.map_err(Failure::of(Component::KvWriter))?;
    let rev = staging.stage(&[]).await.map_err(Failure::of(Component::KvWriter))?;
    let mut ops = Vec::new();
    for (thread, keys) in places {
        let keys: Vec<TurnKey> = keys.into_iter().collect();
        for keys in keys.chunks(LOAD_CHUNK) {
            let turns = staging.turns(&thread, keys, REACH).await.map_err(Failure::of(Component::KvWriter))?;
            ops.extend(plan(projector, &context::standing(&turns, keys)).await?);
        }
    }
    points::set_rev(&mut ops, rev);
    Ok(ops)
}

async fn plan(projector: &Projector, subjects: &[Subject<'_>]) -> Result<Vec<Op>, Failure> {
    points::plan(projector.embedder.as_ref(), subjects).await.map_err(Failure::of(Component::VectorIndexer))
}
