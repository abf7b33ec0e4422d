//! Verification finds every kind of difference, whatever the size of its passes, and repairs the index.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use soma_core::context::Subject;
use soma_core::engine::{Context, Target};
use soma_core::error::Code;
use soma_core::event::codec;
use soma_core::fold::{Change, Erase};
use soma_core::ids::{EventId, MemoryId, Timestamp};
use soma_core::index::{Op, VectorIndex as _};
use soma_core::log::{DeadLetter, NewRecord};
use soma_core::store::{Advance, Projecting as _};
use soma_core::testing::{Store, sample};
use soma_core::verify::{Options, Part, Report, What, verify};

use crate::world::{World, draft, id, namespace, target};

/// Passes so small that every one of these logs needs several.
const SMALL: Options = Options { events_per_pass: 3, ids_per_pass: 2, ..Options::new(Duration::ZERO) };

fn report(world: &World, options: Options) -> Report {
    world.run(verify(&world.engine, options)).expect("everything can be read")
}

fn findings(world: &World) -> Vec<(Part, What, Option<MemoryId>)> {
    let small = report(world, SMALL);
    let large = report(world, Options::new(Duration::ZERO));
    assert_eq!(small.findings, large.findings, "the size of a pass changes nothing");
    small.findings.into_iter().map(|finding| (finding.part, finding.what, finding.id)).collect()
}

/// A log with everything in it: replaced, deleted and revived memories, an event twice, an event id
/// claimed by two memories, a foreign namespace, a tombstone, and records that are no events.
fn eventful() -> World {
    let mut world = World::new();
    world.remember((1..=6).map(|n| draft(n, json!({ "text": format!("fact {n}") }))).collect());
    for n in [1, 2] {
        let named = Target { namespace: Some(namespace("demo")), ..target(n) };
        world.run(world.engine.forget(&named, Context::default())).expect("forgotten");
    }
    world.remember(vec![draft(2, json!("back")), draft(3, json!("replaced"))]);
    let raw = |value: Vec<u8>| NewRecord {
        key: Some(id(4).to_string().into_bytes()),
        value: Some(value),
        headers: Vec::new(),
        event_id: None,
    };
    let mut twice = sample::created(9, 900, "twice");
    twice.id = id(4);
    let mut foreign = sample::created(9, 901, "foreign");
    (foreign.id, foreign.namespace) = (id(4), Some(namespace("foreign")));
    let mut claimed = sample::created(9, 900, "claimed");
    claimed.id = id(7);
    let other = NewRecord { key: Some(id(7).to_string().into_bytes()), ..raw(codec::encode(&claimed)) };
    // The foreign event is refused, so its id is still free for the one behind it.
    let mut after = sample::created(9, 901, "after");
    after.id = id(4);
    let records = vec![
        raw(codec::encode(&twice)),
        raw(codec::encode(&twice)),
        raw(codec::encode(&foreign)),
        raw(codec::encode(&after)),
        raw(b"no event".to_vec()),
        NewRecord { value: None, key: Some(id(5).to_string().into_bytes()), headers: Vec::new(), event_id: None },
    ];
    world.run(world.engine.log.append(records)).expect("appended");
    world.project();
    // Alone, so that which of two partitions comes first is not left open.
    world.run(world.engine.log.append(vec![other])).expect("appended");
    world.project();
    world
}

#[test]
fn what_the_projector_made_of_an_eventful_log_is_clean() {
    let world = eventful();
    assert_eq!(findings(&world), []);
    let report = report(&world, SMALL);
    assert!(report.is_clean());
    assert_eq!((report.memories, report.deleted, report.points, report.dead_letters), (4, 2, 4, 2), "{report:?}");
}

#[test]
fn points_that_are_missing_wrong_or_left_over_are_found_and_repaired() {
    let mut world = World::new();
    world.remember((1..=5).map(|n| draft(n, json!({ "text": format!("fact {n}") }))).collect());
    world.project();
    let stored = world.run(world.index.scan(None, 100)).expect("readable");
    let states = world.run(world.engine.store.states(&[id(2)])).expect("readable");
    let subjects = [Subject::alone(&states[0])];
    let planned = world.run(soma_core::projector::points::plan(&*world.engine.embedder, &subjects)).expect("made");
    let Some(Op::Upsert(right)) = planned.into_iter().next() else { panic!("a live memory has a point") };
    let mut wrong = (*right).clone();
    wrong.dense.rotate_left(1);
    let left_over = soma_core::index::Point { id: id(77), ..*right };
    world.run(world.index.purge(&[id(1)])).expect("purged");
    world.run(world.index.write(vec![Op::Upsert(Box::new(wrong)), Op::Upsert(Box::new(left_over))])).expect("written");

    let mut expected = vec![
        (Part::Index, What::Missing, Some(id(1))),
        (Part::Index, What::Different, Some(id(2))),
        (Part::Index, What::Extra, Some(id(77))),
    ];
    expected.sort_by_key(|(_, _, id)| *id);
    assert_eq!(findings(&world), expected);
    let repaired = report(&world, SMALL.repairing());
    assert_eq!((repaired.differences, repaired.repaired, repaired.is_clean()), (3, 3, true));
    assert_eq!(findings(&world), []);
    assert_eq!(world.run(world.index.scan(None, 100)).expect("readable"), stored);
}

#[test]
fn a_record_that_the_log_does_not_say_is_found() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("one")), draft(2, json!("two"))]);
    world.project();
    let tampered = |mut state: soma_core::fold::State| {
        state.content.as_mut().expect("live").payload = json!("another");
        state.version += 1;
        Change { state, visible: false, erase: Erase::Nothing, rows: Vec::new() }
    };
    let states = world.run(world.engine.store.states(&[id(1)])).expect("readable");
    let mut invented = states[0].clone();
    (invented.id, invented.event_id) = (id(50), EventId(id(50).0));
    let changes = [
        tampered(states[0].clone()),
        Change { state: invented, visible: false, erase: Erase::Nothing, rows: Vec::new() },
    ];
    world.run(async {
        let engine = &world.engine;
        let now = Timestamp(0);
        let claimed = engine.store.claim(&engine.projector, engine.log.id(), 0, now).await.expect("claimed");
        let mut staging = engine.store.begin(&claimed.claim).await.expect("begun");
        staging.stage(&changes).await.expect("staged");
        staging.commit(Advance { next: claimed.next, last: claimed.last, now }).await.expect("committed");
    });
    let found = findings(&world);
    assert!(found.contains(&(Part::Records, What::Different, Some(id(1)))), "{found:?}");
    assert!(found.contains(&(Part::Records, What::Extra, Some(id(50)))), "{found:?}");
    assert!(found.contains(&(Part::Index, What::Missing, Some(id(50)))), "{found:?}");
    assert!(!found.iter().any(|(_, _, of)| *of == Some(id(2))), "{found:?}");

    let repaired = report(&world, SMALL.repairing());
    assert_eq!((repaired.is_clean(), repaired.repaired), (true, repaired.differences), "{repaired:?}");
    assert_eq!(findings(&world), []);
    let states = world.run(world.engine.store.states(&[id(1), id(50)])).expect("readable");
    let payloads: Vec<_> = states.iter().map(|state| &state.content.as_ref().expect("live").payload).collect();
    assert_eq!(payloads, [&json!("one")]);

    // The projector goes on under its claim, and what it writes is newer.
    world.remember(vec![draft(1, json!("three"))]);
    world.project();
    assert_eq!(findings(&world), []);
}

#[test]
fn a_record_that_is_missing_is_found() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("one"))]);
    world.project();
    // Another store that claims to have passed the whole log, and holds nothing.
    let store = Arc::new(Store::new());
    world.run(async {
        for bounds in world.engine.log.bounds().await.expect("readable") {
            let (projector, log) = (&world.engine.projector, world.engine.log.id());
            let now = Timestamp(0);
            let claimed = store.claim(projector, log, bounds.partition, now).await.expect("claimed");
            let staging = store.begin(&claimed.claim).await.expect("begun");
            staging.commit(Advance { next: bounds.next, last: None, now }).await.expect("committed");
        }
    });
    world.engine.store = store;
    assert_eq!(
        findings(&world),
        [(Part::Records, What::Missing, Some(id(1))), (Part::Index, What::Extra, Some(id(1)))]
    );
    // The record comes back, and its point needs the new rev.
    let repaired = report(&world, SMALL.repairing());
    let found: Vec<_> = repaired.findings.iter().map(|found| (found.part, found.what, found.repaired)).collect();
    assert_eq!(found, [(Part::Records, What::Missing, true), (Part::Index, What::Different, true)]);
    assert_eq!(findings(&world), []);
}

/// Everything of the eventful log is discarded, so that all of it is made anew.
#[test]
fn a_store_that_lost_everything_is_made_anew_as_it_was() {
    let world = eventful();
    let engine = &world.engine;
    let ids: Vec<MemoryId> = (1..=7).map(id).collect();
    let without_rev = |mut states: Vec<soma_core::fold::State>| {
        states.sort_by_key(|state| state.id);
        states.iter_mut().for_each(|state| state.rev = 0);
        states
    };
    let read = async || {
        let states = without_rev(engine.store.states(&ids).await.expect("readable"));
        (states, engine.store.histories(&ids).await.expect("readable"), engine.counts().await.expect("readable"))
    };
    let before = world.run(read());
    world.run(async {
        let mut mending = engine.store.mend(&engine.projector, engine.log.id(), 0).await.expect("begun");
        mending.staging.discard(&ids, &[]).await.expect("discarded");
        mending.commit(Timestamp(0)).await.expect("committed");
    });
    assert_ne!(world.run(read()), before);
    let repaired = report(&world, SMALL.repairing());
    assert!(repaired.is_clean(), "{repaired:?}");
    assert_eq!(world.run(read()), before);
    assert_eq!(findings(&world), []);
}

/// A memory that came from a log which is not the one that is read: nothing here says what it is.
#[test]
fn a_memory_of_another_log_is_left_as_it_is_and_named() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("one"))]);
    world.project();
    let mut event = sample::created(9, 900, "elsewhere");
    event.id = id(9);
    let place = soma_core::ids::Place { log: soma_core::ids::LogId::new("earlier"), partition: 0, offset: 0 };
    let row = soma_core::fold::Entry { event, place };
    let state = soma_core::fold::from_scratch(std::slice::from_ref(&row)).expect("one event gives a state");
    let change = Change { state, visible: true, erase: Erase::Nothing, rows: vec![row.clone()] };
    world.run(async {
        let engine = &world.engine;
        let now = Timestamp(0);
        let claimed = engine.store.claim(&engine.projector, &row.place.log, 0, now).await.expect("claimed");
        let mut staging = engine.store.begin(&claimed.claim).await.expect("begun");
        staging.stage(&[change]).await.expect("staged");
        staging.commit(Advance { next: 1, last: None, now }).await.expect("committed");
    });
    let repaired = report(&world, SMALL.repairing());
    assert!(!repaired.is_clean());
    let found = repaired.findings.iter().find(|found| found.part == Part::Records).expect("it is named");
    assert_eq!((found.what, found.id, found.repaired), (What::Extra, Some(id(9)), false));
    assert!(found.remedy.as_ref().is_some_and(|remedy| remedy.contains("log earlier")), "{found:?}");
    assert_eq!(world.run(world.engine.store.states(&[id(9)])).expect("readable").len(), 1);
}

#[test]
fn dead_letters_are_compared_both_ways() {
    let world = eventful();
    let kept = world.run(world.engine.letters.list(None, 10)).expect("readable");
    let mut invented: DeadLetter = kept[0].clone();
    invented.record.place.offset = 0;
    invented.reason = Code::Schema.as_str().to_owned();
    world.run(world.engine.letters.put(vec![invented])).expect("kept");
    assert_eq!(findings(&world), [(Part::DeadLetters, What::Extra, None)]);
}

#[test]
fn a_projector_that_lags_is_waited_for() {
    let world = World::new();
    world.remember(vec![draft(1, json!("one"))]);
    let error = world.run(verify(&world.engine, SMALL)).expect_err("nothing is projected");
    assert_eq!(error.code, Code::PositionNotReached);
}

#[test]
fn an_empty_log_is_clean() {
    let world = World::new();
    assert!(report(&world, SMALL).is_clean());
}
