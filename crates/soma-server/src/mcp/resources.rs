//! Memories as resources: `soma://memory/{id}`. The list is that of the namespace, the latest first.

use rmcp::model::{ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::Value;
use soma_core::Error;
use soma_core::error::Kind;
use soma_core::ids::MemoryId;

use super::session::Session;
use super::shown;
use crate::http::problem;

/// What the address of every memory begins with.
const SCHEME: &str = "soma://memory/";
/// Resources of one page.
const PAGE: usize = 50;
const KIND: &str = "application/json";

/// The address of a memory.
pub(super) fn uri(id: &str) -> String {
    format!("{SCHEME}{id}")
}

/// How addresses are made.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{SCHEME}{{id}}"), "memory")
        .with_title("One memory")
        .with_description("A memory with its payload, by the id that remember, recall and list return.")
        .with_mime_type(KIND)
}

/// The latest memories.
pub(super) async fn list(session: &Session, cursor: Option<String>) -> Result<ListResourcesResult, ErrorData> {
    let query = [("namespace", session.namespace.clone()), ("limit", Some(PAGE.to_string())), ("cursor", cursor)];
    let page = session.get("/v1/memories", &query).await.map_err(|error| refused(&error))?;
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut listed = ListResourcesResult::with_all_items(items.iter().map(resource).collect());
    listed.next_cursor = page["next_cursor"].as_str().map(str::to_owned);
    Ok(listed)
}

fn resource(memory: &Value) -> Resource {
    let text = |name: &str| memory[name].as_str().unwrap_or_default();
    Resource::new(uri(text("id")), text("id"))
        .with_title(shown::title(memory))
        .with_description(format!("namespace {}, last changed {}", text("namespace"), text("updated_at")))
        .with_mime_type(KIND)
}

/// One memory, whole.
pub(super) async fn read(session: &Session, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let Some(id) = uri.strip_prefix(SCHEME).and_then(|id| MemoryId::parse(id).ok()) else {
        let message = format!("there is no resource {uri}: a memory is {SCHEME}<id>, its id a UUID");
        return Err(ErrorData::resource_not_found(message, None));
    };
    let memory = session.get(&format!("/v1/memories/{id}"), &[]).await.map_err(|error| refused(&error))?;
    let text = serde_json::to_string_pretty(&memory).unwrap_or_else(|_| memory.to_string());
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(KIND)]))
}

/// A failure in the terms of the protocol, which has no tool errors for resources.
fn refused(error: &Error) -> ErrorData {
    let remedy = error.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    let (text, data) = (format!("{}: {}{remedy}", error.code, error.message), Value::Object(problem::members(error)));
    match error.kind() {
        Kind::NotFound => ErrorData::resource_not_found(text, Some(data)),
        Kind::Invalid => ErrorData::invalid_params(text, Some(data)),
        Kind::Conflict | Kind::Unavailable | Kind::Corrupt | Kind::Internal => {
            ErrorData::internal_error(text, Some(data))
        }
    }
}
