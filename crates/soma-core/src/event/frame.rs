//! What other writers put around an event: recognised record by record, and taken off.
//!
//! | framing | recognised by | where the event is |
//! |---|---|---|
//! | Confluent, id | the value begins with `0x00` | behind the schema's id, 4 bytes, big-endian |
//! | Confluent, GUID | the value begins with `0x01` | behind the schema's GUID, 16 bytes |
//! | Confluent, in a header | the header `__value_schema_id`, of one of the two forms above | the whole value |
//! | CloudEvents, structured | `content-type` begins with `application/cloudevents` | the attribute `data` |
//! | CloudEvents, binary | headers `ce_*` | the whole value |
//!
//! JSON begins with neither byte, so no event of ours is mistaken. What stands around an event is not
//! looked at: it says nothing about the memory. Whether a schema exists is not decided here but asked of
//! [`crate::event::schemas`], and content that is not JSON is refused as any other.
//!
//! Invariant: a record that a delete has blanked is in our own spelling, whatever its headers say.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{build, codec};
use crate::error::{Code, Error, Result};
use crate::log::{NewRecord, Record};

/// Header that names the schema of a value without framing it.
pub const VALUE_SCHEMA_ID: &str = "__value_schema_id";

const CONTENT_TYPE: &str = "content-type";
const CLOUD_EVENT: &[u8] = b"application/cloudevents";
/// Headers of a CloudEvent in binary mode begin so.
const ATTRIBUTE: &str = "ce_";

const BY_ID: u8 = 0x00;
const BY_GUID: u8 = 0x01;

/// The name of a schema in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaId {
    /// Its number, which holds within one registry.
    Id(u32),
    /// Its GUID, which holds everywhere.
    Guid(Uuid),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Guid(guid) => guid.as_hyphenated().fmt(f),
        }
    }
}

impl SchemaId {
    /// The schema that a framing names, and what is behind it.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        match bytes.split_first()? {
            (&BY_ID, rest) => rest.split_first_chunk().map(|(id, rest)| (Self::Id(u32::from_be_bytes(*id)), rest)),
            (&BY_GUID, rest) => {
                rest.split_first_chunk().map(|(guid, rest)| (Self::Guid(Uuid::from_bytes(*guid)), rest))
            }
            _ => None,
        }
    }

    /// A value of that schema, framed.
    #[must_use]
    pub fn frame(self, json: &[u8]) -> Vec<u8> {
        let mut framed = Vec::with_capacity(1 + size_of::<Uuid>() + json.len());
        match self {
            Self::Id(id) => {
                framed.push(BY_ID);
                framed.extend_from_slice(&id.to_be_bytes());
            }
            Self::Guid(guid) => {
                framed.push(BY_GUID);
                framed.extend_from_slice(guid.as_bytes());
            }
        }
        framed.extend_from_slice(json);
        framed
    }
}

/// The schema that a record says its value has: in its framing, else in its header.
#[must_use]
pub fn schema(record: &Record) -> Option<SchemaId> {
    let value = record.value.as_deref().filter(|_| !is_erased(record))?;
    let named = |bytes| SchemaId::split(bytes).map(|(id, _)| id);
    named(value).or_else(|| record.header(VALUE_SCHEMA_ID).and_then(named))
}

/// A record of ours whose value is framed as one of that schema; a framed one and a tombstone stay as
/// they are.
#[must_use]
pub fn framed(mut record: NewRecord, schema: SchemaId) -> NewRecord {
    record.value = record.value.map(|value| match SchemaId::split(&value) {
        Some(_) => value,
        None => schema.frame(&value),
    });
    record
}

/// Makes these the headers of a value of ours, in place of one that somebody else framed.
pub(crate) fn as_ours(headers: &mut Vec<(String, Vec<u8>)>) {
    headers.retain(|(name, _)| name != CONTENT_TYPE && name != VALUE_SCHEMA_ID && !name.starts_with(ATTRIBUTE));
    headers.push((CONTENT_TYPE.to_owned(), b"application/json".to_vec()));
}

/// The event's JSON within a record's value, when the value has at most `bytes_max`. A registry's framing
/// does not count: what was accepted without it can be read with it.
///
/// # Errors
/// `too_large`; `not_json`, `schema` or `duplicate_key` for a CloudEvent without the event in its `data`.
pub(super) fn unframe<'a>(record: &Record, value: &'a [u8], bytes_max: usize) -> Result<&'a [u8]> {
    let is_foreign = !is_erased(record);
    let framing = SchemaId::split(value).filter(|_| is_foreign);
    let value = framing.map_or(value, |(_, rest)| rest);
    build::fits(value.len(), bytes_max)?;
    if is_foreign && is_structured(record) { data(value) } else { Ok(value) }
}

fn is_erased(record: &Record) -> bool {
    record.header(codec::ERASED).is_some()
}

fn is_structured(record: &Record) -> bool {
    let begins = |kind: &[u8]| kind.get(..CLOUD_EVENT.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(CLOUD_EVENT));
    record.header(CONTENT_TYPE).is_some_and(begins)
}

/// A CloudEvent in JSON, as far as it matters here.
#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn data(value: &[u8]) -> Result<&[u8]> {
    let unreadable = |code| move |error| Error::new(code, format!("the CloudEvent cannot be read: {error}"));
    let whole: &RawValue = serde_json::from_slice(value).map_err(unreadable(Code::NotJson))?;
    // An array would be taken for a struct, field by field.
    if !whole.get().starts_with('{') {
        return Err(build::not_an_object());
    }
    let event: CloudEvent<'_> = serde_json::from_str(whole.get()).map_err(|error: serde_json::Error| {
        let code = if error.is_data() { Code::DuplicateKey } else { Code::NotJson };
        unreadable(code)(error)
    })?;
    let data = event.data.ok_or_else(|| {
        let remedy = "put the memory event into data, as JSON";
        Error::new(Code::Schema, "the CloudEvent has no data").at("data").remedy(remedy)
    })?;
    Ok(data.get().as_bytes())
}
