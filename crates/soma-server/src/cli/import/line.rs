//! What one line of a file is: an event, a memory that `soma export` wrote, or a payload.

use serde_json::{Map, Value, json};
use soma_core::event::derive;
use soma_core::ids::EventId;

/// Fields by which a memory is known: what the API shows of one, and no payload holds by chance.
const MEMORY: [&str; 7] = ["id", "namespace", "payload", "created_at", "updated_at", "version", "event_id"];

/// One line, as events.
pub(super) enum Line {
    /// An event.
    Event(Value),
    /// A memory.
    Memory {
        /// The event that brings it into being, when it was changed after that.
        created: Option<Value>,
        /// The event that it shows.
        shown: Value,
    },
    /// Anything else.
    Payload(Value),
}

impl Line {
    /// Tells them apart.
    pub(super) fn of(value: Value) -> Self {
        let Value::Object(fields) = &value else { return Self::Payload(value) };
        if fields.contains_key("event_id") && fields.contains_key("type") {
            return Self::Event(value);
        }
        if MEMORY.iter().all(|name| fields.contains_key(*name)) {
            return memory(fields);
        }
        Self::Payload(value)
    }
}

/// The events of a memory: one when it is as it was created, else a second one for the change. What it
/// held before the change is not known; it gets its payload from the start.
fn memory(fields: &Map<String, Value>) -> Line {
    let event = |kind: &str, time: &str, event_id: Value| {
        let mut event = Map::new();
        event.insert("event_id".into(), event_id);
        event.insert("type".into(), kind.into());
        event.insert("timestamp".into(), fields[time].clone());
        for name in ["id", "namespace", "payload"] {
            event.insert(name.into(), fields[name].clone());
        }
        for name in ["importance", "model_revision"] {
            let value = fields.get(name).filter(|value| !value.is_null());
            event.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
        Value::Object(event)
    };
    let event_id = fields["event_id"].clone();
    if fields["created_at"] == fields["updated_at"] {
        return Line::Memory { created: None, shown: event("created", "updated_at", event_id) };
    }
    let first = event_id.as_str().and_then(|text| EventId::parse(text).ok()).map(derive::restored_event_id);
    Line::Memory {
        created: first.map(|first| event("created", "created_at", json!(first))),
        shown: event("updated", "updated_at", event_id),
    }
}

#[cfg(test)]
mod tests;
