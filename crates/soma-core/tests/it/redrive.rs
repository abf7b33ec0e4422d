//! Redriving dead letters: at their origin, once, and not for ever.

use std::time::Duration;

use serde_json::json;
use soma_core::error::Code;
use soma_core::event::codec;
use soma_core::ids::Place;
use soma_core::log::{Appended, DeadLetter, NewRecord, ReadLimit};
use soma_core::redrive::{Became, Fate, Guard, Item, Mode, Request, Selection, redrive};
use soma_core::store::{Advance, LastEvent};
use soma_core::testing::sample;
use soma_core::verify::{Options, verify};

use crate::world::{World, draft, id, namespace, target};

fn request(selection: Selection, mode: Mode) -> Request {
    Request { selection, value: None, mode, guard: Guard::Keep, wait: Duration::ZERO }
}

fn one(world: &World, request: &Request) -> Item {
    let mut items = world.run(redrive(&world.engine, request)).expect("the redrive runs");
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

fn letters(world: &World) -> Vec<DeadLetter> {
    world.run(world.engine.letters.list(None, 100)).expect("letters can be read")
}

/// A log in which a record of memory 1 that nobody can read lies between two that can be read.
fn broken() -> (World, Place) {
    let mut world = World::new();
    world.remember(vec![draft(2, json!("another"))]);
    let record = NewRecord {
        key: Some(id(1).to_string().into_bytes()),
        value: Some(b"{ torn".to_vec()),
        headers: vec![("trace".into(), b"7".to_vec())],
        event_id: None,
    };
    world.run(world.engine.log.append(vec![record])).expect("the log takes anything");
    world.project();
    let place = letters(&world).remove(0).record.place;
    (world, place)
}

fn mended(text: &str) -> Vec<u8> {
    let mut event = sample::created(9, 900, text);
    (event.id, event.namespace) = (id(1), Some(namespace("demo")));
    codec::encode(&event)
}

fn with_value(source: &Place, text: &str, mode: Mode) -> Request {
    Request { value: Some(mended(text)), ..request(Selection::Source(source.clone()), mode) }
}

#[test]
fn a_letter_as_it_is_would_be_refused_again() {
    let (world, source) = broken();
    let item = one(&world, &request(Selection::All, Mode::Apply));
    assert!(matches!(&item.fate, Fate::Refused(error) if error.code == Code::NotJson), "{item:?}");
    assert!(item.redriven.is_none());
    assert_eq!(letters(&world)[0].redrives, 0);
    assert_eq!(item.letter.record.place, source);
}

#[test]
fn a_dry_run_changes_nothing() {
    let (world, source) = broken();
    let before = world.run(world.engine.log.bounds()).expect("bounds");
    let item = one(&world, &with_value(&source, "mended", Mode::DryRun));
    assert!(matches!(item.fate, Fate::Applies) && item.redriven.is_none(), "{item:?}");
    assert_eq!(world.run(world.engine.log.bounds()).expect("bounds"), before);
}

#[test]
fn a_mended_event_is_folded_where_it_first_lay_and_its_letter_is_marked() {
    let (mut world, source) = broken();
    let item = one(&world, &with_value(&source, "mended", Mode::Apply));
    let (to, became) = item.redriven.expect("it is redriven");
    assert_eq!(became, Became::Appended, "nobody has projected it yet");
    world.project();
    assert_eq!(world.run(world.engine.get(id(1))).expect("the memory").payload["text"], "mended");
    let history = world.run(world.engine.history(id(1), None, 100)).expect("a history").items;
    assert_eq!(history[0].place, source);
    let letter = letters(&world).remove(0);
    assert_eq!((letter.redriven_to(), letter.redrives), (Some(to), 1));
    assert_eq!(letter.record.header("trace"), Some(&b"7"[..]));
    let report = world.run(verify(&world.engine, Options::new(Duration::ZERO))).expect("a report");
    assert!(report.is_clean(), "{:?}", report.findings);

    let again = one(&world, &with_value(&source, "mended", Mode::Apply));
    assert!(matches!(again.fate, Fate::Redriven(_)) && again.redriven.is_none(), "{again:?}");
    let forced = Request { guard: Guard::Override, ..with_value(&source, "mended", Mode::Apply) };
    assert!(matches!(one(&world, &forced).fate, Fate::Duplicate));
}

#[test]
fn a_redriven_event_does_not_overwrite_what_came_after_it() {
    let (mut world, source) = broken();
    world.remember(vec![draft(1, json!("newer"))]);
    world.project();
    let item = one(&world, &with_value(&source, "older", Mode::Apply));
    assert!(matches!(item.fate, Fate::Behind), "{item:?}");
    world.project();
    assert_eq!(world.run(world.engine.get(id(1))).expect("the memory").payload, json!("newer"));
    assert_eq!(world.run(world.engine.history(id(1), None, 100)).expect("a history").items.len(), 2);
}

#[test]
fn nothing_comes_back_for_a_memory_that_was_deleted_since() {
    let (mut world, source) = broken();
    world.remember(vec![draft(1, json!("newer"))]);
    world.project();
    world.run(world.engine.forget(&target(1), Default::default())).expect("forgotten");
    world.project();
    let before = world.run(world.engine.log.bounds()).expect("bounds");
    let item = one(&world, &with_value(&source, "older", Mode::Apply));
    assert!(matches!(item.fate, Fate::Deleted) && item.redriven.is_none(), "{item:?}");
    assert_eq!(world.run(world.engine.log.bounds()).expect("bounds"), before);
}

#[test]
fn a_letter_that_is_refused_time_and_again_is_left_alone_unless_somebody_insists() {
    let (mut world, _) = broken();
    world.remember(vec![draft(1, json!("first"))]);
    world.project();
    // Told to belong to another namespace, which only the fold can see; each time by another hand.
    let mut source = letters(&world).remove(0).record.place;
    for round in 1..=4 {
        let letter = world.run(world.engine.letters.get(&source)).expect("letters").expect("the letter");
        let item = one(&world, &request(Selection::Source(source.clone()), Mode::DryRun));
        match round {
            4 => assert!(matches!(item.fate, Fate::Guarded), "{item:?}"),
            _ => assert!(matches!(item.fate, Fate::Refused(_)), "{item:?}"),
        }
        let header = (DeadLetter::REDRIVES.to_owned(), round.to_string().into_bytes());
        let record = NewRecord {
            key: letter.record.key.clone(),
            value: letter.record.value.clone(),
            headers: vec![header],
            event_id: None,
        };
        world.run(world.engine.log.append(vec![record])).expect("appended");
        world.project();
        source = letters(&world).pop().expect("a letter").record.place;
    }
}

#[test]
fn an_event_that_a_store_refused_takes_effect_when_it_comes_again_and_verification_knows_it() {
    let mut world = World::new();
    let mut event = sample::created(9, 900, "refused at first");
    (event.id, event.namespace) = (id(1), Some(namespace("demo")));
    let record = NewRecord {
        key: Some(id(1).to_string().into_bytes()),
        value: Some(codec::encode(&event)),
        headers: Vec::new(),
        event_id: Some(event.event_id),
    };
    let appended = world.run(world.engine.log.append(vec![record])).expect("appended");
    let Some(Appended::New(place)) = appended.into_iter().next() else { panic!("it was there already") };
    pass_as_refused(&world, &place);
    let item = one(&world, &request(Selection::Reason("store_rejected".into()), Mode::Apply));
    assert!(matches!(item.fate, Fate::Applies), "{item:?}");
    world.project();
    assert_eq!(world.run(world.engine.get(id(1))).expect("the memory").payload["text"], "refused at first");
    let report = world.run(verify(&world.engine, Options::new(Duration::ZERO))).expect("a report");
    assert!(report.is_clean(), "{:?}", report.findings);
}

/// What the projector does about a record that a store refuses: a letter, and the next record.
fn pass_as_refused(world: &World, place: &Place) {
    let engine = &world.engine;
    let record = world.run(engine.log.read(place.partition, place.offset, ReadLimit { records: 1, bytes: 1 }));
    let record = record.expect("the log can be read").remove(0);
    let event_id = codec::identity(&record);
    let letter = DeadLetter {
        record,
        reason: "store_rejected".into(),
        error: "the row is refused".into(),
        component: "kv_writer".into(),
        event_id: Some(event_id),
        first_seen: engine.clock.now(),
        attempts: 1,
        redrives: 0,
    };
    world.run(engine.letters.put(vec![letter])).expect("a letter");
    let now = engine.clock.now();
    let claim = world.run(engine.store.claim(&engine.projector, &place.log, place.partition, now)).expect("a claim");
    let staging = world.run(engine.store.begin(&claim.claim)).expect("a transaction");
    let last = Some(LastEvent { offset: place.offset, event_id });
    world.run(staging.commit(Advance { next: place.offset + 1, last, now })).expect("it is passed");
}

#[test]
fn a_value_is_checked_and_belongs_to_one_letter() {
    let (world, source) = broken();
    let torn = Request { value: Some(b"{".to_vec()), ..with_value(&source, "", Mode::DryRun) };
    assert_eq!(world.run(redrive(&world.engine, &torn)).expect_err("torn").code, Code::NotJson);
    let many = Request { value: Some(mended("x")), ..request(Selection::All, Mode::DryRun) };
    assert_eq!(world.run(redrive(&world.engine, &many)).expect_err("many").code, Code::BadRequest);
    let nowhere = Place { offset: 99, ..source };
    let missing = world.run(redrive(&world.engine, &request(Selection::Source(nowhere), Mode::DryRun)));
    assert_eq!(missing.expect_err("missing").code, Code::NotFound);
}
