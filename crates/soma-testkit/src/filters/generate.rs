//! Generators of memories and of filters that often meet.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use soma_core::filter::Filter;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::memory::Memory;
use uuid::Uuid;

const NAMESPACES: [&str; 4] = ["a", "a/b", "b", "ä"];
const REVISIONS: [&str; 2] = ["r1", "r2"];
const KEYS: [&str; 5] = ["a", "b", "a.b", "é", ""];
const PATHS: [&str; 10] = [
    "payload",
    "payload.a",
    "payload.b",
    "payload.a.a",
    "payload.a.b",
    "payload.b.a",
    "payload.\"a.b\"",
    "payload.é",
    "payload.\"\".a",
    "payload.a.a.a",
];
const TIMES: [i64; 4] = [-1, 0, 1_700_000_000_000_000, 1_700_000_000_000_001];

/// Memories with distinct ids.
pub fn memories(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Memory>> {
    vec(content(), count).prop_map(|contents| {
        let numbered = contents.into_iter().enumerate();
        numbered.map(|(i, memory)| Memory { id: nth_id(i), event_id: EventId(nth_id(i).0), ..memory }).collect()
    })
}

/// Some payload: scalars, objects and arrays, a few levels deep.
pub fn payload() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map(select(&KEYS[..]), inner, 0..4).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// A filter as it parses.
pub fn filter() -> impl Strategy<Value = Filter> {
    json_form().prop_map(|json| Filter::parse(&json).expect("generated filters are valid"))
}

fn nth_id(n: usize) -> MemoryId {
    MemoryId(Uuid::from_u128(0x4000_8000_0000_0000_0000 + n as u128))
}

fn content() -> impl Strategy<Value = Memory> {
    let times = (select(&TIMES[..]), select(&TIMES[..]));
    let rest = (option::of(select(&[0.0, 0.5, 1.0, 1e300][..])), option::of(select(&REVISIONS[..])), 1..3_u64);
    (select(&NAMESPACES[..]), payload(), times, rest).prop_map(|(namespace, payload, times, rest)| Memory {
        id: nth_id(0),
        namespace: Namespace::parse(namespace).expect("the names are valid"),
        payload,
        importance: rest.0,
        model_revision: rest.1.map(str::to_owned),
        created_at: Timestamp(times.0),
        updated_at: Timestamp(times.1),
        version: rest.2,
        event_id: EventId(nth_id(0).0),
    })
}

fn text() -> impl Strategy<Value = Value> {
    select(&["", "a", "b", "B", "1", "ä", "\u{E000}", "😀"][..]).prop_map(Value::from)
}

/// Numbers that ranges can be bounded by.
fn ordered_number() -> impl Strategy<Value = Value> {
    select(vec![json!(-2), json!(-0.0), json!(0), json!(0.5), json!(1), json!(1.0), json!(2), json!(1_i64 << 53)])
}

fn scalar() -> impl Strategy<Value = Value> {
    let large = vec![json!((1_i64 << 53) + 1), json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(1.5e16)];
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => ordered_number(),
        1 => select(large),
        4 => text(),
    ]
}

fn json_form() -> impl Strategy<Value = Value> {
    field().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(|all| json!({"and": all})),
            vec(inner.clone(), 1..4).prop_map(|any| json!({"or": any})),
            inner.prop_map(|denied| json!({"not": denied})),
        ]
    })
}

fn field() -> impl Strategy<Value = Value> {
    let times = || select(&TIMES[..]).prop_map(|time| json!(spell(time)));
    let ids = || (0..40_usize).prop_map(|n| json!(nth_id(n).to_string()));
    let names = || select(&NAMESPACES[..]).prop_map(Value::from);
    let revisions = || select(&REVISIONS[..]).prop_map(Value::from);
    prop_oneof![
        8 => tests(select(&PATHS[..]), scalar(), prop_oneof![ordered_number(), text()]),
        1 => tests(select(&["created_at", "updated_at"][..]), times(), times()),
        1 => tests(Just("namespace"), names(), names()),
        1 => tests(Just("model_revision"), revisions(), revisions()),
        1 => tests(select(&["importance", "version"][..]), ordered_number(), ordered_number()),
        1 => equalities(select(&["id", "event_id"][..]), ids()),
    ]
}

fn spell(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).expect("the times are in range").to_string()
}

fn object(path: &str, tests: Vec<(&str, Value)>) -> Value {
    let entries = tests.into_iter().map(|(name, operand)| (name.to_owned(), operand));
    Value::Object(Map::from_iter(entries.chain([("field".to_owned(), json!(path))])))
}

fn equalities(
    path: impl Strategy<Value = &'static str>,
    scalar: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    (path, vec(scalar, 0..4), any::<bool>(), 0..3).prop_map(|(path, operands, exists, which)| {
        let first = operands.first().cloned();
        match (which, first) {
            (0, Some(operand)) => object(path, vec![("eq", operand)]),
            (1, _) => object(path, vec![("exists", json!(exists))]),
            (_, _) => object(path, vec![("in", json!(operands))]),
        }
    })
}

fn tests(
    path: impl Strategy<Value = &'static str> + Clone,
    scalar: impl Strategy<Value = Value>,
    bound: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    let ranges = subsequence(vec!["gt", "gte", "lt", "lte"], 1..3);
    let ranged = (path.clone(), ranges, vec(bound, 2))
        .prop_map(|(path, names, bounds)| object(path, names.into_iter().zip(bounds).collect()));
    prop_oneof![equalities(path, scalar), ranged]
}
