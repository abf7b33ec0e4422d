//! Bytes to event and back: read tolerantly, written in one spelling.
//!
//! Tolerance is for spelling only: ids and times in any usual form, unknown fields, an event wrapped
//! once in a JSON string, the framings of [`super::frame`]. What is wrong beyond that is refused with a code, and becomes a dead letter.
//!
//! Invariants: reading never panics, whatever the bytes; what [`encode`] writes, [`decode`] reads as
//! the same event; erasing a record changes neither its [`identity`] nor whether it can be read.

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{self, Rules};
use super::{Content, Event, EventType, build, derive, frame};
use crate::error::{Code, Error, Result};
use crate::fold::Entry;
use crate::ids::{EventId, LogId, MemoryId, Namespace, Place, Timestamp};
use crate::json::{self, Canonical};
use crate::log::Record;

/// Header that marks a record whose content a delete erased in the log.
pub const ERASED: &str = "soma.erased";
/// Headers of a redriven record: where it first lay. It is folded there.
pub const ORIGIN_LOG: &str = "soma.origin.log";
/// See [`ORIGIN_LOG`].
pub const ORIGIN_PARTITION: &str = "soma.origin.partition";
/// See [`ORIGIN_LOG`].
pub const ORIGIN_OFFSET: &str = "soma.origin.offset";

/// A record that is not an event: it becomes a dead letter.
#[derive(Debug)]
pub struct Refused {
    /// Code, field and reason.
    pub error: Error,
    /// The event's id, when it could be read.
    pub event_id: Option<EventId>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, event_id: None }
    }
}

/// Reads a record. Its place is the record's own, or the origin of a redriven one.
///
/// # Errors
/// One of the reason codes of a dead letter; the value's size, without a registry's framing, is checked
/// against `value_bytes_max`.
pub fn decode(record: &Record, value_bytes_max: usize) -> Result<Entry, Refused> {
    let place = place(record)?;
    let Some(value) = &record.value else {
        return Ok(Entry { event: tombstone(record, &place)?, place });
    };
    let object = unwrap(json::parse(frame::unframe(record, value, value_bytes_max)?)?)?;
    let event_id = fields::event_id(&object);
    let refuse = |error| Refused { error, event_id };
    let mut event = fields::read(object, Rules::Tolerant).map_err(refuse)?;
    check_key(record, &event).map_err(refuse)?;
    if record.header(ERASED).is_some() {
        event.content = None;
    }
    Ok(Entry { event, place })
}

/// Writes an event in its canonical spelling: the value of a record of ours.
///
/// An event without a namespace is a tombstone, which has no value; it is written without one and
/// cannot be read back. An erased event needs the [`ERASED`] header beside it.
#[must_use]
pub fn encode(event: &Event) -> Vec<u8> {
    let content = event.content.as_ref();
    let wire = Wire {
        event_id: event.event_id,
        id: event.id,
        namespace: event.namespace.as_ref(),
        kind: event.kind.as_str(),
        timestamp: event.timestamp,
        payload: Canonical(content.map_or(&Value::Null, |c| &c.payload)),
        importance: content.and_then(|c| c.importance).map(json::number),
        embedding: content.and_then(numbers),
        model_revision: content.and_then(|c| c.model_revision.as_deref()),
    };
    serde_json::to_vec(&wire).expect("keys are strings and the writer is memory")
}

/// An id by which a record is recognised later, whatever it holds: its event id when that can be
/// read, else one derived from its bytes. Erasing a record does not change it.
#[must_use]
pub fn identity(record: &Record) -> EventId {
    let Some(value) = &record.value else {
        return derive::tombstone_id(&place(record).unwrap_or_else(|_| record.place.clone()));
    };
    let object = frame::unframe(record, value, usize::MAX).and_then(json::parse).and_then(unwrap);
    let readable = object.ok().as_ref().and_then(fields::event_id);
    readable.unwrap_or_else(|| derive::record_id(record.key.as_deref(), value))
}

/// The value of this record without its content: ids, namespace, type and time stay. `None` when the
/// record holds nothing to erase (tombstones, records that cannot be read).
#[must_use]
pub fn erase(record: &Record) -> Option<Vec<u8>> {
    record.value.as_ref()?;
    // Written under whatever limit held then: what lies in the log can be erased.
    let Entry { mut event, .. } = decode(record, usize::MAX).ok()?;
    event.content = None;
    Some(encode(&event))
}

/// The fields in the order of the schema.
#[derive(Serialize)]
struct Wire<'a> {
    event_id: EventId,
    id: MemoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a Namespace>,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    payload: Canonical<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    importance: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_revision: Option<&'a str>,
}

fn numbers(content: &Content) -> Option<Vec<Value>> {
    content.embedding.as_ref().map(|vector| vector.iter().copied().map(json::number).collect())
}

/// The event's object, taken out of a JSON string once.
fn unwrap(value: Value) -> Result<Map<String, Value>> {
    let value = match value {
        Value::String(text) => json::parse(text.as_bytes())?,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other,
    };
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(build::not_an_object())
        }
    }
}

fn tombstone(record: &Record, place: &Place) -> Result<Event> {
    Ok(Event {
        event_id: derive::tombstone_id(place),
        id: key(record)?,
        namespace: None,
        kind: EventType::Deleted,
        timestamp: record.timestamp,
        content: None,
    })
}

fn check_key(record: &Record, event: &Event) -> Result<()> {
    let key = key(record)?;
    if key == event.id {
        return Ok(());
    }
    Err(bad_key(format!("the key is {key}, the event's id is {}", event.id)))
}

fn key(record: &Record) -> Result<MemoryId> {
    let Some(key) = &record.key else {
        return Err(bad_key("the record has no key".into()));
    };
    let id = std::str::from_utf8(key).ok().and_then(|text| MemoryId::parse(text).ok());
    id.ok_or_else(|| bad_key(format!("the key {} is not a UUID", json::shown(&String::from_utf8_lossy(key)))))
}

fn bad_key(why: String) -> Error {
    Error::new(Code::BadKey, why).at("key").remedy("use the memory's id as the record's key")
}

/// Where the record is folded: its own place, or the origin of a redriven one.
///
/// # Errors
/// `schema` when its headers name no whole origin.
pub fn place(record: &Record) -> Result<Place> {
    let header = |name: &str| match record.header(name).map(std::str::from_utf8) {
        Some(Ok(text)) if !text.is_empty() => Ok(text),
        _ => Err(bad_origin(name)),
    };
    if [ORIGIN_LOG, ORIGIN_PARTITION, ORIGIN_OFFSET].iter().all(|name| record.header(name).is_none()) {
        return Ok(record.place.clone());
    }
    Ok(Place {
        log: LogId::new(header(ORIGIN_LOG)?),
        partition: header(ORIGIN_PARTITION)?.parse().map_err(|_| bad_origin(ORIGIN_PARTITION))?,
        offset: header(ORIGIN_OFFSET)?.parse().map_err(|_| bad_origin(ORIGIN_OFFSET))?,
    })
}

fn bad_origin(name: &str) -> Error {
    Error::new(Code::Schema, format!("the header {name} does not say where the record first lay"))
        .at(name)
        .remedy("send all three headers soma.origin.log, soma.origin.partition and soma.origin.offset")
}
