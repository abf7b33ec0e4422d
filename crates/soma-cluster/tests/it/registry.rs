//! The schema registry: what is asked of it, what its answers mean, and what is never shown.

mod real;
mod stub;

use std::sync::Arc;

use serde_json::json;
use soma_cluster::registry::{EVENT_SCHEMA, FramedLog, Missing, Registry, Settings};
use soma_core::error::Code;
use soma_core::event::frame::SchemaId;
use soma_core::event::schemas::Schemas as _;
use soma_core::log::{EventLog as _, NewRecord, ReadLimit};
use soma_core::testing::{Log, SeededClock};
use soma_testkit::certificates::Authority;
use stub::Stub;

const SUBJECT: &str = "memory.events-value";

fn registry(stub: &Stub) -> Registry {
    Registry::new(&Settings { url: stub.url(), login: None, ca: None }).expect("the settings are good")
}

/// Compatibility, the subject, and its versions, as a registry answers them.
fn new_subject(method: &str, target: &str) -> (u16, serde_json::Value) {
    match (method, target) {
        ("POST", "/subjects/memory.events-value") => {
            (404, json!({"error_code": 40401, "message": "Subject not found."}))
        }
        ("POST", "/compatibility/subjects/memory.events-value/versions/latest?verbose=true") => {
            (404, json!({"error_code": 40401, "message": "Subject not found."}))
        }
        ("POST", "/subjects/memory.events-value/versions") => (200, json!({"id": 7})),
        _ => (500, json!({"message": "nobody expects this"})),
    }
}

#[tokio::test]
async fn a_new_schema_is_checked_first_and_then_registered() {
    let stub = Stub::answering(|request| new_subject(&request.method, &request.target));
    let id = registry(&stub).prepare(SUBJECT, EVENT_SCHEMA, Missing::Register).await.expect("it is registered");
    assert_eq!(id, Some(7));
    let asked = stub.asked();
    let targets: Vec<&str> = asked.iter().map(|request| request.target.split('?').next().unwrap_or_default()).collect();
    assert_eq!(
        targets,
        [
            "/subjects/memory.events-value",
            "/compatibility/subjects/memory.events-value/versions/latest",
            "/subjects/memory.events-value/versions"
        ]
    );
    for request in &asked {
        assert_eq!(request.header("content-type"), "application/vnd.schemaregistry.v1+json");
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["schemaType"], "JSON");
        assert_eq!(body["schema"], EVENT_SCHEMA);
    }
}

#[tokio::test]
async fn a_schema_that_is_not_to_be_registered_is_left_out() {
    let stub = Stub::answering(|request| new_subject(&request.method, &request.target));
    let id = registry(&stub).prepare(SUBJECT, EVENT_SCHEMA, Missing::Leave).await.expect("nothing is wrong");
    assert_eq!(id, None);
    assert!(stub.asked().iter().all(|request| !request.target.ends_with("/versions")));
}

#[tokio::test]
async fn a_schema_that_is_registered_is_taken_as_it_is() {
    let stub = Stub::answering(|_| (200, json!({"subject": SUBJECT, "id": 3, "version": 1})));
    let id = registry(&stub).prepare(SUBJECT, EVENT_SCHEMA, Missing::Leave).await.expect("it is there");
    assert_eq!((id, stub.asked().len()), (Some(3), 1));
}

#[tokio::test]
async fn an_incompatible_schema_is_an_error_that_names_subject_and_reason_and_registers_nothing() {
    let stub = Stub::answering(|request| match request.target.contains("compatibility") {
        true => (200, json!({"is_compatible": false, "messages": ["the property colour was removed"]})),
        false => (404, json!({"error_code": 40403, "message": "Schema not found"})),
    });
    let refused = registry(&stub).prepare(SUBJECT, EVENT_SCHEMA, Missing::Register).await;
    let error = refused.expect_err("it is incompatible");
    assert_eq!(error.code, Code::BadConfig);
    for part in [SUBJECT, "the property colour was removed"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert!(stub.asked().iter().all(|request| !request.target.ends_with("/versions")));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_or_none_at_all_is_told_from_a_refusal() {
    for (status, code) in
        [(500, Code::Unavailable), (503, Code::Unavailable), (401, Code::BadConfig), (422, Code::BadConfig)]
    {
        let stub = Stub::answering(move |_| (status, json!({"message": "so it is"})));
        let error = registry(&stub).prepare(SUBJECT, EVENT_SCHEMA, Missing::Register).await.expect_err("refused");
        assert_eq!(error.code, code, "{status}: {error}");
        assert!(error.message.contains("so it is") && error.remedy.is_some(), "{error}");
        // Nobody who asks for a schema may hear that it is unknown.
        assert_eq!(registry(&stub).knows(SchemaId::Id(1)).await.expect_err("refused").code, Code::Unavailable);
    }
    let gone = Settings { url: Stub::closed(), login: None, ca: None };
    let gone = Registry::new(&gone).expect("the settings are good");
    assert_eq!(gone.knows(SchemaId::Id(1)).await.expect_err("away").code, Code::Unavailable);
    assert_eq!(gone.ping().await.expect_err("away").code, Code::Unavailable);
}

#[tokio::test]
async fn a_schema_that_exists_is_asked_for_once_and_one_that_does_not_every_time() {
    let stub = Stub::answering(|request| match request.target.as_str() {
        "/schemas/ids/7" | "/schemas/guids/0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b" => (200, json!({"schema": "{}"})),
        _ => (404, json!({"error_code": 40403, "message": "Schema not found"})),
    });
    let registry = registry(&stub);
    let guid = uuid::Uuid::parse_str("0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b").expect("a UUID");
    for _ in 0..3 {
        assert!(registry.knows(SchemaId::Id(7)).await.expect("an answer"));
        assert!(registry.knows(SchemaId::Guid(guid)).await.expect("an answer"));
        assert!(!registry.knows(SchemaId::Id(8)).await.expect("an answer"));
        assert!(!registry.knows(SchemaId::Id(u32::MAX)).await.expect("an answer"), "numbers have 31 bits");
    }
    assert_eq!(stub.asked().len(), 5);
}

#[tokio::test]
async fn the_login_is_sent_and_never_shown() {
    let stub = Stub::answering(|_| (401, json!({"message": "who are you?"})));
    let settings = Settings {
        url: stub.url().replace("http://", "http://carol:dogwood@"),
        login: Some(("alice".into(), "open sesame".into())),
        ca: None,
    };
    let registry = Registry::new(&settings).expect("the settings are good");
    let error = registry.ping().await.expect_err("refused");
    let shown = format!("{error} {error:?} {settings:?}");
    for secret in ["open sesame", "alice", "dogwood"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("SCHEMA_REGISTRY_PASSWORD"), "{shown}");
    assert_eq!(stub.asked()[0].header("authorization"), "Basic YWxpY2U6b3BlbiBzZXNhbWU=");
}

#[tokio::test]
async fn a_registry_behind_tls_is_trusted_by_its_own_authority_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let signed = ours.sign("registry", &["IP:127.0.0.1"]);
    let stub = Stub::with_tls(&signed.certificate, &signed.key, |_| (200, json!([])));
    let asked = |ca| async {
        Registry::new(&Settings { url: stub.url(), login: None, ca }).expect("the settings are good").ping().await
    };
    asked(Some(ours.certificate())).await.expect("it is trusted");
    let error = asked(Some(other.certificate())).await.expect_err("it is not trusted");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert_eq!(error.field.as_deref(), Some("SCHEMA_REGISTRY_CA_LOCATION"));
    let wrong_host =
        Settings { url: stub.url().replace("127.0.0.1", "localhost"), login: None, ca: Some(ours.certificate()) };
    let error = Registry::new(&wrong_host).expect("the settings are good").ping().await.expect_err("another name");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    for ca in [signed.key.clone(), folder.path().join("nothing")] {
        let error =
            Registry::new(&Settings { url: stub.url(), login: None, ca: Some(ca) }).err().expect("no authority");
        assert_eq!(error.code, Code::BadConfig, "{error}");
    }
}

#[tokio::test]
async fn a_framed_log_frames_what_is_written_and_nothing_else() {
    let log = Arc::new(Log::new("test", 1, Arc::new(SeededClock::waiting(1))));
    let framed = FramedLog::new(Arc::clone(&log) as _, 7);
    let record = |value: Option<&[u8]>| NewRecord {
        key: Some(b"k".to_vec()),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
        event_id: None,
    };
    framed.append(vec![record(Some(b"{}")), record(None), record(Some(b"\0\0\0\0\x08{}"))]).await.expect("appended");
    let records = framed.read(0, 0, ReadLimit { records: 10, bytes: 1000 }).await.expect("records");
    let values: Vec<_> = records.iter().map(|record| record.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"\0\0\0\0\x07{}"[..]), None, Some(&b"\0\0\0\0\x08{}"[..])]);
    assert_eq!(framed.id(), log.id());
}
