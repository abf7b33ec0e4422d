//! How records of the log and dead letters look in JSON: whole, whatever bytes they hold.
//!
//! Bytes that are UTF-8 are a text under their name; others are base64 under `<name>_base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use soma_core::log::{DeadLetter, Record};

/// Headers that belong to a letter, not to its record.
const LETTERS_OWN: &str = "soma.dlq.";

/// A record, payload and all.
pub(crate) fn record(record: &Record) -> Map<String, Value> {
    let place = &record.place;
    let mut fields = Map::new();
    fields.insert("log".into(), place.log.as_str().into());
    fields.insert("partition".into(), place.partition.into());
    fields.insert("offset".into(), place.offset.into());
    fields.insert("timestamp".into(), record.timestamp.to_string().into());
    content(record, &mut fields);
    fields
}

/// A dead letter without the content of its record.
pub(crate) fn letter(letter: &DeadLetter) -> Map<String, Value> {
    let fields = [
        ("source", json!(letter.record.place.to_string())),
        ("reason", json!(letter.reason)),
        ("error", json!(letter.error)),
        ("component", json!(letter.component)),
        ("event_id", json!(letter.event_id)),
        ("timestamp", json!(letter.record.timestamp.to_string())),
        ("first_seen", json!(letter.first_seen.to_string())),
        ("attempts", json!(letter.attempts)),
        ("redrives", json!(letter.redrives)),
        ("redriven_to", json!(letter.redriven_to().map(|place| place.to_string()))),
        ("value_bytes", json!(letter.record.value.as_ref().map(Vec::len))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A dead letter, its record's content and all.
pub(crate) fn whole_letter(of: &DeadLetter) -> Map<String, Value> {
    let mut fields = letter(of);
    content(&of.record, &mut fields);
    fields
}

fn content(record: &Record, fields: &mut Map<String, Value>) {
    put(fields, "key", record.key.as_deref());
    put(fields, "value", record.value.as_deref());
    let own = |(name, _): &&(String, Vec<u8>)| !name.starts_with(LETTERS_OWN);
    let header = |(name, value): &(String, Vec<u8>)| {
        let mut header = Map::new();
        header.insert("name".into(), name.as_str().into());
        put(&mut header, "value", Some(value));
        Value::Object(header)
    };
    fields.insert("headers".into(), record.headers.iter().filter(own).map(header).collect());
}

fn put(fields: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => fields.insert(name.into(), Value::Null),
        Some((_, Ok(text))) => fields.insert(name.into(), text.into()),
        Some((bytes, Err(_))) => fields.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests;
