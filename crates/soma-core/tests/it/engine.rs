//! The engine over the whole system in memory: writing, waiting, changing and listing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use soma_core::engine::{Context, Engine, Key, ListRequest, Replacement, Selection, Stored, Target, Written};
use soma_core::error::{Code, Error, Result};
use soma_core::event::build::Draft;
use soma_core::event::{Event, EventType};
use soma_core::filter::Filter;
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Place, Position, Timestamp};
use soma_core::limits;
use soma_core::log::{Appended, Bounds, Erasure, EventLog, NewRecord, ReadLimit, Record};
use soma_core::recall::Scope;
use soma_core::store::Order;

use crate::world::{World, draft, id, namespace, number, target};

const SOON: Duration = Duration::from_millis(100);

fn key(key: &str) -> Context<'_> {
    Context { key: Some(Key { method: "PUT", target: "/v1/memories/x", key }), traceparent: None }
}

fn event(number: u64, payload: Value, world: &World) -> Event {
    draft(number, payload).build(&*world.engine.clock).expect("a valid draft")
}

fn append(world: &World, events: Vec<Event>) -> Vec<Result<Written>> {
    world.run(world.engine.append(events, None)).expect("the log is there")
}

fn append_one(world: &World, event: Event) -> Result<Written> {
    append(world, vec![event]).pop().expect("one answer")
}

fn with_payload(payload: Value) -> Replacement {
    Replacement { payload, importance: None, embedding: None, model_revision: None }
}

fn replace(world: &World, target: &Target, payload: Value, context: Context<'_>) -> Result<Written> {
    world.run(world.engine.replace(target, with_payload(payload), context))
}

fn forget(world: &World, target: &Target) -> Result<Written> {
    world.run(world.engine.forget(target, Context::default()))
}

fn named(number: u64) -> Target {
    Target { namespace: Some(namespace("demo")), ..target(number) }
}

fn payload(world: &World, number: u64) -> Result<Value> {
    world.run(world.engine.get(id(number))).map(|memory| memory.payload)
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("an error").code
}

#[test]
fn an_event_that_the_log_has_is_answered_with_its_first_place() {
    let world = World::new();
    let event = event(1, json!({"a": 1}), &world);
    let first = append_one(&world, event.clone()).expect("written");
    let later = Event { timestamp: Timestamp(event.timestamp.0 + 5), ..event };
    let second = append_one(&world, later).expect("written");
    assert_eq!(second, Written { repeated: true, ..first });
}

#[test]
fn another_event_under_the_same_id_is_a_conflict_and_leaves_the_others_alone() {
    let world = World::new();
    let event = event(1, json!({"a": 1}), &world);
    let mut other = event.clone();
    other.content.as_mut().expect("set").payload = json!({"a": 2});
    let fresh = self::event(2, json!("x"), &world);
    let answers = append(&world, vec![event.clone(), other, event.clone(), fresh]);
    let codes: Vec<Option<Code>> = answers.iter().map(|answer| answer.as_ref().err().map(|e| e.code)).collect();
    assert_eq!(codes, [None, Some(Code::IdempotencyConflict), None, None]);
    assert_eq!(
        code(append_one(&world, Event { kind: EventType::Deleted, content: None, ..event })),
        codes[1].expect("set")
    );
}

#[test]
fn a_repeated_write_is_refused_after_its_content_was_erased_and_brings_nothing_back() {
    let mut world = World::new();
    let event = event(1, json!("secret"), &world);
    append_one(&world, event.clone()).expect("written");
    world.project();
    forget(&world, &target(1)).expect("written");
    world.project();
    let refused = append_one(&world, event).expect_err("what it said is not known any more");
    assert_eq!(refused.code, Code::IdempotencyConflict);
    assert!(refused.message.contains("deleted since"), "{refused}");
    world.project();
    assert_eq!(code(payload(&world, 1)), Code::NotFound);
}

#[test]
fn an_item_that_is_too_large_is_refused_alone() {
    let world = World::new();
    let large = "x".repeat(limits::VALUE_BYTES_DEFAULT);
    let drafts =
        vec![draft(1, json!("a")), draft(2, json!(large)), Draft { importance: Some(-1.0), ..draft(3, json!(0)) }];
    let answers = world.run(world.engine.remember(drafts, Context::default())).expect("the log is there");
    let codes: Vec<Option<Code>> = answers.iter().map(|answer| answer.as_ref().err().map(|e| e.code)).collect();
    assert_eq!(codes, [None, Some(Code::TooLarge), Some(Code::Schema)]);
    assert_eq!(answers[0].as_ref().map(|written| written.id).ok(), Some(id(1)));
}

#[test]
fn equal_keys_make_one_memory() {
    let world = World::new();
    let drafts = || vec![Draft::created(namespace("demo"), json!("a")), Draft::created(namespace("demo"), json!("b"))];
    let write = |context| -> Vec<Written> {
        let answers = world.run(world.engine.remember(drafts(), context)).expect("the log is there");
        answers.into_iter().map(|answer| answer.expect("valid")).collect()
    };
    let (first, again, other) = (write(key("k")), write(key("k")), write(key("other")));
    assert_ne!(first[0].id, first[1].id);
    assert!(again.iter().all(|written| written.repeated));
    assert_eq!(
        first.iter().map(|w| (w.id, &w.place)).collect::<Vec<_>>(),
        again.iter().map(|w| (w.id, &w.place)).collect::<Vec<_>>()
    );
    assert!(other.iter().all(|written| !written.repeated));

    let changed = vec![Draft::created(namespace("demo"), json!("c"))];
    let answers = world.run(world.engine.remember(changed, key("k"))).expect("the log is there");
    assert_eq!(answers.into_iter().map(code).collect::<Vec<_>>(), [Code::IdempotencyConflict]);
}

/// A log whose appends never return.
struct Stuck(Arc<dyn EventLog>);

#[async_trait]
impl EventLog for Stuck {
    fn id(&self) -> &LogId {
        self.0.id()
    }
    async fn append(&self, _: Vec<NewRecord>) -> Result<Vec<Appended>> {
        std::future::pending().await
    }
    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        self.0.read(partition, from, limit).await
    }
    async fn bounds(&self) -> Result<Vec<Bounds>> {
        self.0.bounds().await
    }
    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        self.0.wait(partition, from).await
    }
    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        self.0.erase(partition, items).await
    }
    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        self.0.find(event_id).await
    }
}

#[test]
fn a_log_that_does_not_answer_is_an_error_in_time() {
    let world = World::new();
    let engine: Engine = world.engine_on(Arc::new(Stuck(Arc::clone(&world.engine.log))));
    let error: Error = world.run(engine.append(vec![event(1, json!(1), &world)], None)).expect_err("no answer");
    assert_eq!(error.code, Code::Unavailable);
    assert!(world.run(engine.append(Vec::new(), None)).expect("nothing to do").is_empty());
}

#[test]
fn waiting_ends_when_the_stores_have_passed_the_position_or_in_time() {
    let mut world = World::new();
    let place = world.remember(vec![draft(1, json!("a"))]).remove(0).place;
    let position = Position::of(&place);
    assert_eq!(code(world.run(world.engine.wait(&position, SOON))), Code::PositionNotReached);
    world.project();
    world.run(world.engine.wait(&position, SOON)).expect("reached");
    world.run(world.engine.wait(&Position::default(), SOON)).expect("names nothing");
}

#[test]
fn a_position_of_another_system_is_refused_at_once() {
    let world = World::new();
    for place in [
        Place { log: LogId::new("elsewhere"), partition: 0, offset: 3 },
        Place { log: LogId::new("test"), partition: 9, offset: 0 },
    ] {
        assert_eq!(code(world.run(world.engine.wait(&Position::of(&place), SOON))), Code::BadPosition, "{place}");
    }
}

#[test]
fn a_write_is_stored_or_not_yet_or_a_dead_letter() {
    let mut world = World::new();
    let good = world.remember(vec![draft(1, json!("a"))]).remove(0);
    let elsewhere = Draft { namespace: namespace("elsewhere"), ..draft(1, json!("b")) };
    let bad = world.remember(vec![elsewhere]).remove(0);
    assert_eq!(world.run(world.engine.stored(&good, SOON)).expect("durable"), Stored::NotYet);
    world.project();
    assert_eq!(world.run(world.engine.stored(&good, SOON)).expect("stored"), Stored::Yes);
    let error = world.run(world.engine.stored(&bad, SOON)).expect_err("refused");
    assert_eq!(error.code, Code::DeadLettered);
    assert!(error.message.contains("namespace_mismatch"), "{error}");
    assert_eq!(world.run(world.engine.status()).expect("there").dead_letters, 1);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut world = World::new();
    assert_eq!(code(payload(&world, 1)), Code::NotFound);
    assert_eq!(code(world.run(world.engine.history(id(1), None, 100))), Code::NotFound);
    world.remember(vec![draft(1, json!("a"))]);
    forget(&world, &named(1)).expect("written");
    world.project();
    assert_eq!(code(payload(&world, 1)), Code::NotFound);
    let history = world.run(world.engine.history(id(1), None, 100)).expect("remembered").items;
    assert_eq!(history.iter().map(|entry| entry.payload.clone()).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn what_comes_after_a_delete_without_bringing_the_memory_back_is_not_shown() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("a"))]);
    forget(&world, &named(1)).expect("written");
    world.remember(vec![Draft { kind: EventType::Updated, ..draft(1, json!("late")) }]);
    world.project();
    let history = world.run(world.engine.history(id(1), None, 100)).expect("remembered").items;
    assert_eq!(history.iter().map(|entry| entry.payload.clone()).collect::<Vec<_>>(), [None, None, None]);
    world.remember(vec![draft(1, json!("again"))]);
    world.project();
    let history = world.run(world.engine.history(id(1), None, 100)).expect("remembered").items;
    let shown: Vec<_> = history.iter().map(|entry| entry.payload.clone()).collect();
    assert_eq!(shown, [None, None, None, Some(json!("again"))]);
}

#[test]
fn replacing_creates_what_is_unknown_when_its_namespace_is_named() {
    let mut world = World::new();
    let error = replace(&world, &target(1), json!("a"), Context::default()).expect_err("unknown");
    assert_eq!((error.code, error.field.as_deref()), (Code::NotFound, Some("namespace")));
    replace(&world, &named(1), json!("a"), Context::default()).expect("written");
    world.project();
    replace(&world, &target(1), json!("b"), Context::default()).expect("written");
    world.project();
    assert_eq!(payload(&world, 1).expect("there"), json!("b"));
}

#[test]
fn replacing_a_deleted_memory_is_refused_and_an_overtaken_replacement_does_not_bring_it_back() {
    let mut world = World::new();
    world.remember(vec![draft(1, json!("a"))]);
    world.project();
    forget(&world, &target(1)).expect("written");
    // The records still show it, so the replacement is written; the log decides.
    replace(&world, &target(1), json!("b"), Context::default()).expect("written");
    world.project();
    assert_eq!(code(payload(&world, 1)), Code::NotFound);
    assert_eq!(code(replace(&world, &named(1), json!("c"), Context::default())), Code::NotFound);
}

#[test]
fn a_repeated_replacement_is_answered_again_until_it_is_deleted() {
    let mut world = World::new();
    let first = replace(&world, &named(1), json!("a"), key("k")).expect("written");
    assert!(replace(&world, &named(1), json!("a"), key("k")).expect("known").repeated);
    world.project();
    let again = replace(&world, &target(1), json!("a"), key("k")).expect("known");
    assert_eq!(again, Written { repeated: true, ..first });
    assert_eq!(code(replace(&world, &target(1), json!("b"), key("k"))), Code::IdempotencyConflict);
    forget(&world, &target(1)).expect("written");
    world.project();
    // Nobody can tell any more whether this is the same content, and it will not be stored.
    for payload in [json!("a"), json!("b")] {
        assert_eq!(code(replace(&world, &target(1), payload, key("k"))), Code::IdempotencyConflict);
    }
}

#[test]
fn forgetting_takes_the_namespace_from_the_record_and_twice_is_fine() {
    let mut world = World::new();
    assert_eq!(code(forget(&world, &target(1))), Code::NotFound);
    world.remember(vec![draft(1, json!("a"))]);
    world.project();
    let elsewhere = Target { namespace: Some(namespace("elsewhere")), ..target(1) };
    assert_eq!(code(forget(&world, &elsewhere)), Code::NamespaceMismatch);
    forget(&world, &target(1)).expect("written");
    world.project();
    forget(&world, &target(1)).expect("written again");
    world.project();
    assert_eq!(code(payload(&world, 1)), Code::NotFound);
}

#[test]
fn a_selection_is_deleted_page_by_page_and_nothing_else() {
    let mut world = World::new();
    world.remember((0..2300).map(|n| draft(n, json!({"n": n, "odd": n % 2 == 1}))).collect());
    world.remember(vec![Draft { namespace: namespace("other"), ..draft(9000, json!({"odd": true})) }]);
    world.project();
    let filter = Filter::parse(&json!({"field": "payload.odd", "eq": true})).expect("a filter");
    let selection = Selection { namespaces: Some(vec![namespace("demo")]), filter: Some(filter) };
    let forgotten = world.run(world.engine.forget_all(&selection, key("k"))).expect("written");
    assert_eq!(forgotten.memories, 1150);
    // What was acknowledged and is not projected yet could be selected too, so it is waited for.
    assert_eq!(code(world.run(world.engine.forget_all(&selection, key("k")))), Code::PositionNotReached);
    world.project();
    world.run(world.engine.wait(&forgotten.position, SOON)).expect("covered");
    let counts = world.run(world.engine.counts()).expect("there");
    assert_eq!((counts.memories, counts.deleted), (1151, 1150));
    assert_eq!(world.run(world.engine.forget_all(&selection, key("k"))).expect("nothing left").memories, 0);
}

#[test]
fn a_selection_includes_what_was_acknowledged_just_before() {
    let mut world = World::new();
    world.remember((0..5).map(|n| draft(n, json!(n))).collect());
    let selection = Selection { namespaces: Some(vec![namespace("demo")]), filter: None };
    let engine = world.engine.clone();
    let forgotten = world.run_projecting(engine.forget_all(&selection, Context::default())).expect("written");
    assert_eq!(forgotten.memories, 5);
}

#[test]
fn deleting_everything_everywhere_is_refused() {
    let world = World::new();
    for namespaces in [None, Some(Vec::new())] {
        let selection = Selection { namespaces, filter: None };
        assert_eq!(code(world.run(world.engine.forget_all(&selection, Context::default()))), Code::BadRequest);
    }
}

fn pages(world: &World, order: Order, limit: usize) -> Vec<u64> {
    let mut request = ListRequest { scope: Scope::Prefix("demo".to_owned()), filter: None, order, cursor: None, limit };
    let mut numbers = Vec::new();
    loop {
        let page = world.run(world.engine.list(&request)).expect("a page");
        assert!(page.items.len() == limit || page.next_cursor.is_none());
        numbers.extend(page.items.iter().map(|memory| number(memory.id)));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return numbers;
        }
    }
}

#[test]
fn pages_put_together_are_the_list() {
    let mut world = World::new();
    let importance = [None, Some(0.0), Some(2.5), None, Some(2.5), Some(1.0)];
    let draft = |n: usize| Draft {
        timestamp: Some(Timestamp(1_700_000_000_000_000 + i64::try_from(n / 2).expect("small"))),
        importance: importance[n],
        ..draft(n as u64, json!(n))
    };
    world.remember((0..6).map(draft).collect());
    world.project();
    for limit in [1, 2, 3, 6, 100] {
        assert_eq!(pages(&world, Order::Newest, limit), [4, 5, 2, 3, 0, 1], "{limit}");
        assert_eq!(pages(&world, Order::Oldest, limit), [0, 1, 2, 3, 4, 5], "{limit}");
        assert_eq!(pages(&world, Order::Importance, limit), [2, 4, 5, 1, 0, 3], "{limit}");
    }
}

#[test]
fn limits_and_cursors_of_lists_are_checked() {
    let world = World::new();
    let request = |limit, cursor: Option<&str>| ListRequest {
        scope: Scope::Prefix(String::new()),
        filter: None,
        order: Order::Newest,
        cursor: cursor.map(str::to_owned),
        limit,
    };
    for (limit, cursor, expected) in
        [(0, None, Code::BadRequest), (1001, None, Code::BadRequest), (10, Some("rubbish"), Code::BadPosition)]
    {
        assert_eq!(code(world.run(world.engine.list(&request(limit, cursor)))), expected);
    }
    assert_eq!(code(world.run(world.engine.namespaces("", Some("\u{7}"), 10))), Code::BadPosition);
    assert_eq!(code(world.run(world.engine.namespaces("", None, 0))), Code::BadRequest);
}

#[test]
fn namespaces_come_in_pages_by_prefix() {
    let mut world = World::new();
    let spaces = ["a", "a/1", "a/2", "b"];
    let drafts = spaces.iter().zip(1..).map(|(space, n)| Draft { namespace: namespace(space), ..draft(n, json!(n)) });
    world.remember(drafts.collect());
    world.project();
    let page = world.run(world.engine.namespaces("a", None, 2)).expect("a page");
    assert_eq!(page.items.iter().map(|item| item.namespace.as_str()).collect::<Vec<_>>(), ["a", "a/1"]);
    let rest = world.run(world.engine.namespaces("a", page.next_cursor.as_deref(), 2)).expect("a page");
    assert_eq!(rest.items.iter().map(|item| item.namespace.as_str()).collect::<Vec<_>>(), ["a/2"]);
    assert_eq!(rest.next_cursor, None);
}

#[test]
fn the_status_counts_what_is_not_projected_yet() {
    let mut world = World::new();
    let lag = |world: &World| -> u64 {
        let status = world.run(world.engine.status()).expect("there");
        assert_eq!(status.partitions.len(), 2);
        status.partitions.iter().map(|partition| partition.lag.expect("its own log")).sum()
    };
    world.remember((0..5).map(|n| draft(n, json!(n))).collect());
    assert_eq!(lag(&world), 5);
    world.project();
    assert_eq!(lag(&world), 0);
}
