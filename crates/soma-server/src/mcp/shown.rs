//! Memories as a model reads them: in words, and no longer than it can bear.

use serde_json::{Value, json};

/// Payloads larger than this are cut in lists and hits, in bytes of JSON; `get` shows them whole.
const PAYLOAD_BYTES_SHOWN: usize = 8 << 10;
/// How much of a payload that is cut remains, in characters.
const CHARS_SHOWN: usize = 1_000;
/// The longest title, in characters.
const TITLE_CHARS: usize = 80;

/// A memory's payload as people read it: its text, or its JSON.
pub(crate) fn words(payload: &Value) -> String {
    let text = ["text", "content", "task"].iter().find_map(|name| payload.get(name)?.as_str());
    let actor = ["actor", "speaker", "role", "user"].iter().find_map(|name| payload.get(name)?.as_str());
    match (text, actor) {
        (Some(text), Some(actor)) => format!("{actor}: {text}"),
        (Some(text), None) => text.to_owned(),
        (None, _) => payload.as_str().map_or_else(|| payload.to_string(), str::to_owned),
    }
}

/// A memory with the fields that matter to a model.
pub(super) fn memory(memory: &Value) -> Value {
    let known = ["id", "namespace", "payload", "importance", "created_at", "updated_at", "version", "score"];
    let present = |name: &&&str| **name == "payload" || memory.get(**name).is_some_and(|value| !value.is_null());
    let fields = known.iter().filter(present).filter_map(|name| Some(((*name).to_owned(), memory.get(name)?.clone())));
    Value::Object(fields.collect())
}

/// The same, without the rest of a payload that is too long to be one of many.
pub(super) fn one_of_many(of: &Value) -> Value {
    let mut shown = memory(of);
    let payload = &of["payload"];
    if payload.to_string().len() > PAYLOAD_BYTES_SHOWN {
        shown["payload"] = json!(beginning(&words(payload), CHARS_SHOWN));
        shown["truncated"] = json!(true);
    }
    shown
}

/// One line about one of many.
pub(super) fn line(memory: &Value) -> String {
    let text = |name: &str| memory[name].as_str().unwrap_or_default();
    let score = memory.get("score").and_then(Value::as_f64).map(|score| format!("score {score:.3}, "));
    let cut = if memory.get("truncated").is_some() { ", cut: get shows all of it" } else { "" };
    let day = text("updated_at").get(..10).unwrap_or_default();
    let words = words(&memory["payload"]);
    format!("- {words}\n  ({}id {}, {day}{cut})", score.unwrap_or_default(), text("id"))
}

/// What a memory may be called.
pub(super) fn title(memory: &Value) -> String {
    beginning(&words(&memory["payload"]).replace(['\n', '\r', '\t'], " "), TITLE_CHARS)
}

fn beginning(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
