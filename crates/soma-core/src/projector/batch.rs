//! Applying one batch: decode, fold, stage, read the neighbours, embed, index, commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::ahead::Batch;
use super::letters::{self, Decoded};
use super::observe::{Component, Report};
use super::points::{self, Planner};
use super::reach::{self, Places};
use super::vectors::Vectors;
use super::{Failure, Projector, Session};
use crate::context::{SPREAD, Subject};
use crate::error::{Code, Error, Result};
use crate::event::{EventType, codec};
use crate::fold::{self, Entry, Folded, Outcome};
use crate::ids::{EventId, MemoryId};
use crate::index::Op;
use crate::log::{Erasure, Record};
use crate::store::{Advance, LastEvent, Loaded, Staging};
use crate::thread::Thread;

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// Applies a batch and moves the session beyond it; `beside` runs while the index writes, and its
/// outcome is the answer. On an error nothing has changed that repeating the batch would not change in
/// the same way.
pub(super) async fn apply<T>(
    projector: &Projector,
    session: &mut Session,
    Batch { records, decoded, embedded }: &mut Batch,
    beside: impl Future<Output = Option<T>>,
) -> Result<Option<T>, Failure> {
    let records = records.as_slice();
    let Some(last) = records.last() else { return Ok(None) };
    let mut report = Report { records: records.len(), ..Report::default() };
    let decoded = match decoded.take() {
        Some(decoded) => decoded,
        None => letters::decode(projector, records).await?,
    };
    let mut watch = Watch::start(projector);

    let mut staging = projector.store.begin(&session.claim).await.map_err(store)?;
    let loaded = load(staging.as_mut(), &decoded.entries).await.map_err(store)?;
    let folded = fold(staging.as_mut(), &loaded, &decoded.entries).await.map_err(store)?;
    report.records_took += watch.lap();

    let places = places(projector, &loaded, &decoded.entries, &folded);
    if !places.is_empty() {
        let threads: Vec<Thread> = places.keys().cloned().collect();
        staging.lock_threads(&threads).await.map_err(store)?;
    }
    let rev = staging.stage(&folded.changes).await.map_err(store)?;
    let turns = reach::turns(staging.as_mut(), &places, SPREAD).await.map_err(store)?;
    let subjects = reach::subjects(&folded, &places, &turns);
    let unnamed = reach::unnamed(&subjects, &decoded.entries);
    if !unnamed.is_empty() {
        staging.note_rewritten(&unnamed, last.place.offset + 1).await.map_err(store)?;
    }
    report.records_took += watch.lap();

    let mut ops = plan(projector, &mut session.vectors, &subjects, std::mem::take(embedded)).await?;
    report.embeddings_replaced = embeddings_replaced(projector, &folded);
    points::set_rev(&mut ops, rev);
    let mut done = None;
    if let (Some(port), false) = (&projector.index, ops.is_empty()) {
        let (written, beside) = tokio::join!(port.write(ops), beside);
        written.map_err(index)?;
        done = beside;
    }
    report.index_took += watch.lap();

    // Behind everything that a store can refuse: a batch that is cut anew may fold otherwise.
    report.letters = letters::put(projector, session, (&decoded, records), &folded).await?;
    erase(projector, session, (&decoded, records), &folded).await?;
    watch.lap();
    pass(session, staging, advance(projector, last)).await?;
    report.records_took += watch.lap();

    count(&mut report, &folded);
    report.both_took = watch.total();
    report.traceparents = records.iter().filter_map(traceparent).collect();
    report.end_to_end = records.iter().map(|record| age(projector, record)).collect();
    projector.observer.projected(session.claim.partition, session.next, &report);
    Ok(done)
}

/// Moves one record that a store refuses to the dead letters and passes it.
pub(super) async fn give_up(
    projector: &Projector,
    session: &mut Session,
    record: &Record,
    failure: &Failure,
) -> Result<(), Failure> {
    let reason = letters::put_refused(projector, session, record, failure).await?;
    let staging = projector.store.begin(&session.claim).await.map_err(store)?;
    pass(session, staging, advance(projector, record)).await?;
    let report = Report { records: 1, letters: vec![reason], ..Report::default() };
    projector.observer.projected(session.claim.partition, session.next, &report);
    Ok(())
}

/// Measures the stages of a batch one after the other.
struct Watch<'a> {
    projector: &'a Projector,
    started: Duration,
    lapped: Duration,
}

impl<'a> Watch<'a> {
    fn start(projector: &'a Projector) -> Self {
        let now = projector.clock.elapsed();
        Self { projector, started: now, lapped: now }
    }

    fn lap(&mut self) -> Duration {
        let now = self.projector.clock.elapsed();
        now.saturating_sub(std::mem::replace(&mut self.lapped, now))
    }

    fn total(&self) -> Duration {
        self.lapped.saturating_sub(self.started)
    }
}

fn store(error: Error) -> Failure {
    Failure { component: Component::KvWriter, error }
}

fn index(error: Error) -> Failure {
    Failure { component: Component::VectorIndexer, error }
}

fn traceparent(record: &Record) -> Option<String> {
    String::from_utf8(record.header(TRACEPARENT)?.to_vec()).ok()
}

fn age(projector: &Projector, record: &Record) -> Duration {
    let micros = projector.clock.now().0.saturating_sub(record.timestamp.0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

async fn load(staging: &mut dyn Staging, entries: &[Entry]) -> Result<Loaded> {
    // Ascending, so that projectors that share memories lock them in one order.
    let ids: BTreeSet<MemoryId> = entries.iter().map(|entry| entry.event.id).collect();
    let events: BTreeSet<EventId> = entries.iter().map(|entry| entry.event.event_id).collect();
    let (ids, events): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), events.into_iter().collect());
    staging.load(&ids, &events).await
}

async fn fold(staging: &mut dyn Staging, loaded: &Loaded, entries: &[Entry]) -> Result<Folded> {
    let mut stored: HashMap<MemoryId, Vec<Entry>> = HashMap::new();
    loop {
        let missing = match fold::batch(loaded, entries, &stored) {
            Ok(folded) => return Ok(folded),
            Err(missing) => missing,
        };
        let mut found = staging.entries(&missing).await?;
        for id in missing {
            let entries = found.remove(&id).unwrap_or_default();
            if stored.insert(id, entries).is_some() {
                return Err(Error::new(Code::Internal, format!("folding memory {id} asked for its events twice")));
            }
        }
    }
}

/// The places whose neighbours have to follow; none without an index.
fn places(projector: &Projector, loaded: &Loaded, entries: &[Entry], folded: &Folded) -> Places {
    if projector.index.is_none() { Places::new() } else { reach::places(loaded, entries, folded) }
}

async fn plan(
    projector: &Projector,
    vectors: &mut Vectors,
    subjects: &[Subject<'_>],
    embedded: points::Embedded,
) -> Result<Vec<Op>, Failure> {
    if projector.index.is_none() {
        return Ok(Vec::new());
    }
    Planner::new(projector.embedder.as_ref(), vectors, embedded).plan(subjects).await.map_err(index)
}

fn embeddings_replaced(projector: &Projector, folded: &Folded) -> usize {
    if projector.index.is_none() {
        return 0;
    }
    let identity = projector.embedder.identity();
    let visible = folded.changes.iter().filter(|change| change.visible);
    visible.filter(|change| points::replaces_own(&change.state, identity)).count()
}

/// Blanks in the log what this batch's deletes remove, and what arrived in it though a delete stands
/// behind it or had erased it before. Before the commit: a crash in between replays the batch, and folding
/// what was blanked ends in the same state.
async fn erase(
    projector: &Projector,
    session: &Session,
    (decoded, records): (&Decoded, &[Record]),
    folded: &Folded,
) -> Result<(), Failure> {
    let claim = &session.claim;
    let rows = folded.changes.iter().flat_map(|change| &change.rows);
    let erased: HashSet<EventId> =
        rows.filter(|row| row.event.content.is_none()).map(|row| row.event.event_id).collect();
    let mut items: Vec<(MemoryId, Erasure)> = Vec::new();
    for ((entry, record), outcome) in decoded.with_records(records).zip(&folded.outcomes) {
        let Entry { event, place } = entry;
        let took_part = match outcome {
            Outcome::Applied | Outcome::Stale => true,
            Outcome::Duplicate => false,
            Outcome::NamespaceMismatch => continue,
        };
        if event.kind == EventType::Deleted {
            if took_part && place.log == claim.log && place.partition == claim.partition {
                items.push((event.id, Erasure::Below(place.offset)));
            }
        } else if event.content.is_some() {
            let gone = erased.contains(&event.event_id)
                || (!took_part && erased_before(projector, event.event_id).await.map_err(store)?);
            if gone {
                items.push((event.id, Erasure::At(record.place.offset)));
            }
        }
    }
    if items.is_empty() {
        return Ok(());
    }
    projector.log.erase(claim.partition, &items).await.map_err(Failure::of(Component::Log))
}

/// Whether a delete took the content of an event that is repeated here.
async fn erased_before(projector: &Projector, event_id: EventId) -> Result<bool> {
    let stored = projector.store.event(event_id).await?;
    Ok(stored.is_some_and(|stored| stored.event.content.is_none()))
}

fn advance(projector: &Projector, last: &Record) -> Advance {
    let offset = last.place.offset;
    let event_id = codec::identity(last);
    Advance { next: offset + 1, last: Some(LastEvent { offset, event_id }), now: projector.clock.now() }
}

/// Commits, and moves the session along. `indexed` follows the position even when a batch wrote no
/// point, so the session is dirty after every commit.
async fn pass(session: &mut Session, staging: Box<dyn Staging>, advance: Advance) -> Result<(), Failure> {
    staging.commit(advance).await.map_err(store)?;
    session.next = advance.next;
    session.last = advance.last.or(session.last);
    session.dirty = true;
    session.lettered.clear();
    Ok(())
}

fn count(report: &mut Report, folded: &Folded) {
    for outcome in &folded.outcomes {
        match outcome {
            Outcome::Applied => report.applied += 1,
            Outcome::Stale => report.stale += 1,
            Outcome::Duplicate => report.duplicates += 1,
            Outcome::NamespaceMismatch => {}
        }
    }
}
