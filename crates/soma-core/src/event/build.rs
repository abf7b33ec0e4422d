//! Builds events strictly: whoever produces one learns here what is wrong with it.
//!
//! [`Draft`] makes an event out of what a caller wants remembered; [`strict`] takes an event that
//! the caller made. Both give exactly what `schemas/memory.event.json` accepts, and the bounds
//! that a schema cannot express. How large an event may be is checked where it is appended.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::derive::{self, Coordinate};
use super::fields::{self, Rules};
use super::{Content, Event, EventType};
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::ids::{EventId, MemoryId, Namespace, Timestamp};
use crate::json;

/// What is to be remembered or forgotten, before it has its ids and its time.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose memory.
    pub namespace: Namespace,
    /// Any JSON; not looked at for `Deleted`.
    pub payload: Value,
    /// The memory, when the caller names it.
    pub id: Option<MemoryId>,
    /// The memory, when the caller names its place instead.
    pub coordinate: Option<Coordinate>,
    /// What happens to it.
    pub kind: EventType,
    /// The event's id; a new one when absent.
    pub event_id: Option<EventId>,
    /// When it happened; the clock's time when absent.
    pub timestamp: Option<Timestamp>,
    /// Finite, at least 0.
    pub importance: Option<f64>,
    /// Finite numbers.
    pub embedding: Option<Vec<f64>>,
    /// 1 to 256 characters.
    pub model_revision: Option<String>,
}

impl Draft {
    /// A memory to create, with everything that is optional left out.
    #[must_use]
    pub const fn created(namespace: Namespace, payload: Value) -> Self {
        Self::of(EventType::Created, namespace, payload)
    }

    /// A memory whose whole payload is to be replaced.
    #[must_use]
    pub fn updated(namespace: Namespace, id: MemoryId, payload: Value) -> Self {
        Self { id: Some(id), ..Self::of(EventType::Updated, namespace, payload) }
    }

    /// A memory to delete.
    #[must_use]
    pub fn deleted(namespace: Namespace, id: MemoryId) -> Self {
        Self { id: Some(id), ..Self::of(EventType::Deleted, namespace, Value::Null) }
    }

    const fn of(kind: EventType, namespace: Namespace, payload: Value) -> Self {
        Self {
            namespace,
            payload,
            id: None,
            coordinate: None,
            kind,
            event_id: None,
            timestamp: None,
            importance: None,
            embedding: None,
            model_revision: None,
        }
    }

    /// Makes the event: checks every field, fills in ids and time.
    ///
    /// # Errors
    /// `schema` (also when an id and a coordinate are both named, or neither for a memory that must
    /// exist), `too_deep`, `nul_character`, `number_range`; each at its field.
    pub fn build(self, clock: &dyn Clock) -> Result<Event> {
        let id = self.memory_id(clock)?;
        let content = match self.kind {
            EventType::Deleted => None,
            EventType::Created | EventType::Updated => Some(Content {
                payload: json::normalise(self.payload, fields::PAYLOAD, 1)?,
                importance: self.importance.map(fields::importance).transpose()?,
                embedding: self.embedding.map(fields::embedding).transpose()?,
                model_revision: self.model_revision.map(fields::model_revision).transpose()?,
            }),
        };
        Ok(Event {
            event_id: self.event_id.unwrap_or_else(|| EventId::new_v7(clock)),
            id,
            namespace: Some(self.namespace),
            kind: self.kind,
            timestamp: self.timestamp.unwrap_or_else(|| clock.now()),
            content,
        })
    }

    fn memory_id(&self, clock: &dyn Clock) -> Result<MemoryId> {
        match (self.id, &self.coordinate) {
            (Some(_), Some(_)) => Err(Error::new(Code::Schema, "the memory has both an id and a coordinate")
                .at("coordinate")
                .remedy("name one of them")),
            (Some(id), None) => Ok(id),
            (None, Some(coordinate)) => Ok(derive::coordinate_id(&self.namespace, coordinate)),
            (None, None) if self.kind == EventType::Created => Ok(MemoryId::new_v7(clock)),
            (None, None) => Err(Error::new(Code::Schema, format!("{} needs the memory's id", self.kind.as_str()))
                .at(fields::ID)
                .remedy("name the id or the coordinate")),
        }
    }
}

/// Checks an event that its writer made, as a JSON value.
///
/// # Errors
/// `schema`, `type_unknown`, `too_deep`, `nul_character`, `number_range`; each at its field.
pub fn strict(value: &Value) -> Result<Event> {
    object(json::normalise(value.clone(), "", 0)?)
}

/// Checks an event that its writer made, as bytes.
///
/// # Errors
/// `too_large` beyond `value_bytes_max`, those of [`json::parse`] and of [`strict`].
pub fn strict_bytes(bytes: &[u8], value_bytes_max: usize) -> Result<Event> {
    fits(bytes.len(), value_bytes_max)?;
    object(json::parse(bytes)?)
}

/// Checks the size of an event's value.
///
/// # Errors
/// `too_large`.
pub fn fits(bytes: usize, value_bytes_max: usize) -> Result<()> {
    if bytes <= value_bytes_max {
        return Ok(());
    }
    Err(Error::new(Code::TooLarge, format!("the event has {bytes} bytes, at most {value_bytes_max} are allowed"))
        .remedy("store less in one memory, or raise the limit"))
}

fn object(value: Value) -> Result<Event> {
    match value {
        Value::Object(object) => fields::read(object, Rules::Strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(not_an_object()),
    }
}

pub(super) fn not_an_object() -> Error {
    Error::new(Code::Schema, "the event is not a JSON object").remedy("send one object with the fields of an event")
}
