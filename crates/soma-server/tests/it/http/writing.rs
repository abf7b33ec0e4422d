//! Writing: one, many, raw events, replacing, deleting, and doing it twice.

use serde_json::{Value, json};

use crate::harness::Server;

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

fn event(event_id: &str, id: &str, kind: &str) -> Value {
    json!({
        "event_id": event_id, "id": id, "namespace": "demo", "type": kind,
        "timestamp": "2024-01-01T00:00:00.000000Z", "payload": { "text": "raw" },
    })
}

fn event_id(n: u32) -> String {
    format!("0190b8a0-0000-7000-8000-1{n:011}")
}

#[test]
fn a_memory_is_written_read_replaced_and_deleted() {
    let server = Server::start();
    let body = json!({ "namespace": "demo", "id": ID, "payload": { "a": [1, null, "x"] }, "importance": 0.5 });
    let written = server.post("/v1/memories?wait=stored", &body);
    assert_eq!(written.status, 201, "{written:?}");
    let written = written.json();
    assert_eq!((&written["id"], &written["stored"]), (&json!(ID), &json!(true)));

    let read = server.get(&format!("/v1/memories/{ID}"));
    assert_eq!(read.status, 200);
    assert_eq!(read.header("etag"), format!("\"{}\"", written["event_id"].as_str().expect("an id")));
    let memory = read.json();
    assert_eq!(memory["payload"], body["payload"]);
    assert_eq!((&memory["namespace"], &memory["version"]), (&json!("demo"), &json!(1)));
    assert_eq!(memory["importance"], 0.5);
    assert_eq!(memory["model_revision"], Value::Null);

    let replaced = server.send("PUT", &format!("/v1/memories/{ID}?wait=stored"), &[], br#"{"payload":"new"}"#);
    assert_eq!(replaced.status, 200, "{replaced:?}");
    let memory = server.get(&format!("/v1/memories/{ID}")).json();
    assert_eq!(
        (&memory["payload"], &memory["version"], &memory["importance"]),
        (&json!("new"), &json!(2), &Value::Null)
    );

    for _ in 0..2 {
        assert_eq!(server.delete(&format!("/v1/memories/{ID}?wait=stored")).status, 200);
        assert_eq!(server.get(&format!("/v1/memories/{ID}")).code(), "not_found");
    }
    assert_eq!(server.send("PUT", &format!("/v1/memories/{ID}"), &[], br#"{"payload":1}"#).status, 404);
    let history = server.get(&format!("/v1/memories/{ID}/history")).json();
    let types: Vec<&str> =
        history["items"].as_array().expect("a list").iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(types, ["created", "updated", "deleted", "deleted"]);
    assert!(history["items"].as_array().expect("a list").iter().all(|entry| entry["payload"].is_null()), "{history}");
}

#[test]
fn a_deletion_by_selection_waits_for_the_stores() {
    let server = Server::start();
    for round in 0..5 {
        let batch: Vec<Value> = (0..200).map(|n| json!({ "payload": { "n": n, "round": round } })).collect();
        server.post("/v1/memories/batch", &Value::Array(batch));
        let some = "filter=%7B%22field%22%3A%22payload.n%22%2C%22lt%22%3A50%7D";
        let reply = server.delete(&format!("/v1/memories?wait=stored&wait_ms=30000&{some}"));
        let body = reply.json();
        assert_eq!((reply.status, &body["deleted"], &body["stored"]), (200, &json!(50), &json!(true)), "{body}");
        assert_eq!(server.get(&format!("/v1/memories?{some}")).json()["items"], json!([]));
        // Without time to wait it says how far it came, and is durable all the same.
        let reply = server.delete("/v1/memories?namespace=default&wait=stored&wait_ms=0");
        let body = reply.json();
        assert_eq!(body["deleted"], 150, "{body}");
        assert!(
            [(200, json!(true)), (202, json!(false))].contains(&(reply.status, body["stored"].clone())),
            "{reply:?}"
        );
        let position = body["position"].as_str().expect("a position");
        assert_eq!(server.get(&format!("/v1/memories?after={position}&wait_ms=30000")).json()["items"], json!([]));
    }
    let nothing = server.delete("/v1/memories?namespace=default&wait=stored");
    assert_eq!((nothing.status, &nothing.json()["stored"]), (200, &json!(true)));
    let reply = server.delete("/v1/memories?namespace=default");
    assert_eq!((reply.status, reply.json().get("stored")), (200, None));
    assert_eq!(server.delete("/v1/memories?namespace=default&wait=shown").code(), "bad_request");
}

#[test]
fn a_write_is_read_back_after_its_position() {
    let server = Server::start();
    for n in 0..20 {
        let written = server.post("/v1/memories", &json!({ "payload": { "text": format!("fact{n}") } })).json();
        let (id, position) = (&written["id"], written["position"].as_str().expect("a position"));
        let read = server.get(&format!("/v1/memories/{}?after={position}", id.as_str().expect("an id")));
        assert_eq!(read.status, 200, "{read:?}");
        let found = server.post("/v1/recall", &json!({ "query": format!("fact{n}"), "after": position })).json();
        assert_eq!(found["hits"][0]["id"], *id);
    }
}

#[test]
fn a_repeated_key_gives_the_first_answer_again() {
    let server = Server::start();
    let key = [("idempotency-key", "order-66")];
    let first = server.send("POST", "/v1/memories?wait=stored", &key, br#"{"payload":1}"#);
    let again = server.send("POST", "/v1/memories?wait=stored", &key, br#"{ "payload": 1.0 }"#);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.text, again.text);
    assert_eq!((first.header("soma-repeated"), again.header("soma-repeated")), ("", "1"));
    let other = server.send("POST", "/v1/memories", &key, br#"{"payload":2}"#);
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_conflict"));
    let elsewhere = server.send("POST", "/v1/memories", &key, br#"{"payload":1,"namespace":"other"}"#);
    assert_ne!(elsewhere.json()["id"], first.json()["id"]);

    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let target = format!("/v1/memories/{id}?wait=stored");
    let put = |body: &[u8]| server.send("PUT", &target, &[("idempotency-key", "put")], body);
    assert_eq!(put(br#"{"payload":3}"#).json()["event_id"], put(br#"{"payload":3}"#).json()["event_id"]);
    assert_eq!(put(br#"{"payload":4}"#).status, 422);
    assert_eq!(server.get(&format!("/v1/memories/{id}")).json()["version"], 2);
}

#[test]
fn a_batch_answers_every_item_in_order() {
    let server = Server::start();
    let lines =
        b"{\"payload\":1}\n{\"payload\":1,\"bad\":2}\n\nnot json\n{\"payload\":{\"a\":1,\"a\":2}}\n{\"payload\":5}\n";
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "batch-1")];
    let reply = server.send("POST", "/v1/memories/batch?wait=stored", &headers, lines);
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    let of = |n: usize| (body["items"][n]["status"].clone(), body["items"][n]["error"]["code"].clone());
    assert_eq!(of(0), (json!(201), Value::Null));
    assert_eq!(of(1), (json!(422), json!("schema")));
    assert_eq!(body["items"][1]["error"]["field"], "bad");
    assert_eq!(of(2), (json!(400), json!("not_json")));
    assert_eq!(of(3), (json!(400), json!("duplicate_key")));
    assert_eq!(of(4), (json!(201), Value::Null));
    let again = server.send("POST", "/v1/memories/batch?wait=stored", &headers, lines);
    assert_eq!(again.text, reply.text);
    assert_eq!((reply.header("soma-repeated"), again.header("soma-repeated")), ("", "2"));
    assert_eq!(server.get("/v1/stats").json()["memories"], 2);
}

#[test]
fn events_are_taken_as_an_array_as_lines_or_as_one() {
    let server = Server::start();
    let one = event(&event_id(1), ID, "created");
    let two = event(&event_id(2), ID, "updated");
    let three = event(&event_id(3), ID, "deleted");
    let single = server.post("/v1/events", &one);
    assert_eq!((single.status, &single.json()["items"][0]["status"]), (200, &json!(201)), "{single:?}");
    let array = server.post("/v1/events", &json!([one, two, { "event_id": "x" }])).json();
    assert_eq!(array["items"][0]["position"], single.json()["items"][0]["position"]);
    assert_eq!(array["items"][2]["error"]["code"], "schema");
    let lines = format!("{two}\n{three}\n");
    let lines = server.send("POST", "/v1/events?wait=stored", &[], lines.as_bytes()).json();
    assert_eq!(lines["items"][1]["stored"], true, "{lines}");
    let history = server.get(&format!("/v1/memories/{ID}/history")).json();
    assert_eq!(history["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_write_under_an_id_of_another_namespace_is_refused() {
    let server = Server::start();
    let at = |space: &str| json!({ "namespace": space, "payload": 1, "coordinate": "1,2" });
    let (mine, theirs) = (server.post("/v1/memories?wait=stored", &at("demo")), server.post("/v1/memories", &at("b")));
    assert_ne!(mine.json()["id"], theirs.json()["id"]);
    server.post("/v1/events?wait=stored", &event(&event_id(1), ID, "created"));
    let mut foreign = event(&event_id(2), ID, "updated");
    foreign["namespace"] = json!("foreign");
    for target in ["/v1/events", "/v1/events?restore=true"] {
        let reply = server.post(target, &foreign).json();
        assert_eq!(reply["items"][0]["status"], 422, "{reply}");
        assert_eq!(reply["items"][0]["error"]["code"], "namespace_mismatch");
    }
    let written = server.post("/v1/memories", &json!({ "namespace": "foreign", "id": ID, "payload": 1 }));
    assert_eq!((written.status, written.code().as_str()), (422, "namespace_mismatch"));
    assert_eq!(server.get("/v1/status").json()["dead_letters"], 0);
}

#[test]
fn an_event_of_another_namespace_that_came_too_early_to_be_refused_becomes_a_dead_letter_and_the_writer_is_told() {
    let server = Server::start();
    let mut foreign = event(&event_id(2), ID, "updated");
    foreign["namespace"] = json!("foreign");
    let both = json!([event(&event_id(1), ID, "created"), foreign]);
    let reply = server.post("/v1/events?wait=stored", &both).json();
    assert_eq!(reply["items"][0]["status"], 201, "{reply}");
    assert_eq!(reply["items"][1]["status"], 422, "{reply}");
    assert_eq!(reply["items"][1]["error"]["code"], "dead_lettered");
    assert_eq!(server.get("/v1/status").json()["dead_letters"], 1);
    let verified = server.post("/v1/verify", &json!({})).json();
    assert_eq!((&verified["ok"], &verified["dead_letters"]), (&json!(true), &json!(1)), "{verified}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn an_id_of_version_5_is_taken_only_when_it_is_known() {
    const DERIVED: &str = "751bdd46-f7b7-5b31-9d10-f4ab140c8973";
    let server = Server::start();
    let target = format!("/v1/memories/{DERIVED}?namespace=demo");
    for (method, target) in [("PUT", target.as_str()), ("DELETE", target.as_str())] {
        let reply = server.send(method, target, &[], br#"{"payload":1}"#);
        assert_eq!((reply.status, reply.code().as_str()), (422, "schema"), "{method}: {}", reply.text);
        assert_eq!(reply.json()["field"], "id");
    }
    for kind in ["created", "updated", "deleted"] {
        let reply = server.post("/v1/events", &event(&event_id(1), DERIVED, kind)).json();
        assert_eq!(reply["items"][0]["error"]["field"], "id", "{kind}: {reply}");
    }
    let restored = server.post("/v1/events?restore=true&wait=stored", &event(&event_id(1), DERIVED, "created")).json();
    assert_eq!(restored["items"][0]["stored"], true, "{restored}");
    assert_eq!(server.send("PUT", &target, &[], br#"{"payload":1}"#).status, 200);

    // Known from the moment of the answer, though it may not be projected yet.
    for n in 0..20 {
        let key = format!("key{n}");
        let made = server.send("POST", "/v1/memories", &[("idempotency-key", &key)], br#"{"payload":1}"#).json();
        let made = made["id"].as_str().expect("an id").to_owned();
        let reply = server.delete(&format!("/v1/memories/{made}"));
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(server.post("/v1/events?restore=perhaps", &json!([])).code(), "bad_request");
}

#[test]
fn storing_at_a_coordinate_again_replaces_what_was_there() {
    let server = Server::start();
    let text = server.post("/v1/memories?wait=stored", &json!({ "payload": 1, "coordinate": "1.0,2.5" })).json();
    let array = server.post("/v1/memories?wait=stored", &json!({ "payload": 2, "coordinate": [1, 2.5] })).json();
    assert_eq!(text["id"], array["id"]);
    let memory = server.get(&format!("/v1/memories/{}", text["id"].as_str().expect("an id"))).json();
    assert_eq!((&memory["payload"], &memory["version"]), (&json!(2), &json!(2)));
}

#[test]
fn deleting_by_filter_leaves_the_rest() {
    let server = Server::start();
    let items: Vec<Value> = (0..10).map(|n| json!({ "payload": { "n": n } })).collect();
    server.post("/v1/memories/batch?wait=stored", &json!(items));
    assert_eq!(server.delete("/v1/memories").code(), "bad_request");
    // {"field":"payload.n","gte":4}
    let filter = "%7B%22field%22%3A%22payload.n%22%2C%22gte%22%3A4%7D";
    let deleted = server.delete(&format!("/v1/memories?namespace=default&filter={filter}")).json();
    assert_eq!(deleted["deleted"], 6, "{deleted}");
    let position = deleted["position"].as_str().expect("a position");
    let left = server.get(&format!("/v1/memories?order=oldest&after={position}")).json();
    // Items of one batch may share a microsecond, and then stand in the order of their ids.
    let items = left["items"].as_array().expect("a list").iter();
    let mut left: Vec<Option<u64>> = items.map(|memory| memory["payload"]["n"].as_u64()).collect();
    left.sort_unstable();
    assert_eq!(left, [Some(0), Some(1), Some(2), Some(3)]);
}
