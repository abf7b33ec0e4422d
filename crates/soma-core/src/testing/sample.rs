//! Small events and memories for tests: equal numbers give equal ids.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::event::{Content, Event, EventType, codec};
use crate::fold::Entry;
use crate::ids::{EventId, LogId, MemoryId, Namespace, Offset, Place, Timestamp};
use crate::log::NewRecord;

/// The memory of that number; ids sort as numbers do.
#[must_use]
pub fn memory_id(number: u64) -> MemoryId {
    MemoryId(uuid(0x6d65_6d00, number))
}

/// The event of that number; ids sort as numbers do.
#[must_use]
pub fn event_id(number: u64) -> EventId {
    EventId(uuid(0x6576_7400, number))
}

/// A version 8 UUID, so that strict readers take it.
fn uuid(high: u32, number: u64) -> Uuid {
    Uuid::from_u128((u128::from(high) << 96) | (0x8 << 76) | (0x2 << 62) | u128::from(number))
}

/// A namespace.
///
/// # Panics
/// When the text is none.
#[must_use]
pub fn namespace(text: &str) -> Namespace {
    Namespace::parse(text).expect("tests name valid namespaces")
}

/// An event that sets `{"text": …}` in the namespace `demo`, one second per `event` after 2024 began.
#[must_use]
pub fn set(kind: EventType, memory: u64, event: u64, text: &str) -> Event {
    with_payload(kind, memory, event, json!({ "text": text }))
}

/// An event that sets a payload; see [`set`].
#[must_use]
pub fn with_payload(kind: EventType, memory: u64, event: u64, payload: Value) -> Event {
    let content = Content { payload, importance: None, embedding: None, model_revision: None };
    Event {
        event_id: event_id(event),
        id: memory_id(memory),
        namespace: Some(namespace("demo")),
        kind,
        timestamp: time(event),
        content: Some(content),
    }
}

/// An event that creates `{"text": …}`; see [`set`].
#[must_use]
pub fn created(memory: u64, event: u64, text: &str) -> Event {
    set(EventType::Created, memory, event, text)
}

/// An event that updates to `{"text": …}`; see [`set`].
#[must_use]
pub fn updated(memory: u64, event: u64, text: &str) -> Event {
    set(EventType::Updated, memory, event, text)
}

/// An event that deletes; see [`set`].
#[must_use]
pub fn deleted(memory: u64, event: u64) -> Event {
    Event { content: None, ..set(EventType::Deleted, memory, event, "") }
}

/// So many seconds after 2024 began.
#[must_use]
pub fn time(seconds: u64) -> Timestamp {
    Timestamp(1_704_067_200_000_000 + i64::try_from(seconds).expect("small numbers") * 1_000_000)
}

/// The event at an offset of partition 0 of the log `log`.
#[must_use]
pub fn entry(event: Event, offset: Offset) -> Entry {
    Entry { event, place: Place { log: LogId::new("log"), partition: 0, offset } }
}

/// The record that a writer of ours makes of an event.
#[must_use]
pub fn record(event: &Event) -> NewRecord {
    NewRecord {
        key: Some(event.id.to_string().into_bytes()),
        value: Some(codec::encode(event)),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        event_id: Some(event.event_id),
    }
}
