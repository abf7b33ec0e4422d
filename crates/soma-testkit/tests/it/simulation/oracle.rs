//! What the stores must hold once everything is at rest.

use std::collections::{BTreeMap, BTreeSet};

use soma_core::context::{self, Subject};
use soma_core::error::Code;
use soma_core::event::{Event, EventType};
use soma_core::fold::{self, Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Place};
use soma_core::index::{Op, Point};
use soma_core::log::DeadLetters;
use soma_core::projector::points::plan;
use soma_core::store::{Progress, Reading};
use soma_core::testing::SeededClock;
use soma_core::testing::store::history as history_of;
use soma_core::thread::{Placed, Thread, TurnKey};

use super::workload::Fact;
use super::world::World;

/// The events of each memory in the order in which their partitions delivered them.
type Expected<'a> = BTreeMap<MemoryId, Vec<(&'a Place, &'a Entry)>>;

pub(super) fn check(world: &World) -> Result<(), String> {
    SeededClock::new(0).block_on(async {
        positions(world).await?;
        let expected = expected(world).await?;
        let states = records(world, &expected).await?;
        points(world, &states).await?;
        letters(world).await?;
        words(world, &expected)
    })
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn say(error: soma_core::Error) -> String {
    format!("a store answers with {error}")
}

/// Every partition is projected to its end.
async fn positions(world: &World) -> Result<(), String> {
    let mut ends: BTreeMap<(LogId, Partition), Offset> = BTreeMap::new();
    for Fact { place, .. } in &world.workload.facts {
        ends.insert((place.log.clone(), place.partition), place.offset + 1);
    }
    for row in world.store.positions().await.map_err(say)? {
        let end = ends.remove(&(row.log.clone(), row.partition)).unwrap_or(0);
        ensure(row.next == end, || format!("{}/{} is at {} of {end}", row.log, row.partition, row.next))?;
        ensure(row.indexed == end, || format!("{}/{} is durable to {} of {end}", row.log, row.partition, row.indexed))?;
    }
    ensure(ends.is_empty(), || format!("nobody has projected {ends:?}"))
}

/// The events that took effect: each id once, where its partition first delivered it.
async fn expected(world: &World) -> Result<Expected<'_>, String> {
    let mut arrivals: BTreeMap<EventId, Vec<(&Place, &Entry)>> = BTreeMap::new();
    for fact in world.workload.facts.iter().filter(|fact| fact.bad.is_none()) {
        let Some(entry) = &fact.entry else { return Err(format!("{} is neither good nor bad", fact.place)) };
        let known = arrivals.entry(entry.event.event_id).or_default();
        if known.iter().all(|(place, _)| !place.same_partition(&fact.place)) {
            known.push((&fact.place, entry));
        }
    }
    let mut expected: Expected<'_> = BTreeMap::new();
    for (event_id, arrivals) in &arrivals {
        let Some(stored) = world.store.event(*event_id).await.map_err(say)? else {
            return Err(format!("event {event_id} is lost"));
        };
        let taken = arrivals.iter().find(|(_, entry)| entry.place == stored.place);
        let Some(arrival) = taken else {
            return Err(format!("event {event_id} is stored for {}, where it never lay", stored.place));
        };
        expected.entry(arrival.1.event.id).or_default().push(*arrival);
    }
    let events = world.store.counts().await.map_err(say)?.events;
    ensure(events == arrivals.len() as u64, || format!("{events} events are stored of {}", arrivals.len()))?;
    expected.values_mut().for_each(|events| events.sort_by_key(|(place, _)| *place));
    Ok(expected)
}

/// Records and history are a fold from scratch. Answers with the states.
async fn records(world: &World, expected: &Expected<'_>) -> Result<Vec<State>, String> {
    let states = world.store.scan(None, 1_000).await.map_err(say)?;
    let found: Vec<MemoryId> = states.iter().map(|state| state.id).collect();
    let known: Vec<MemoryId> = expected.keys().copied().collect();
    ensure(found == known, || format!("the store holds {found:?} of {known:?}"))?;
    for state in &states {
        let events: Vec<Entry> = expected[&state.id].iter().map(|(_, entry)| Entry::clone(entry)).collect();
        let scratch = fold::from_scratch(&events).map(|scratch| State { rev: state.rev, ..scratch });
        ensure(Some(state) == scratch.as_ref(), || {
            format!("the record is\n  {state:?}\nand should be\n  {scratch:?}")
        })?;

        let ordered = fold::in_order(&events);
        let delete = ordered.iter().rposition(|entry| entry.event.kind == EventType::Deleted).unwrap_or(0);
        let history = history_of(&*world.store, state.id).await.map_err(say)?.unwrap_or_default();
        let found: Vec<_> = history.into_iter().map(|row| (row.event_id, row.place, row.payload)).collect();
        let should = ordered.iter().enumerate().map(|(number, entry)| {
            let Event { event_id, content, .. } = &entry.event;
            let content = content.as_ref().filter(|_| number >= delete);
            (*event_id, entry.place.clone(), content.map(|content| content.payload.clone()))
        });
        let should: Vec<_> = should.collect();
        ensure(found == should, || format!("the history is\n  {found:?}\nand should be\n  {should:?}"))?;
    }
    Ok(states)
}

/// The points are those that the live records give from scratch, each among the turns of its thread.
/// They have the revs of their records; those of turns may have higher ones.
async fn points(world: &World, states: &[State]) -> Result<(), String> {
    let mut points: BTreeMap<MemoryId, Point> = world.points().into_iter().map(|point| (point.id, point)).collect();
    let live: Vec<&State> = states.iter().filter(|state| state.is_live()).collect();
    let mut threads: BTreeMap<Thread, BTreeMap<TurnKey, State>> = BTreeMap::new();
    for state in &live {
        if let Some(Placed { thread, key, .. }) = Placed::of(state) {
            threads.entry(thread).or_default().insert(key, State::clone(state));
        }
    }
    let threads: Vec<Vec<State>> = threads.into_values().map(|turns| turns.into_values().collect()).collect();
    let mut subjects: Vec<Subject<'_>> =
        live.iter().filter(|state| Placed::of(state).is_none()).map(|state| Subject::alone(state)).collect();
    for turns in &threads {
        let places: Vec<TurnKey> = turns.iter().filter_map(|turn| Some(Placed::of(turn)?.key)).collect();
        subjects.extend(context::standing(turns, &places));
    }
    for op in plan(&*world.embedder, &subjects).await.map_err(say)? {
        let Op::Upsert(should) = op else { return Err("a live state gives no point".to_owned()) };
        let found = points.remove(&should.id);
        let rewritten = found.as_ref().filter(|found| found.thread.is_some() && found.rev > should.rev);
        let should = Point { rev: rewritten.map_or(should.rev, |found| found.rev), ..*should };
        ensure(found.as_ref() == Some(&should), || {
            let brief = |point: &Point| (point.rev, point.event_id, point.thread.clone(), point.payload.to_string());
            let found = found.as_ref();
            let words = found.is_some_and(|found| found.sparse == should.sparse);
            let (id, found) = (should.id, found.map(brief));
            format!("the point of {id} is {found:?} and should be {:?}; same words: {words}", brief(&should))
        })?;
    }
    // A process that was replaced while it stood still may bring back a point; no reader sees it.
    ensure(points.is_empty() || world.late_writes, || {
        let left: Vec<_> = points.values().map(|point| (point.id, point.rev, point.event_id)).collect();
        format!("points without a record are left: {left:?}")
    })
}

/// The dead letters are the bad records, once each.
async fn letters(world: &World) -> Result<(), String> {
    let letters = world.letters.list(None, 10_000).await.map_err(say)?;
    let found: BTreeMap<&Place, &str> =
        letters.iter().map(|letter| (&letter.record.place, letter.reason.as_str())).collect();
    let bad = world.workload.facts.iter().filter_map(|fact| Some((&fact.place, fact.bad.map(Code::as_str)?)));
    let should: BTreeMap<&Place, &str> = bad.collect();
    ensure(found == should, || format!("the dead letters are\n  {found:?}\nand should be\n  {should:?}"))
}

/// What a delete removed is nowhere: not in the records, not in the points, not in its partition.
fn words(world: &World, expected: &Expected<'_>) -> Result<(), String> {
    let points: Vec<String> = world.points().iter().map(|point| point.payload.to_string()).collect();
    let records: Vec<_> = world.workload.logs.iter().flat_map(|log| log.records()).collect();
    for events in expected.values() {
        let entries: Vec<Entry> = events.iter().map(|(_, entry)| Entry::clone(entry)).collect();
        let ordered = fold::in_order(&entries);
        let Some(delete) = ordered.iter().rposition(|entry| entry.event.kind == EventType::Deleted) else { continue };
        let erased: BTreeSet<EventId> = ordered[..delete].iter().map(|entry| entry.event.event_id).collect();
        for (place, entry) in events.iter().filter(|(_, entry)| erased.contains(&entry.event.event_id)) {
            let Some(content) = &entry.event.content else { continue };
            let word = content.payload["text"].as_str().unwrap_or("?");
            ensure(world.late_writes || !points.iter().any(|text| text.contains(word)), || {
                format!("a point still says {word}, which was deleted")
            })?;
            let is_behind = |delete: &&Entry| {
                // A redriven record counts where it first lay.
                let behind = |at: &Place| delete.place.same_partition(at) && delete.place.offset > at.offset;
                let first_lay = entry.place.same_partition(place) && behind(&entry.place);
                delete.event.kind == EventType::Deleted && (behind(place) || first_lay)
            };
            let record = records.iter().find(|record| record.place == **place);
            let value = record.and_then(|record| record.value.as_deref()).unwrap_or_default();
            let says = value.windows(word.len()).any(|window| window == word.as_bytes());
            ensure(!says || !ordered.iter().any(is_behind), || {
                format!("the log still says {word} at {place}, which was deleted")
            })?;
        }
    }
    Ok(())
}
