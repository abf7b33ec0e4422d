//! The same against a real registry, when `SOMA_TEST_REGISTRY_URL` names one.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use serde_json::{Value, json};
use soma_cluster::registry::{EVENT_SCHEMA, Missing, Registry, Settings};
use soma_core::error::Code;
use soma_core::event::frame::SchemaId;
use soma_core::event::schemas::Schemas as _;

/// The registry of this tier, or `None` with a line that says so.
fn url() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the tier is switched on from outside")]
    let url = std::env::var("SOMA_TEST_REGISTRY_URL").ok();
    if url.is_none() {
        #[expect(clippy::print_stderr, reason = "a tier that does not run says so")]
        {
            eprintln!("SKIPPED: SOMA_TEST_REGISTRY_URL is not set, no real schema registry is tested");
        }
    }
    url
}

/// A subject that no other run has used.
fn subject(name: &str) -> String {
    format!("{name}-{:016x}-value", RandomState::new().hash_one(name))
}

fn registry(url: &str) -> Registry {
    Registry::new(&Settings { url: url.to_owned(), login: None, ca: None }).expect("the settings are good")
}

fn put(url: &str, target: &str, body: &Value) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let request = ureq::http::Request::builder()
        .method("PUT")
        .uri(format!("{url}{target}"))
        .header("content-type", "application/vnd.schemaregistry.v1+json")
        .body(body.to_string())
        .expect("a request");
    agent.run(request).expect("an answer").status().as_u16()
}

#[tokio::test]
async fn the_schema_is_registered_once_and_its_id_is_known() {
    let Some(url) = url() else { return };
    let registry = registry(&url);
    registry.ping().await.expect("it is there");
    let subject = subject("new");
    assert_eq!(registry.prepare(&subject, EVENT_SCHEMA, Missing::Leave).await.expect("an answer"), None);
    let id = registry.prepare(&subject, EVENT_SCHEMA, Missing::Register).await.expect("registered").expect("an id");
    let again = registry.prepare(&subject, EVENT_SCHEMA, Missing::Leave).await.expect("an answer");
    assert_eq!(again, Some(id));
    assert!(registry.knows(SchemaId::Id(id)).await.expect("an answer"));
    assert!(!registry.knows(SchemaId::Id(2_000_000_000)).await.expect("an answer"));
    let nobodys = SchemaId::Guid(uuid::Uuid::from_u128(RandomState::new().hash_one("guid").into()));
    assert!(!registry.knows(nobodys).await.expect("an answer"));
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_by_name() {
    let Some(url) = url() else { return };
    let registry = registry(&url);
    let subject = subject("taken");
    let other = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": { "event_id": { "type": "number" }, "colour": { "type": "string" } },
        "required": ["colour"],
        "additionalProperties": false
    });
    registry.prepare(&subject, &other.to_string(), Missing::Register).await.expect("registered");
    assert_eq!(put(&url, &format!("/config/{subject}"), &json!({"compatibility": "FULL"})), 200);
    let refused = registry.prepare(&subject, EVENT_SCHEMA, Missing::Register).await;
    let error = refused.expect_err("it is incompatible");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.message.contains(&subject) && error.message.contains("FULL"), "{error}");
    let stays = registry.prepare(&subject, &other.to_string(), Missing::Leave).await.expect("an answer");
    assert!(stays.is_some(), "what stands there is untouched");
}
