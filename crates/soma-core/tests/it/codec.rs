//! Properties of the codec over generated events and over damaged bytes.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use soma_core::event::codec::{decode, encode};
use soma_core::event::{Content, Event, EventType};
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::{json as text, limits};
use uuid::Uuid;

use crate::codec_property::{holds_for, record};

fn any_double() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("within the bound", |x| x.abs() <= limits::NUMBER_ABS_MAX)
}

fn any_string() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_filter("no U+0000", |c| *c != '\0'), 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1_000_i64..1_000).prop_map(Value::from),
        any_double().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        any_string().prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any_string(), inner, 0..6).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

fn any_content() -> impl Strategy<Value = Content> {
    let embedding = option::of(vec(any_double().prop_map(|x| x + 0.0), 0..20));
    let revision = option::of(any_string().prop_filter("not empty", |text| !text.is_empty()));
    (any_json(), option::of(any_double().prop_map(f64::abs)), embedding, revision).prop_map(
        |(payload, importance, embedding, model_revision)| Content {
            payload: text::normalise(payload, "payload", 1).expect("within bounds"),
            importance,
            embedding,
            model_revision,
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let namespace = "[^\\p{Cc}]{1,20}".prop_map(|name| Namespace::parse(&name).expect("valid"));
    let kind = prop_oneof![Just(EventType::Created), Just(EventType::Updated), Just(EventType::Deleted)];
    let micros = Timestamp::MIN.0..=Timestamp::MAX.0;
    (any::<u128>(), any::<u128>(), namespace, kind, micros, any_content()).prop_map(
        |(event_id, id, namespace, kind, micros, content)| Event {
            event_id: EventId(Uuid::from_u128(event_id)),
            id: MemoryId(Uuid::from_u128(id)),
            namespace: Some(namespace),
            kind,
            timestamp: Timestamp(micros),
            content: (kind != EventType::Deleted).then_some(content),
        },
    )
}

/// One change to a run of bytes.
#[derive(Clone, Debug)]
enum Damage {
    Replace(u8),
    Insert(u8),
    Remove,
    Cut,
}

fn any_damage() -> impl Strategy<Value = (prop::sample::Index, Damage)> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\":,\\0e+-.ntf\x00\xff".to_vec())];
    let damage = prop_oneof![
        byte.clone().prop_map(Damage::Replace),
        byte.prop_map(Damage::Insert),
        Just(Damage::Remove),
        Just(Damage::Cut),
    ];
    (any::<prop::sample::Index>(), damage)
}

fn damaged(mut bytes: Vec<u8>, damages: Vec<(prop::sample::Index, Damage)>) -> Vec<u8> {
    for (index, damage) in damages {
        if bytes.is_empty() {
            break;
        }
        let at = index.index(bytes.len());
        match damage {
            Damage::Replace(byte) => bytes[at] = byte,
            Damage::Insert(byte) => bytes.insert(at, byte),
            Damage::Remove => drop(bytes.remove(at)),
            Damage::Cut => bytes.truncate(at),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_read_as_it_was_written(event in any_event()) {
        let key = event.id.to_string();
        let record = record(Some(key.as_bytes()), Some(&encode(&event)));
        prop_assert_eq!(decode(&record, limits::VALUE_BYTES_MAX).expect("readable").event, event);
        holds_for(record.value.as_deref().expect("a value"));
    }

    #[test]
    fn an_event_in_a_string_is_the_same_event(event in any_event()) {
        let inner = String::from_utf8(encode(&event)).expect("JSON is UTF-8");
        let key = event.id.to_string();
        let record = record(Some(key.as_bytes()), Some(json!(inner).to_string().as_bytes()));
        prop_assert_eq!(decode(&record, limits::VALUE_BYTES_MAX).expect("readable").event, event);
        holds_for(record.value.as_deref().expect("a value"));
    }

    #[test]
    fn canonical_json_is_a_fixed_point(value in any_json()) {
        let once = text::canonical(&value);
        let parsed = text::parse(once.as_bytes()).expect("canonical JSON is JSON");
        prop_assert_eq!(text::canonical(&parsed), once);
    }

    #[test]
    fn no_bytes_make_the_codec_panic(bytes in vec(any::<u8>(), 0..400)) {
        holds_for(&bytes);
    }

    #[test]
    fn no_damage_to_an_event_makes_the_codec_panic(event in any_event(), damages in vec(any_damage(), 1..4)) {
        holds_for(&damaged(encode(&event), damages));
    }
}
