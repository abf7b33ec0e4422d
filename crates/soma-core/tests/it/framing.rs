//! Events in the framings of other writers: projected, erased, verified and redriven like our own, and a
//! dead letter only when the registry says that there is no such schema.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use soma_core::engine::Context;
use soma_core::error::{Code, Error, Result};
use soma_core::event::codec;
use soma_core::event::frame::{SchemaId, VALUE_SCHEMA_ID, framed};
use soma_core::event::schemas::Schemas;
use soma_core::ids::{LogId, Place, Timestamp};
use soma_core::log::{DeadLetter, NewRecord, ReadLimit, Record};
use soma_core::projector::Step;
use soma_core::projector::observe::Component;
use soma_core::redrive::{Fate, Guard, Mode, Request, Selection, redrive};
use soma_core::testing::sample;
use soma_core::verify::{Options, verify};

use crate::world::{World, id, namespace, target};

/// A registry that knows some schemas, unless it is away.
#[derive(Default)]
struct Registry {
    known: Mutex<BTreeSet<SchemaId>>,
    away: Mutex<bool>,
}

impl Registry {
    fn go_away(&self, away: bool) {
        *self.away.lock().expect("a lock") = away;
    }

    fn learn(&self, id: SchemaId) {
        self.known.lock().expect("a lock").insert(id);
    }
}

#[async_trait]
impl Schemas for Registry {
    async fn knows(&self, id: SchemaId) -> Result<bool> {
        if *self.away.lock().expect("a lock") {
            return Err(Error::new(Code::Unavailable, "the registry is away"));
        }
        Ok(self.known.lock().expect("a lock").contains(&id))
    }
}

const SCHEMA: SchemaId = SchemaId::Id(7);

/// The value of an event of memory 1.
fn event(number: u64, text: &str) -> Vec<u8> {
    let mut event = sample::created(number, 900 + number, text);
    (event.id, event.namespace) = (id(1), Some(namespace("demo")));
    codec::encode(&event)
}

fn send(world: &World, value: Vec<u8>, headers: &[(&str, &[u8])]) {
    let record = NewRecord {
        key: Some(id(1).to_string().into_bytes()),
        value: Some(value),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
        event_id: None,
    };
    world.run(world.engine.log.append(vec![record])).expect("the log takes anything");
}

fn structured(event: &[u8]) -> Vec<u8> {
    [b"{\"specversion\":\"1.0\",\"data\":".as_slice(), event, b"}"].concat()
}

const CLOUD_EVENT: (&str, &[u8]) = ("content-type", b"application/cloudevents+json");

fn letters(world: &World) -> Vec<DeadLetter> {
    world.run(world.engine.letters.list(None, 100)).expect("letters can be read")
}

fn is_clean(world: &World) {
    let report = world.run(verify(&world.engine, Options::new(Duration::ZERO))).expect("a report");
    assert!(report.is_clean(), "{:?}", report.findings);
}

fn text(world: &World) -> String {
    let memory = world.run(world.engine.get(id(1))).expect("the memory");
    memory.payload["text"].as_str().expect("a text").to_owned()
}

#[test]
fn every_framing_is_projected_and_verified_without_a_registry() {
    for (value, headers) in [
        (SCHEMA.frame(&event(9, "framed")), vec![]),
        (SchemaId::Guid(id(5).0).frame(&event(9, "framed")), vec![]),
        (event(9, "framed"), vec![(VALUE_SCHEMA_ID, b"\0\0\0\0\x07".as_slice())]),
        (structured(&event(9, "framed")), vec![CLOUD_EVENT]),
        (event(9, "framed"), vec![("ce_id", b"1".as_slice()), ("content-type", b"application/json")]),
    ] {
        let mut world = World::new();
        send(&world, value, &headers);
        world.project();
        assert_eq!(text(&world), "framed");
        is_clean(&world);
    }
}

#[test]
fn a_delete_blanks_framed_records_and_they_stay_readable() {
    let mut world = World::new();
    send(&world, SCHEMA.frame(&event(9, "a secret")), &[(VALUE_SCHEMA_ID, b"\0\0\0\0\x07")]);
    send(&world, structured(&event(10, "a secret")), &[CLOUD_EVENT]);
    world.project();
    world.run(world.engine.forget(&target(1), Context::default())).expect("forgotten");
    world.project();
    let records = records(&world);
    assert_eq!(records.len(), 3);
    for record in &records[..2] {
        let value = String::from_utf8_lossy(record.value.as_deref().expect("a value"));
        assert!(record.header(codec::ERASED).is_some() && !value.contains("secret"), "{value}");
        assert!(codec::decode(record, 1 << 20).expect("it can be read").event.content.is_none());
    }
    is_clean(&world);
    assert!(letters(&world).is_empty());
}

fn records(world: &World) -> Vec<Record> {
    let limit = ReadLimit { records: 100, bytes: 1 << 20 };
    let bounds = world.run(world.engine.log.bounds()).expect("bounds");
    let all = bounds.iter().map(|b| world.run(world.engine.log.read(b.partition, b.first, limit)).expect("records"));
    all.flatten().collect()
}

#[test]
fn while_the_registry_is_away_the_batch_waits_and_nothing_becomes_a_letter() {
    let registry = Arc::new(Registry::default());
    registry.learn(SCHEMA);
    registry.go_away(true);
    let mut world = World::with_schemas(Arc::clone(&registry) as _);
    send(&world, SCHEMA.frame(&event(9, "patient")), &[]);
    let failed = world.steps().into_iter().find(|step| matches!(step, Step::Failed { .. }));
    let Some(Step::Failed { component, error, .. }) = failed else { panic!("nothing waits") };
    assert_eq!((component, error.code), (Component::Schemas, Code::Unavailable));
    assert!(letters(&world).is_empty());
    registry.go_away(false);
    world.project();
    assert_eq!(text(&world), "patient");
    is_clean(&world);
}

#[test]
fn our_own_events_never_ask_the_registry() {
    let registry = Arc::new(Registry::default());
    registry.go_away(true);
    let mut world = World::with_schemas(Arc::clone(&registry) as _);
    send(&world, event(9, "plain"), &[]);
    world.project();
    assert_eq!(text(&world), "plain");
}

#[test]
fn an_unknown_schema_is_a_dead_letter_and_takes_effect_once_it_is_known() {
    let registry = Arc::new(Registry::default());
    let mut world = World::with_schemas(Arc::clone(&registry) as _);
    let value = SCHEMA.frame(&event(9, "late"));
    send(&world, value.clone(), &[("trace", b"1")]);
    send(&world, SchemaId::Id(8).frame(b"not even JSON"), &[]);
    world.project();
    let kept = letters(&world);
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|letter| letter.reason == "schema_unknown"), "{kept:?}");
    let letter = kept.into_iter().find(|letter| letter.event_id.is_some()).expect("the event's id can be read");
    assert_eq!((letter.record.value.as_deref(), letter.record.header("trace")), (Some(&*value), Some(&b"1"[..])));
    is_clean(&world);

    let source = letter.record.place;
    let request = |guard| Request {
        selection: Selection::Source(source.clone()),
        value: None,
        mode: Mode::Apply,
        guard,
        wait: Duration::ZERO,
    };
    registry.learn(SCHEMA);
    let items = world.run(redrive(&world.engine, &request(Guard::Keep))).expect("the redrive runs");
    assert!(matches!(items[0].fate, Fate::Applies), "{items:?}");
    world.project();
    assert_eq!(text(&world), "late");
    assert_eq!(world.run(world.engine.history(id(1), None, 10)).expect("a history").items[0].place, source);
    is_clean(&world);
}

#[test]
fn a_mended_event_in_the_place_of_a_framed_one_is_read_as_ours() {
    let mut world = World::new();
    send(&world, structured(b"{}"), &[CLOUD_EVENT, ("trace", b"1"), (VALUE_SCHEMA_ID, b"\0\0\0\0\x07")]);
    world.project();
    let source = letters(&world).remove(0).record.place;
    let request = Request {
        selection: Selection::Source(source),
        value: Some(event(9, "mended")),
        mode: Mode::Apply,
        guard: Guard::Keep,
        wait: Duration::ZERO,
    };
    let items = world.run(redrive(&world.engine, &request)).expect("the redrive runs");
    assert!(matches!(items[0].fate, Fate::Applies), "{items:?}");
    world.project();
    assert_eq!(text(&world), "mended");
    assert!(
        records(&world).iter().any(
            |record| record.header("trace").is_some() && record.header("content-type") == Some(b"application/json")
        )
    );
    is_clean(&world);
}

#[test]
fn a_frame_does_not_count_towards_the_size_of_an_event() {
    let json = event(9, "exactly as large as is allowed");
    let record = |value: Vec<u8>| Record {
        place: Place { log: LogId::new("test"), partition: 0, offset: 0 },
        timestamp: Timestamp(0),
        key: Some(id(1).to_string().into_bytes()),
        value: Some(value),
        headers: Vec::new(),
    };
    assert!(codec::decode(&record(SCHEMA.frame(&json)), json.len()).is_ok());
    let refused = codec::decode(&record(SCHEMA.frame(&json)), json.len() - 1).expect_err("too large");
    assert_eq!(refused.error.code, Code::TooLarge);
}

#[test]
fn what_is_framed_already_and_a_tombstone_are_not_framed_again() {
    let new = |value| NewRecord { key: None, value, headers: Vec::new(), event_id: None };
    let once = framed(new(Some(b"{}".to_vec())), SCHEMA);
    assert_eq!(once.value.as_deref(), Some(&b"\0\0\0\0\x07{}"[..]));
    assert_eq!(framed(once.clone(), SchemaId::Id(8)), once);
    assert_eq!(framed(new(None), SCHEMA).value, None);
}
