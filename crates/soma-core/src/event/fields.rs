//! The fields of an event in a JSON object: one reading, under strict or tolerant rules.
//!
//! The object's values are canonical already (see [`crate::json`]). Fields are judged in the order
//! of the schema, so an event with several faults is refused for the same one everywhere.

use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};
use crate::event::{Content, Event, EventType};
use crate::ids::{EventId, MemoryId, Namespace, Timestamp};
use crate::{json, limits};

pub(super) const EVENT_ID: &str = "event_id";
pub(super) const ID: &str = "id";
pub(super) const NAMESPACE: &str = "namespace";
pub(super) const TYPE: &str = "type";
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const PAYLOAD: &str = "payload";
pub(super) const IMPORTANCE: &str = "importance";
pub(super) const EMBEDDING: &str = "embedding";
pub(super) const MODEL_REVISION: &str = "model_revision";

const ALL: [&str; 9] = [EVENT_ID, ID, NAMESPACE, TYPE, TIMESTAMP, PAYLOAD, IMPORTANCE, EMBEDDING, MODEL_REVISION];

/// How much a reading forgives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// What the schema says, formats included: for those who build events.
    Strict,
    /// Any usual spelling of ids and times, and unknown fields: for those who read the log.
    Tolerant,
}

/// Reads an event out of a JSON object.
pub(super) fn read(mut fields: Map<String, Value>, rules: Rules) -> Result<Event> {
    if rules == Rules::Strict {
        refuse_unknown(&fields)?;
    }
    let event_id = match rules {
        Rules::Strict => EventId::parse_strict(text(&fields, EVENT_ID)?)?,
        Rules::Tolerant => EventId::parse(text(&fields, EVENT_ID)?)?,
    };
    let id = match rules {
        Rules::Strict => MemoryId::parse_strict(text(&fields, ID)?)?,
        Rules::Tolerant => MemoryId::parse(text(&fields, ID)?)?,
    };
    let namespace = Namespace::parse(text(&fields, NAMESPACE)?)?;
    let kind = kind(text(&fields, TYPE)?)?;
    let timestamp = match rules {
        Rules::Strict => Timestamp::parse(text(&fields, TIMESTAMP)?)?,
        Rules::Tolerant => Timestamp::read(required(&fields, TIMESTAMP)?)?,
    };
    let payload = fields.remove(PAYLOAD).ok_or_else(|| missing(PAYLOAD))?;
    let content = Content {
        payload,
        importance: fields.get(IMPORTANCE).map(read_importance).transpose()?,
        embedding: fields.get(EMBEDDING).map(read_embedding).transpose()?,
        model_revision: fields.remove(MODEL_REVISION).map(read_model_revision).transpose()?,
    };
    let content = match kind {
        EventType::Created | EventType::Updated => Some(content),
        EventType::Deleted => None,
    };
    Ok(Event { event_id, id, namespace: Some(namespace), kind, timestamp, content })
}

/// The event id, in any usual spelling, whatever the rest holds.
pub(super) fn event_id(fields: &Map<String, Value>) -> Option<EventId> {
    fields.get(EVENT_ID)?.as_str().and_then(|text| EventId::parse(text).ok())
}

/// Checks an importance: finite, at least 0. Returns it with −0 as +0.
pub(super) fn importance(x: f64) -> Result<f64> {
    if !x.is_finite() || x < 0.0 {
        return Err(schema(IMPORTANCE, "is not a finite number of at least 0"));
    }
    in_range(x, IMPORTANCE)?;
    Ok(x + 0.0)
}

/// Checks an embedding: a bounded number of finite numbers.
pub(super) fn embedding(numbers: Vec<f64>) -> Result<Vec<f64>> {
    embedding_length(numbers.len())?;
    for (i, x) in numbers.iter().enumerate() {
        in_range(*x, &format!("{EMBEDDING}[{i}]"))?;
    }
    Ok(numbers.into_iter().map(|x| x + 0.0).collect())
}

/// Checks a model revision: 1 to 256 characters without U+0000.
pub(super) fn model_revision(text: String) -> Result<String> {
    let chars = text.chars().count();
    if chars == 0 || chars > limits::MODEL_REVISION_CHARS_MAX {
        let why = format!("has {chars} characters, 1 to {} are allowed", limits::MODEL_REVISION_CHARS_MAX);
        return Err(schema(MODEL_REVISION, why));
    }
    if text.contains('\0') {
        return Err(Error::new(Code::NulCharacter, "model_revision contains U+0000").at(MODEL_REVISION));
    }
    Ok(text)
}

fn in_range(x: f64, field: &str) -> Result<()> {
    if x.abs() <= limits::NUMBER_ABS_MAX {
        return Ok(());
    }
    Err(Error::new(Code::NumberRange, format!("{field} is not a number within ±1e308")).at(field))
}

fn embedding_length(len: usize) -> Result<()> {
    if len <= limits::EMBEDDING_LEN_MAX {
        return Ok(());
    }
    Err(schema(EMBEDDING, format!("has {len} numbers, at most {} are allowed", limits::EMBEDDING_LEN_MAX)))
}

fn read_importance(value: &Value) -> Result<f64> {
    importance(value.as_f64().ok_or_else(|| wrong_type(IMPORTANCE, "a number"))?)
}

fn read_embedding(value: &Value) -> Result<Vec<f64>> {
    let items = value.as_array().ok_or_else(|| wrong_type(EMBEDDING, "an array of numbers"))?;
    embedding_length(items.len())?;
    let number =
        |(i, item): (usize, &Value)| item.as_f64().ok_or_else(|| wrong_type(&format!("{EMBEDDING}[{i}]"), "a number"));
    items.iter().enumerate().map(number).collect()
}

fn read_model_revision(value: Value) -> Result<String> {
    match value {
        Value::String(text) => model_revision(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong_type(MODEL_REVISION, "a string"))
        }
    }
}

fn kind(text: &str) -> Result<EventType> {
    EventType::parse(text).ok_or_else(|| {
        Error::new(Code::TypeUnknown, format!("type {} is unknown", json::shown(text)))
            .at(TYPE)
            .remedy("use created, updated or deleted")
    })
}

fn refuse_unknown(fields: &Map<String, Value>) -> Result<()> {
    // The least of them, because the order of a map depends on how it was built.
    match fields.keys().filter(|key| !ALL.contains(&key.as_str())).min() {
        None => Ok(()),
        Some(key) => Err(Error::new(Code::Schema, format!("the event has the unknown field {}", json::shown(key)))
            .at(json::field_name(key))
            .remedy(format!("leave it out, or put it into payload; an event has {}", ALL.join(", ")))),
    }
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value> {
    fields.get(name).ok_or_else(|| missing(name))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str> {
    required(fields, name)?.as_str().ok_or_else(|| wrong_type(name, "a string"))
}

fn missing(name: &str) -> Error {
    schema(name, "is missing").remedy(format!("add {name}"))
}

fn wrong_type(name: &str, wanted: &str) -> Error {
    schema(name, format!("is not {wanted}")).remedy(format!("send {wanted}"))
}

fn schema(field: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Code::Schema, format!("{field} {why}")).at(field)
}
