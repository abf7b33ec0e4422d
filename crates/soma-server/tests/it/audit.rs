//! The audit log: a line for every write, delete, recall and refused access, and no word of a memory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Reply, Server, soma, text};

const WRITER: &str = "writer-0123456789";
/// SHA-256 of that token.
const HASH: &str = "28c96510ee002d722a3959427a3a2c266fcee2da75b35da285634de3a563f783";
const OWNER: &str = "0123456789abcdef";
const ID: &str = "0190b8a0-0000-7000-8000-000000000001";
const WORDS: &str = "the lighthouse keeper";

struct World {
    server: Server,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        let line = format!(
            "{{\"name\":\"ci\",\"sha256\":\"{HASH}\",\"rights\":[\"read\",\"write\"],\"namespaces\":[\"demo\"]}}\n"
        );
        fs::write(&tokens, line).expect("a file");
        let log = folder.path().join("audit.jsonl");
        let server = Server::start_with(&[
            ("SOMA_API_TOKENS_FILE", tokens.to_str().expect("text")),
            ("SOMA_API_TOKEN", OWNER),
            ("SOMA_AUDIT_LOG", log.to_str().expect("text")),
        ]);
        Self { server, folder }
    }

    fn ask(&self, token: &str, method: &str, target: &str, body: &Value) -> Reply {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.server.send(method, target, &[("authorization", &format!("Bearer {token}"))], &body)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("audit.jsonl")).expect("the audit log")
    }

    /// What is noted from a line on, without time and address.
    fn noted(&self) -> Vec<Value> {
        lines(&self.log())
    }
}

fn lines(log: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a line is JSON");
        let fields = line.as_object_mut().expect("an object");
        let time = fields.remove("time").expect("a time");
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 27), "{time}");
        fields.remove("from");
        line
    };
    log.lines().map(line).collect()
}

fn entry(who: &Value, what: [&str; 4], namespaces: &Value, result: (u16, &str)) -> Value {
    let [action, method, route, target] = what;
    json!({
        "who": who, "action": action, "method": method, "route": route, "target": target,
        "namespaces": namespaces, "status": result.0, "result": result.1,
    })
}

#[test]
fn writes_deletes_recalls_and_refusals_are_noted_with_who_what_where_and_how_they_ended() {
    let world = World::new();
    let memory = json!({ "id": ID, "namespace": "demo", "payload": { "text": WORDS } });
    let at = format!("/v1/memories/{ID}");
    assert_eq!(world.ask(WRITER, "POST", "/v1/memories?wait=stored", &memory).status, 201);
    assert_eq!(world.ask(WRITER, "GET", &at, &Value::Null).status, 200);
    assert_eq!(
        world.ask(OWNER, "PUT", &format!("{at}?wait=stored"), &json!({ "payload": { "text": WORDS } })).status,
        200
    );
    let question = json!({ "query": WORDS, "namespace": "demo" });
    assert_eq!(world.ask(WRITER, "POST", "/v1/recall", &question).status, 200);
    assert_eq!(world.ask(WRITER, "POST", "/v1/recall", &json!({ "query": WORDS, "namespace": "other" })).status, 403);
    assert_eq!(world.ask("nobody-0123456789", "GET", &at, &Value::Null).status, 401);
    assert_eq!(world.ask(WRITER, "POST", "/v1/verify", &json!({})).status, 403);
    let batch = json!([{ "namespace": "demo", "payload": 1 }, { "namespace": "other", "payload": 2 }]);
    assert_eq!(world.ask(OWNER, "POST", "/v1/memories/batch", &batch).status, 200);
    assert_eq!(world.ask(OWNER, "DELETE", &at, &Value::Null).status, 200);
    assert_eq!(world.ask(WRITER, "DELETE", "/v1/memories?namespace=demo", &Value::Null).status, 200);
    let prefix = json!({ "query": WORDS, "namespace_prefix": "de" });
    assert_eq!(world.ask(OWNER, "POST", "/v1/recall", &prefix).status, 200);

    let (ci, owner, nobody) = (json!("ci"), json!("SOMA_API_TOKEN"), Value::Null);
    let (create, one) = ("/v1/memories", "/v1/memories/{id}");
    let mut wanted = vec![
        entry(&ci, ["write", "POST", create, create], &json!(["demo"]), (201, "ok")),
        entry(&owner, ["write", "PUT", one, &at], &json!(["demo"]), (200, "ok")),
        entry(&ci, ["recall", "POST", "/v1/recall", "/v1/recall"], &json!(["demo"]), (200, "ok")),
        entry(&ci, ["recall", "POST", "/v1/recall", "/v1/recall"], &json!(["other"]), (403, "forbidden")),
        entry(&nobody, ["read", "GET", one, &at], &json!([]), (401, "unauthorized")),
        entry(&ci, ["operate", "POST", "/v1/verify", "/v1/verify"], &json!([]), (403, "forbidden")),
        entry(
            &owner,
            ["write", "POST", "/v1/memories/batch", "/v1/memories/batch"],
            &json!(["demo", "other"]),
            (200, "ok"),
        ),
        entry(&owner, ["delete", "DELETE", one, &at], &json!(["demo"]), (200, "ok")),
        entry(&ci, ["delete", "DELETE", create, create], &json!(["demo"]), (200, "ok")),
        entry(&owner, ["recall", "POST", "/v1/recall", "/v1/recall"], &json!([]), (200, "ok")),
    ];
    wanted.last_mut().expect("a line")["prefixes"] = json!(["de"]);
    assert_eq!(world.noted(), wanted);
    let log = world.log();
    for secret in [WORDS, WRITER, OWNER, "nobody-0123456789", HASH] {
        assert!(!log.contains(secret), "{secret} stands in {log}");
    }
    assert!(log.lines().all(|line| line.contains("\"from\":\"127.0.0.1\"")), "{log}");
}

#[test]
fn what_an_agent_does_through_its_tools_is_noted_under_its_name() {
    let world = World::new();
    let arguments = json!({ "text": WORDS, "namespace": "demo" });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "remember", "arguments": arguments } });
    let bearer = format!("Bearer {WRITER}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    let reply = world.server.send("POST", "/mcp", &headers, call.to_string().as_bytes());
    assert_eq!(reply.json()["result"]["isError"], false, "{}", reply.text);
    let noted = world.noted();
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!(
        (&noted[0]["who"], &noted[0]["action"], &noted[0]["namespaces"]),
        (&json!("ci"), &json!("write"), &json!(["demo"]))
    );
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let world = World::new();
    let write = || world.ask(WRITER, "POST", "/v1/memories", &json!({ "namespace": "demo", "payload": 1 })).status;
    assert_eq!(write(), 201);
    let path = world.folder.path().join("audit.jsonl");
    fs::rename(&path, world.folder.path().join("audit.1")).expect("moved");
    assert_eq!(write(), 201);
    assert_eq!(
        (world.noted().len(), lines(&fs::read_to_string(world.folder.path().join("audit.1")).expect("a file")).len()),
        (1, 1)
    );
}

#[test]
fn standard_output_gets_the_same_lines_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("stdout");
    let mut command = soma(&folder.path().join("data"), &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0").env("SOMA_API_TOKEN", OWNER);
    command.env("SOMA_AUDIT_LOG", "stdout");
    command.stdout(fs::File::create(&out).expect("a file"));
    let mut server = Server::spawned_with(command);
    let ask = |token: &str, method: &str, target: &str, body: &Value| {
        let headers = [("authorization", &*format!("Bearer {token}"))];
        server.send(method, target, &headers, body.to_string().as_bytes()).status
    };
    let memory = json!({ "id": ID, "namespace": "demo", "payload": { "text": WORDS } });
    let at = format!("/v1/memories/{ID}");
    assert_eq!(ask(OWNER, "POST", "/v1/memories?wait=stored", &memory), 201);
    // The line is there before the answer is.
    assert_eq!(lines(&fs::read_to_string(&out).expect("its output")).len(), 1);
    assert_eq!(ask(OWNER, "POST", "/v1/recall", &json!({ "query": WORDS, "namespace": "demo" })), 200);
    assert_eq!(ask(WRITER, "GET", &at, &Value::Null), 401);
    assert_eq!(ask(OWNER, "DELETE", &at, &Value::Null), 200);
    server.stopped();

    let log = fs::read_to_string(&out).expect("its output");
    let (owner, nobody) = (json!("SOMA_API_TOKEN"), Value::Null);
    let wanted = vec![
        entry(&owner, ["write", "POST", "/v1/memories", "/v1/memories"], &json!(["demo"]), (201, "ok")),
        entry(&owner, ["recall", "POST", "/v1/recall", "/v1/recall"], &json!(["demo"]), (200, "ok")),
        entry(&nobody, ["read", "GET", "/v1/memories/{id}", &at], &json!([]), (401, "unauthorized")),
        entry(&owner, ["delete", "DELETE", "/v1/memories/{id}", &at], &json!(["demo"]), (200, "ok")),
    ];
    assert_eq!(lines(&log), wanted, "every line of standard output is one of the audit log: {log}");
    for secret in [WORDS, WRITER, OWNER] {
        assert!(!log.contains(secret), "{secret} stands in {log}");
    }
}

#[test]
fn a_line_that_cannot_be_written_is_loud_and_takes_no_request_back() {
    // A device without any space.
    let full = "/dev/full";
    if !Path::new(full).exists() {
        return;
    }
    let server = Server::start_with(&[("SOMA_AUDIT_LOG", full)]);
    let reply = server.post("/v1/memories?wait=stored", &json!({ "payload": 1 }));
    assert_eq!(reply.status, 201, "{}", reply.text);
    server.wait_for_log("a line of the audit log could not be written");
    assert_eq!(server.get(&format!("/v1/memories/{}", reply.json()["id"].as_str().expect("an id"))).status, 200);
}

#[test]
fn a_log_that_cannot_be_opened_is_a_start_up_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = soma(&folder.path().join("data"), &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0");
    let output = command.env("SOMA_AUDIT_LOG", folder.path().join("no/such/folder")).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("SOMA_AUDIT_LOG"), "{}", text(&output.stderr));
}
