//! What each tool does: arguments in, calls of routes, an answer in words and in JSON.

use serde_json::{Map, Value, json};
use soma_core::error::Code;
use soma_core::ids::MemoryId;
use soma_core::{Error, Result};

use super::session::Session;
use super::{resources, shown};
use crate::http::body::Fields;

/// Hits of a recall that names no number.
pub(super) const HITS_DEFAULT: u64 = 8;
/// The most hits, and the most memories of a page: more than a model reads.
pub(super) const ITEMS_MAX: u64 = 100;
/// Memories of a page that names no number.
pub(super) const ITEMS_DEFAULT: u64 = 20;

/// What a tool answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// For a model, or a person.
    pub(super) text: String,
    /// For a program; as the tool's schema says.
    pub(super) structured: Value,
}

/// Calls a tool; `None` when there is none of that name.
pub(super) async fn call(session: &Session, name: &str, arguments: Value) -> Option<Result<Answer>> {
    let arguments = match Fields::of(arguments, "the arguments") {
        Ok(fields) => fields,
        Err(error) => return Some(Err(error)),
    };
    Some(match name {
        "remember" => remember(session, arguments).await,
        "recall" => recall(session, arguments).await,
        "get" => get(session, arguments).await,
        "forget" => forget(session, arguments).await,
        "list" => list(session, arguments).await,
        "history" => history(session, arguments).await,
        _ => return None,
    })
}

async fn remember(session: &Session, mut arguments: Fields) -> Result<Answer> {
    let text = sentence(&mut arguments, "text")?;
    let data = object(&mut arguments, "data")?;
    let importance = arguments.number("importance")?;
    let id = arguments.text("id")?.map(|id| MemoryId::parse(&id)).transpose()?;
    let namespace = arguments.text("namespace")?;
    arguments.finish("text, data, importance, namespace, id")?;

    let mut body = Map::new();
    body.insert("payload".into(), payload(text, data)?);
    let (written, replaced) = match id {
        None => {
            body.extend(namespace.or_else(|| session.namespace.clone()).map(|name| ("namespace".into(), name.into())));
            body.extend(importance.map(|number| ("importance".into(), json!(number))));
            (session.write("POST", "/v1/memories", Some(Value::Object(body))).await?, false)
        }
        Some(id) => {
            // It has to be there: an id that a model made up must not become a memory.
            let before = session.get(&format!("/v1/memories/{id}"), &[]).await?;
            stays(&before, namespace.as_deref())?;
            let kept = before.get("importance").cloned().unwrap_or_default();
            body.insert("importance".into(), importance.map_or(kept, |number| json!(number)));
            (session.write("PUT", &format!("/v1/memories/{id}"), Some(Value::Object(body))).await?, true)
        }
    };
    let id = text_of(&written, "id");
    let verb = if replaced { "Replaced memory" } else { "Remembered as" };
    Ok(Answer {
        text: format!("{verb} {id}.{}", pending(&written)),
        structured: json!({
            "id": id, "uri": resources::uri(&id), "replaced": replaced, "stored": written["stored"],
        }),
    })
}

/// A memory keeps its namespace; a caller that names another one means another memory.
fn stays(before: &Value, named: Option<&str>) -> Result<()> {
    let owner = before["namespace"].as_str().unwrap_or_default();
    match named {
        Some(named) if named != owner => {
            Err(Error::new(Code::NamespaceMismatch, format!("the memory belongs to the namespace {owner}"))
                .at("namespace")
                .remedy("leave namespace out, or leave id out to store a new memory"))
        }
        _ => Ok(()),
    }
}

/// The text with what was given beside it.
fn payload(text: String, data: Option<Map<String, Value>>) -> Result<Value> {
    let mut payload = Map::new();
    payload.insert("text".into(), text.into());
    for (name, value) in data.into_iter().flatten() {
        if payload.contains_key(&name) {
            return Err(Error::new(Code::BadRequest, "data holds a field named text, and text is given beside it")
                .at("data")
                .remedy("give that field of data another name"));
        }
        payload.insert(name, value);
    }
    Ok(Value::Object(payload))
}

async fn recall(session: &Session, mut arguments: Fields) -> Result<Answer> {
    let mut question = Map::new();
    question.insert("query".into(), sentence(&mut arguments, "query")?.into());
    question.insert("top_k".into(), number_of_items(&mut arguments, HITS_DEFAULT)?.into());
    question.extend(object(&mut arguments, "filter")?.map(|filter| ("filter".into(), Value::Object(filter))));
    let namespace = arguments.text("namespace")?.or_else(|| session.namespace.clone());
    question.extend(namespace.map(|name| ("namespace".into(), name.into())));
    arguments.finish("query, limit, filter, namespace")?;

    let answer = session.ask(question).await?;
    let hits = many(&answer, "hits");
    Ok(Answer {
        text: match hits.len() {
            0 => "Nothing found. Try other words, or look at list.".to_owned(),
            1 => format!("1 memory:\n{}", lines(&hits)),
            n => format!("{n} memories, best first:\n{}", lines(&hits)),
        },
        structured: json!({ "hits": hits }),
    })
}

async fn get(session: &Session, arguments: Fields) -> Result<Answer> {
    let id = only_id(arguments)?;
    let memory = shown::memory(&session.get(&format!("/v1/memories/{id}"), &[]).await?);
    let text = format!(
        "{}\n\nid {id}, namespace {}, importance {}, created {}, updated {}, version {}\npayload: {}",
        shown::words(&memory["payload"]),
        text_of(&memory, "namespace"),
        memory["importance"],
        text_of(&memory, "created_at"),
        text_of(&memory, "updated_at"),
        memory["version"],
        memory["payload"],
    );
    Ok(Answer { text, structured: memory })
}

async fn forget(session: &Session, arguments: Fields) -> Result<Answer> {
    let id = only_id(arguments)?;
    let written = session.write("DELETE", &format!("/v1/memories/{id}"), None).await?;
    Ok(Answer {
        text: format!("Forgot memory {id}, with its history.{}", pending(&written)),
        structured: json!({ "id": id, "stored": written["stored"] }),
    })
}

async fn list(session: &Session, mut arguments: Fields) -> Result<Answer> {
    let query = [
        ("namespace", arguments.text("namespace")?.or_else(|| session.namespace.clone())),
        ("order", arguments.text("order")?),
        ("limit", Some(number_of_items(&mut arguments, ITEMS_DEFAULT)?.to_string())),
        ("filter", object(&mut arguments, "filter")?.map(|filter| Value::Object(filter).to_string())),
        ("cursor", arguments.text("cursor")?),
    ];
    arguments.finish("namespace, order, limit, filter, cursor")?;
    let page = session.get("/v1/memories", &query).await?;
    let memories = many(&page, "items");
    let mut structured = json!({ "memories": memories });
    let mut text = match memories.len() {
        0 => "There are no memories here.".to_owned(),
        1 => format!("1 memory:\n{}", lines(&memories)),
        n => format!("{n} memories:\n{}", lines(&memories)),
    };
    go_on(&page, "list", &mut text, &mut structured);
    Ok(Answer { text, structured })
}

/// Says how to get the next page, if there is one.
fn go_on(page: &Value, tool: &str, text: &mut String, structured: &mut Value) {
    if let Some(cursor) = page["next_cursor"].as_str() {
        text.push_str(&format!("\n\nThere are more: call {tool} again with cursor {cursor:?}."));
        structured["next_cursor"] = json!(cursor);
    }
}

async fn history(session: &Session, mut arguments: Fields) -> Result<Answer> {
    let query = [("limit", Some(ITEMS_MAX.to_string())), ("cursor", arguments.text("cursor")?)];
    let id = only_id(arguments)?;
    let page = session.get(&format!("/v1/memories/{id}/history"), &query).await?;
    let events: Vec<Value> = page["items"].as_array().into_iter().flatten().map(event).collect();
    let line = |event: &Value| {
        let payload = Some(&event["payload"]).filter(|payload| !payload.is_null());
        let words = payload.map(|payload| format!(": {}", shown::words(payload))).unwrap_or_default();
        format!("- {} {}{words}", text_of(event, "timestamp"), text_of(event, "type"))
    };
    let mut text = format!("{} events, oldest first:\n{}", events.len(), joined(events.iter().map(line)));
    let mut structured = json!({ "id": id, "events": events });
    go_on(&page, "history", &mut text, &mut structured);
    Ok(Answer { text, structured })
}

fn event(entry: &Value) -> Value {
    let mut shown = shown::one_of_many(entry);
    for name in ["event_id", "type", "timestamp"] {
        shown[name] = entry[name].clone();
    }
    shown
}

fn many(answer: &Value, name: &str) -> Vec<Value> {
    answer[name].as_array().into_iter().flatten().map(shown::one_of_many).collect()
}

fn lines(memories: &[Value]) -> String {
    joined(memories.iter().map(shown::line))
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// What to say of a write that the stores do not show yet.
fn pending(written: &Value) -> &'static str {
    if written["stored"] == json!(true) { "" } else { " It is durable, and will show in a moment." }
}

fn text_of(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// A text that says something.
fn sentence(arguments: &mut Fields, name: &str) -> Result<String> {
    let text = arguments.text(name)?.unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Error::new(Code::BadRequest, format!("{name} is missing or empty"))
            .at(name)
            .remedy(format!("write {name} as one sentence or more")));
    }
    Ok(text)
}

fn object(arguments: &mut Fields, name: &str) -> Result<Option<Map<String, Value>>> {
    match arguments.take(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Error::new(Code::Schema, format!("{name} is not a JSON object")).at(name))
        }
    }
}

fn number_of_items(arguments: &mut Fields, default: u64) -> Result<u64> {
    let given = arguments.whole("limit")?.unwrap_or(default);
    if (1..=ITEMS_MAX).contains(&given) {
        return Ok(given);
    }
    Err(Error::new(Code::BadRequest, format!("limit is {given}, and has to be from 1 to {ITEMS_MAX}")).at("limit"))
}

fn only_id(mut arguments: Fields) -> Result<MemoryId> {
    let id = arguments.text("id")?;
    arguments.finish("id")?;
    let Some(id) = id else {
        return Err(Error::new(Code::BadRequest, "id is missing")
            .at("id")
            .remedy("take the id from what recall or list returned"));
    };
    // An address is as good as the id that it ends with.
    MemoryId::parse(id.strip_prefix(&resources::uri("")).unwrap_or(&id))
}
