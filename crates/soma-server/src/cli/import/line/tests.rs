use serde_json::{Value, json};

use super::Line;

const EVENT: &str = "0190b8a0-0000-7000-8000-100000000001";

fn exported(updated_at: &str) -> Value {
    json!({
        "id": "0190b8a0-0000-7000-8000-000000000001", "namespace": "demo", "payload": { "a": 1 }, "importance": 2.0,
        "model_revision": null, "created_at": "2024-01-01T00:00:00.000000Z", "updated_at": updated_at, "version": 3,
        "event_id": EVENT,
    })
}

#[test]
fn a_line_is_an_event_a_memory_or_a_payload() {
    assert!(matches!(Line::of(json!({ "event_id": "x", "type": "created" })), Line::Event(_)));
    assert!(matches!(Line::of(exported("2024-01-01T00:00:00.000000Z")), Line::Memory { created: None, .. }));
    for payload in [json!({ "id": 1, "payload": 2 }), json!([1]), json!("text"), json!(null)] {
        assert!(matches!(Line::of(payload), Line::Payload(_)));
    }
}

#[test]
fn a_memory_that_was_changed_is_created_and_then_changed() {
    let Line::Memory { created: Some(created), shown } = Line::of(exported("2024-02-01T00:00:00.000000Z")) else {
        panic!("it is a memory that was changed");
    };
    assert_eq!((&created["type"], &created["timestamp"]), (&json!("created"), &json!("2024-01-01T00:00:00.000000Z")));
    assert_ne!(created["event_id"], EVENT);
    assert_eq!((&shown["type"], &shown["event_id"]), (&json!("updated"), &json!(EVENT)));
    assert_eq!((&shown["importance"], shown.get("model_revision")), (&json!(2.0), None));
}
