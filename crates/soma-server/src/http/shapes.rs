//! How things look in JSON: memories, writes, positions.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use soma_core::engine::Written;
use soma_core::ids::Position;
use soma_core::memory::{HistoryEntry, Memory};

/// A JSON answer.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A memory.
pub(super) fn memory(memory: &Memory) -> Map<String, Value> {
    let fields = [
        ("id", json!(memory.id)),
        ("namespace", json!(memory.namespace)),
        ("payload", memory.payload.clone()),
        ("importance", json!(memory.importance)),
        ("model_revision", json!(memory.model_revision)),
        ("created_at", json!(memory.created_at.to_string())),
        ("updated_at", json!(memory.updated_at.to_string())),
        ("version", json!(memory.version)),
        ("event_id", json!(memory.event_id)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The ETag of a memory: the event that it shows.
pub(super) fn etag(memory: &Memory) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", memory.event_id)).expect("a UUID is a header value")
}

/// The caller has it already.
pub(super) fn unchanged(memory: &Memory) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag(memory))]).into_response()
}

/// One event of a history.
pub(super) fn history_entry(entry: &HistoryEntry) -> Value {
    json!({
        "event_id": entry.event_id,
        "type": entry.kind.as_str(),
        "timestamp": entry.timestamp.to_string(),
        "position": Position::of(&entry.place),
        "payload": entry.payload,
    })
}

/// A write that the log has.
pub(super) fn written(written: &Written) -> Map<String, Value> {
    let fields = [
        ("id", json!(written.id)),
        ("event_id", json!(written.event_id)),
        ("position", json!(Position::of(&written.place))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
