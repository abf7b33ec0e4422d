//! Who may write under an id: namespaces that the records know, and ids that are derived.

use serde_json::json;
use soma_core::engine::{Context, Derived, Key, Replacement, Target, Written};
use soma_core::error::{Code, Result};
use soma_core::event::build::Draft;
use soma_core::event::derive::{self, Coordinate};
use soma_core::event::{Event, EventType};
use soma_core::ids::{MemoryId, Namespace};
use soma_core::json::canonical;

use crate::world::{World, draft, id, namespace};

fn codes<T>(answers: Vec<Result<T>>) -> Vec<Option<Code>> {
    answers.into_iter().map(|answer| answer.err().map(|error| error.code)).collect()
}

fn coordinate() -> Coordinate {
    Coordinate::parse("1.0,2.5").expect("a coordinate")
}

fn derived(space: &str) -> MemoryId {
    derive::coordinate_id(&namespace(space), &coordinate())
}

fn event(world: &World, space: &str, id: MemoryId, kind: EventType) -> Event {
    let draft = Draft { id: Some(id), kind, ..Draft::created(namespace(space), json!({ "text": "raw" })) };
    draft.build(&*world.engine.clock).expect("a valid draft")
}

fn imported(world: &World, space: &str, occurrence: u64) -> Event {
    let payload = json!({ "b": 1, "a": "line" });
    let id = derive::import_memory_id(&namespace(space), &canonical(&payload), occurrence);
    let draft = Draft { id: Some(id), ..Draft::created(namespace(space), payload) };
    draft.build(&*world.engine.clock).expect("a valid draft")
}

/// Publishes while the projector works.
fn publish(world: &mut World, events: Vec<Event>, derived: Derived) -> Vec<Option<Code>> {
    let engine = world.engine.clone();
    codes(world.run_projecting(async move { engine.publish(events, derived, None).await }).expect("the log is there"))
}

fn at(world: &World, space: &str) -> Result<Written> {
    let draft = Draft { coordinate: Some(coordinate()), ..Draft::created(namespace(space), json!("here")) };
    world.run(world.engine.remember(vec![draft], Context::default())).expect("the log is there").remove(0)
}

#[test]
fn a_write_under_an_id_of_another_namespace_is_refused_once_the_records_know_it() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("a"))]);
    world.project();
    let foreign = |n| Draft { namespace: namespace("foreign"), ..draft(n, json!("b")) };
    let drafts = vec![foreign(1), foreign(2), draft(1, json!("c"))];
    let answers = world.run(world.engine.remember(drafts, Context::default())).expect("the log is there");
    let error = answers[0].as_ref().expect_err("refused");
    assert_eq!((error.code, error.field.as_deref()), (Code::NamespaceMismatch, Some("namespace")));
    assert!(error.to_string().contains("belongs to another namespace than \"foreign\""), "{error}");
    assert_eq!(codes(answers), [Some(Code::NamespaceMismatch), None, None]);

    let raw = event(&world, "foreign", id(1), EventType::Updated);
    assert_eq!(publish(&mut world, vec![raw.clone()], Derived::Checked), [Some(Code::NamespaceMismatch)]);
    assert_eq!(publish(&mut world, vec![raw], Derived::Trusted), [Some(Code::NamespaceMismatch)]);
    assert_eq!(world.run(world.engine.status()).expect("there").dead_letters, 0);
}

#[test]
fn a_derived_id_that_nobody_has_written_is_not_for_others_to_take() {
    let mut world = World::new();
    for kind in [EventType::Created, EventType::Updated, EventType::Deleted] {
        let squat = event(&world, "foreign", derived("demo"), kind);
        assert_eq!(publish(&mut world, vec![squat], Derived::Checked), [Some(Code::Schema)], "{}", kind.as_str());
    }
    let engine = world.engine.clone();
    let target = |space: Option<&str>| Target { id: derived("demo"), namespace: space.map(namespace) };
    let replacement = || Replacement { payload: json!(1), importance: None, embedding: None, model_revision: None };
    for (space, expected) in [(Some("foreign"), Code::Schema), (None, Code::NotFound)] {
        let put = world.run_projecting(engine.replace(&target(space), replacement(), Context::default()));
        assert_eq!(put.expect_err("unknown").code, expected);
        let deleted = world.run_projecting(engine.forget(&target(space), Context::default()));
        assert_eq!(deleted.expect_err("unknown").code, expected);
    }
    assert_eq!(at(&world, "demo").expect("nobody took it").id, derived("demo"));
    assert_eq!(world.run(world.engine.end()).expect("there").iter().map(|(_, _, next)| next).sum::<u64>(), 1);
}

#[test]
fn a_derived_id_is_known_as_soon_as_the_log_has_it() {
    let mut world = World::new();
    world.project();
    let engine = world.engine.clone();
    let context = Context { key: Some(Key { method: "POST", target: "/v1/memories", key: "k" }), traceparent: None };
    let draft = Draft::created(namespace("demo"), json!("a"));
    let id = world.run(engine.remember(vec![draft], context)).expect("there").remove(0).expect("written").id;
    assert!(id.is_derived());
    let target = Target { id, namespace: Some(namespace("demo")) };
    let replacement = Replacement { payload: json!("b"), importance: None, embedding: None, model_revision: None };
    world.run_projecting(engine.replace(&target, replacement, Context::default())).expect("known");

    at(&world, "demo").expect("written");
    let update = event(&world, "demo", derived("demo"), EventType::Updated);
    assert_eq!(publish(&mut world, vec![update], Derived::Checked), [None]);
    world.project();
    assert_eq!(world.run(engine.get(id)).expect("there").payload, json!("b"));
}

#[test]
fn while_the_stores_are_behind_an_unknown_derived_id_is_to_be_tried_again() {
    let world = World::new();
    world.remember(vec![draft(1, json!("not projected"))]);
    let events = vec![
        event(&world, "demo", derived("demo"), EventType::Created),
        event(&world, "demo", id(2), EventType::Created),
    ];
    let answers = world.run(world.engine.publish(events, Derived::Checked, None)).expect("the log is there");
    assert_eq!(codes(answers), [Some(Code::PositionNotReached), None]);
}

#[test]
fn an_imported_line_explains_its_own_id_in_its_own_namespace() {
    let mut world = World::new();
    let (first, later) = (imported(&world, "demo", 1), imported(&world, "demo", 1_000));
    let beyond = imported(&world, "demo", 1_001);
    let stolen = Event { namespace: Some(namespace("foreign")), ..imported(&world, "demo", 2) };
    let update = event(&world, "demo", first.id, EventType::Updated);
    let foreign = event(&world, "foreign", later.id, EventType::Updated);
    let events = vec![first, later, beyond, stolen, update, foreign];
    assert_eq!(
        publish(&mut world, events, Derived::Checked),
        [None, None, Some(Code::Schema), Some(Code::Schema), None, Some(Code::Schema)]
    );
}

#[test]
fn a_restore_takes_derived_ids_as_they_are() {
    let mut world = World::new();
    let export = vec![
        event(&world, "demo", derived("demo"), EventType::Created),
        event(&world, "demo", derived("demo"), EventType::Updated),
    ];
    assert_eq!(publish(&mut world, export, Derived::Trusted), [None, None]);
    world.project();
    let there = world.run(world.engine.get(derived("demo"))).expect("restored");
    assert_eq!((there.version, &there.namespace), (2, &Namespace::parse("demo").expect("a namespace")));
}
