//! The tools without a network, without stores and without a client: which routes they ask, and what they
//! make of the answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rmcp::ServerHandler as _;
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::ids::{LogId, Place, Position};
use soma_core::{Error, Result};

use super::{Call, Routes, Server, Session, catalog, failed, tools};

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

/// Routes that answer what they were told to, and keep what they were asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Value>>>,
    asked: Mutex<Vec<Call>>,
}

#[async_trait]
impl Routes for Script {
    async fn call(&self, call: Call) -> Result<Value> {
        self.asked.lock().expect("not poisoned").push(call);
        self.answers.lock().expect("not poisoned").pop_front().expect("the script has an answer")
    }
}

fn session(answers: impl IntoIterator<Item = Result<Value>>) -> (Session, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() });
    let routes = Arc::<Script>::clone(&script);
    (Session { routes, namespace: Some("agent".to_owned()), seen: Arc::default() }, script)
}

async fn call(session: &Session, tool: &str, arguments: Value) -> Result<tools::Answer> {
    tools::call(session, tool, arguments).await.expect("the tool exists")
}

fn memory(text: &str) -> Value {
    json!({
        "id": ID, "namespace": "agent", "payload": { "text": text }, "importance": 2.0, "model_revision": null,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z", "version": 1, "event_id": ID,
    })
}

fn position() -> String {
    Position::of(&Place { log: LogId::new("journal"), partition: 0, offset: 7 }).to_string()
}

#[tokio::test]
async fn a_read_waits_for_a_write_that_the_stores_do_not_show_yet() -> Result<()> {
    let late = json!({ "id": ID, "event_id": ID, "position": position(), "stored": false });
    let empty = || Ok(json!({ "hits": [] }));
    let behind = Err(Error::new(Code::PositionNotReached, "the stores are behind"));
    let (session, script) = session([Ok(late), behind, empty(), empty()]);

    let written = call(&session, "remember", json!({ "text": "a" })).await?;
    assert_eq!(written.structured["stored"], false);
    let error = call(&session, "recall", json!({ "query": "a" })).await.expect_err("the stores are behind");
    assert_eq!(error.code, Code::PositionNotReached);
    call(&session, "recall", json!({ "query": "a" })).await?;
    call(&session, "recall", json!({ "query": "a" })).await?;

    let asked = script.asked.lock().expect("not poisoned");
    let after: Vec<Option<&Value>> = asked.iter().map(|call| call.body.as_ref().and_then(|b| b.get("after"))).collect();
    let waited = json!(position());
    assert_eq!(after, [None, Some(&waited), Some(&waited), None]);
    Ok(())
}

#[tokio::test]
async fn replacing_needs_a_memory_that_is_there_and_keeps_its_importance() -> Result<()> {
    let written = json!({ "id": ID, "event_id": ID, "position": position(), "stored": true });
    let (session, script) = session([Ok(memory("old")), Ok(written)]);
    call(&session, "remember", json!({ "text": "new", "id": ID })).await?;
    {
        let asked = script.asked.lock().expect("not poisoned");
        assert_eq!((asked[0].method, asked[1].method), ("GET", "PUT"));
        assert_eq!(asked[1].body, Some(json!({ "payload": { "text": "new" }, "importance": 2.0 })));
    }

    let (session, script) = self::session([Err(Error::new(Code::NotFound, "no such memory"))]);
    let error = call(&session, "remember", json!({ "text": "new", "id": ID })).await.expect_err("unknown");
    assert_eq!((error.code, script.asked.lock().expect("not poisoned").len()), (Code::NotFound, 1));
    Ok(())
}

#[tokio::test]
async fn arguments_that_no_tool_knows_are_refused_before_anything_is_asked() {
    for (tool, arguments, field) in [
        ("remember", json!({ "text": "a", "colour": "red" }), "colour"),
        ("remember", json!({ "text": "" }), "text"),
        ("remember", json!({ "text": "a", "data": { "text": "b" } }), "data"),
        ("recall", json!({ "query": "a", "limit": 101 }), "limit"),
        ("recall", json!({ "query": "a", "filter": "b" }), "filter"),
        ("get", json!({}), "id"),
        ("forget", json!({ "id": ID, "namespace": "a" }), "namespace"),
    ] {
        let (session, script) = session([]);
        let error = call(&session, tool, arguments).await.expect_err("refused");
        assert_eq!(error.field.as_deref(), Some(field), "{tool}");
        assert!(script.asked.lock().expect("not poisoned").is_empty(), "{tool}");
    }
    let (session, _) = session([]);
    assert!(tools::call(&session, "no_such_tool", json!({})).await.is_none());
}

#[tokio::test]
async fn a_payload_that_is_too_long_to_be_one_of_many_is_cut_and_get_shows_it_whole() -> Result<()> {
    let long = "word ".repeat(4_000);
    let (session, _) = session([Ok(json!({ "items": [memory(&long)], "next_cursor": null })), Ok(memory(&long))]);
    let listed = call(&session, "list", json!({})).await?;
    assert_eq!(listed.structured["memories"][0]["truncated"], true);
    assert!(listed.text.len() < 2_000, "{} bytes", listed.text.len());
    let one = call(&session, "get", json!({ "id": format!("soma://memory/{ID}") })).await?;
    assert_eq!(one.structured["payload"]["text"], long);
    Ok(())
}

#[test]
fn a_failure_tells_the_model_what_to_do() {
    let error = Error::new(Code::NotFound, "no memory is known").at("id").remedy("recall it first");
    let result = failed(&error);
    let text = result.content.first().and_then(|block| block.as_text()).map(|text| text.text.clone());
    assert_eq!(text.as_deref(), Some("not_found: no memory is known\nWhat to do: recall it first."));
    assert_eq!((result.is_error, result.structured_content), (Some(true), None));
    assert_eq!(result.meta.map(|meta| meta.0["soma/error"]["field"].clone()), Some(json!("id")));
}

#[test]
fn schemas_keep_to_what_every_client_understands() {
    for tool in catalog::tools() {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        jsonschema::draft202012::new(&schema).expect("a schema");
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
        for (name, property) in schema["properties"].as_object().expect("properties") {
            assert!(property["type"].is_string(), "{}.{name} has not one plain type", tool.name);
            assert!(property["description"].is_string(), "{}.{name} is not described", tool.name);
        }
    }
    let (session, _) = session([]);
    let info = Server::new(session).get_info();
    assert!(info.instructions.expect("instructions").contains("\"agent\""));
}
