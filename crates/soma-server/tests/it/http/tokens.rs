//! Tokens bound to namespaces and rights, and how often one of them may ask.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Reply, Server};

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";
const OURS: &str = "0190b8a0-0000-7000-8000-000000000002";
const READER: &str = "reader-0123456789";
const WRITER: &str = "writer-0123456789";
const OWNER: &str = "owner-0123456789abc";

/// SHA-256 of the three tokens above, in their order.
const HASHES: [&str; 3] = [
    "a0a62125c1103fb8468923c9027cc4902e430e1eb5278f53bf732a955e0c58d8",
    "28c96510ee002d722a3959427a3a2c266fcee2da75b35da285634de3a563f783",
    "5835427521615cd791192a747476df1217ce72c0c8a509ab993ec33a5393cd08",
];

fn file(path: &Path, readers: &str) {
    let [reader, writer, owner] = HASHES;
    let text = format!(
        "# tokens\n{{\"name\":\"reader\",\"sha256\":\"{reader}\",\"rights\":[\"read\"],{readers}}}\n\
         {{\"name\":\"writer\",\"sha256\":\"{writer}\",\"rights\":[\"read\",\"write\"],\"namespaces\":[\"team/a\"]}}\n\
         {{\"name\":\"owner\",\"sha256\":\"{owner}\",\"rights\":[\"read\",\"write\",\"admin\"],\"prefixes\":[\"\"]}}\n"
    );
    fs::write(path, text).expect("the file can be written");
}

struct World {
    server: Server,
    folder: tempfile::TempDir,
}

impl World {
    /// A memory in `team/a`, and one in `secret`.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        file(&path, "\"prefixes\":[\"team/\"]");
        let server = Server::start_with(&[("SOMA_API_TOKENS_FILE", path.to_str().expect("text"))]);
        let world = Self { server, folder };
        for (id, namespace) in [(OURS, "team/a"), (ID, "secret")] {
            let body = json!({ "id": id, "namespace": namespace, "payload": { "text": "apple" } });
            assert_eq!(world.ask(OWNER, "POST", "/v1/memories?wait=stored", &body).status, 201);
        }
        world
    }

    fn ask(&self, token: &str, method: &str, target: &str, body: &Value) -> Reply {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.server.send(method, target, &[("authorization", &format!("Bearer {token}"))], &body)
    }

    fn get(&self, token: &str, target: &str) -> Reply {
        self.ask(token, "GET", target, &Value::Null)
    }
}

#[test]
fn every_route_holds_the_right_and_the_namespace_against_the_token() {
    let world = World::new();
    let memory = |namespace: &str| json!({ "namespace": namespace, "payload": 1 });
    let cases: &[(&str, &str, String, Value, u16)] = &[
        (READER, "POST", "/v1/memories".into(), memory("team/a"), 403),
        (WRITER, "POST", "/v1/memories".into(), memory("team/a"), 201),
        (WRITER, "POST", "/v1/memories".into(), memory("secret"), 403),
        (WRITER, "POST", "/v1/memories".into(), json!({ "payload": 1 }), 403),
        (READER, "GET", format!("/v1/memories/{OURS}"), Value::Null, 200),
        (READER, "GET", format!("/v1/memories/{ID}"), Value::Null, 404),
        (READER, "GET", format!("/v1/memories/{OURS}/history"), Value::Null, 200),
        (READER, "GET", format!("/v1/memories/{ID}/history"), Value::Null, 404),
        (READER, "PUT", format!("/v1/memories/{OURS}"), json!({ "payload": 1 }), 403),
        (WRITER, "PUT", format!("/v1/memories/{OURS}"), json!({ "payload": { "text": "apple" } }), 200),
        (WRITER, "PUT", format!("/v1/memories/{ID}"), json!({ "payload": 1 }), 404),
        (WRITER, "DELETE", format!("/v1/memories/{ID}"), Value::Null, 404),
        (WRITER, "DELETE", format!("/v1/memories/{ID}?namespace=secret"), Value::Null, 403),
        (READER, "GET", "/v1/memories?namespace=team/b".into(), Value::Null, 200),
        (READER, "GET", "/v1/memories?namespace=secret".into(), Value::Null, 403),
        (READER, "GET", "/v1/memories".into(), Value::Null, 403),
        (WRITER, "DELETE", "/v1/memories?namespace=secret".into(), Value::Null, 403),
        (READER, "POST", "/v1/recall".into(), json!({ "query": "apple", "namespaces": ["team/a", "secret"] }), 403),
        (READER, "GET", "/v1/stats".into(), Value::Null, 403),
        (OWNER, "GET", "/v1/stats".into(), Value::Null, 200),
        (READER, "GET", "/v1/status".into(), Value::Null, 200),
        (WRITER, "POST", "/v1/verify".into(), json!({}), 403),
        (OWNER, "POST", "/v1/verify".into(), json!({}), 200),
        (WRITER, "GET", "/metrics".into(), Value::Null, 403),
        (WRITER, "POST", "/v1/events?restore=true".into(), json!([]), 403),
        ("unknown-0123456789", "GET", "/v1/status".into(), Value::Null, 401),
    ];
    for (token, method, target, body, status) in cases {
        let reply = world.ask(token, method, target, body);
        assert_eq!(reply.status, *status, "{token} {method} {target}: {}", reply.text);
    }
    let batch = world.ask(WRITER, "POST", "/v1/memories/batch", &json!([memory("team/a"), memory("secret")])).json();
    assert_eq!((&batch["items"][0]["status"], &batch["items"][1]["status"]), (&json!(201), &json!(403)));
    let event = json!({
        "event_id": ID, "id": ID, "namespace": "secret", "type": "deleted", "payload": null,
        "timestamp": "2024-01-01T00:00:00Z",
    });
    let events = world.ask(WRITER, "POST", "/v1/events", &json!([event])).json();
    assert_eq!(events["items"][0]["error"]["code"], "forbidden");
    assert_eq!(world.get(OWNER, &format!("/v1/memories/{ID}")).status, 200);
}

#[test]
fn what_spans_namespaces_shows_those_of_the_token_only() {
    let world = World::new();
    let namespaces = world.get(READER, "/v1/namespaces").json();
    assert_eq!(namespaces["items"], json!([{ "namespace": "team/a", "memories": 1 }]));
    let listed = |token| world.get(token, "/v1/memories?namespace_prefix=").json()["items"].as_array().map(Vec::len);
    assert_eq!((listed(READER), listed(OWNER)), (Some(1), Some(2)));
    let found = |token, prefix: &str| {
        let question = json!({ "query": "apple", "namespace_prefix": prefix });
        world.ask(token, "POST", "/v1/recall", &question).json()["hits"].as_array().map(Vec::len)
    };
    assert_eq!((found(WRITER, ""), found(OWNER, ""), found(READER, "sec")), (Some(1), Some(2), Some(0)));
}

#[test]
fn a_changed_file_counts_without_a_restart_and_a_broken_one_changes_nothing() {
    let world = World::new();
    let path = world.folder.path().join("tokens");
    assert_eq!(world.get(READER, "/v1/memories?namespace=secret").status, 403);
    fs::write(&path, "not a token\n").expect("the file can be written");
    world.server.wait_for_log("line 1 of the tokens file");
    assert_eq!(world.get(READER, "/v1/memories?namespace=team/a").status, 200);
    file(&path, "\"namespaces\":[\"secret\"]");
    world.server.wait_for_log("the tokens file was read again");
    assert_eq!(world.get(READER, "/v1/memories?namespace=secret").status, 200);
    assert_eq!(world.get(READER, "/v1/memories?namespace=team/a").status, 403);
}

#[test]
fn whoever_asks_too_often_is_told_when_to_ask_again_and_others_are_served() {
    let settings =
        [("SOMA_API_TOKEN", OWNER), ("SOMA_RATE_LIMIT_MAX", "3"), ("SOMA_RATE_LIMIT_WINDOW_SECONDS", "86400")];
    let server = Server::start_with(&settings);
    let ask = |headers: &[(&str, &str)]| server.send("GET", "/v1/status", headers, b"");
    let owner = format!("Bearer {OWNER}");
    let owner = [("authorization", owner.as_str())];
    assert_eq!([ask(&owner).status, ask(&owner).status, ask(&owner).status], [200; 3]);
    let refused = ask(&owner);
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=86_400).contains(&seconds)));
    assert_eq!([ask(&[]).status, ask(&[]).status, ask(&[]).status, ask(&[]).status], [401, 401, 401, 429]);
    assert_eq!(server.get("/readyz").status, 200);
}
