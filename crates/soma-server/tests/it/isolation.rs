//! Two tenants on one server: whatever one of them asks, on whatever route, no answer carries anything of
//! the other, tells whether it exists, or changes it.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Reply, Server};

const A: &str = "aardvark-0123456789";
const B: &str = "buffalo-0123456789a";
/// SHA-256 of both.
const HASHES: [&str; 2] = [
    "9c8fcb7a9271188b2f56e0f4e7e0d1760ebf6b95e2c3ec2b194e424f05eabb00",
    "dfd3516cc422fe106ae7d156a2c8ebc376502fe287c2a3dad8adb95b1db9bd2c",
];
const UNKNOWN: &str = "0190b8a0-0000-7000-8000-00000000ffff";
const WORDS: &str = "meerkats whisper";

/// A server with a memory of each tenant, and what is known of the first one's.
struct World {
    server: Server,
    /// What no answer to the other tenant may carry.
    facts: Vec<String>,
    ids: Vec<String>,
    event_ids: Vec<String>,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        let line = |name: &str, hash: &str| {
            format!(
                "{{\"name\":\"{name}\",\"sha256\":\"{hash}\",\"rights\":[\"read\",\"write\"],\"namespaces\":[\"tenant-{name}\"],\"prefixes\":[\"tenant-{name}/\"]}}\n"
            )
        };
        fs::write(&tokens, line("a", HASHES[0]) + &line("b", HASHES[1])).expect("a file");
        let settings =
            [("SOMA_API_TOKENS_FILE", tokens.to_str().expect("text")), ("SOMA_MEMORY_NAMESPACE", "tenant-b")];
        let server = Server::start_with(&settings);
        let mut world = Self {
            server,
            facts: vec![WORDS.into(), "tenant-a".into()],
            ids: Vec::new(),
            event_ids: Vec::new(),
            _folder: folder,
        };
        for (namespace, text) in [("tenant-a", WORDS), ("tenant-a/x", "meerkats whisper again")] {
            let body = json!({ "namespace": namespace, "payload": { "text": text }, "importance": 3 });
            let written = world.ask(A, "POST", "/v1/memories?wait=stored", &body).json();
            for (name, known) in [("id", &mut world.ids), ("event_id", &mut world.event_ids)] {
                known.push(written[name].as_str().expect("an id").to_owned());
            }
        }
        world.facts.extend(world.ids.iter().chain(&world.event_ids).cloned());
        let ours = json!({ "namespace": "tenant-b", "payload": { "text": "meerkats of ours" } });
        assert_eq!(world.ask(B, "POST", "/v1/memories?wait=stored", &ours).status, 201);
        world
    }

    fn ask(&self, token: &str, method: &str, target: &str, body: &Value) -> Reply {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream, */*"),
        ];
        self.server.send(method, target, &headers, &body)
    }

    /// Asks as the second tenant. What the request names itself may stand in the answer, nothing else.
    fn probe(&self, method: &str, target: &str, body: &Value) -> Reply {
        let reply = self.ask(B, method, target, body);
        let asked = format!("{} {body}", target.replace("%2F", "/"));
        let answer = format!("{:?} {}", reply.headers, reply.text);
        for fact in self.facts.iter().filter(|fact| !asked.contains(*fact)) {
            assert!(!answer.contains(fact), "{method} {target} {body} tells {fact}: {answer}");
        }
        reply
    }

    /// Everything that the first tenant can see.
    fn seen_by_a(&self) -> Value {
        let page = self.ask(A, "GET", "/v1/memories?namespace_prefix=tenant-a", &Value::Null).json();
        let histories: Vec<Value> = self
            .ids
            .iter()
            .map(|id| self.ask(A, "GET", &format!("/v1/memories/{id}/history"), &Value::Null).json())
            .collect();
        json!({ "page": page["items"], "histories": histories })
    }

    fn event(&self, event_id: &str, id: &str, namespace: &str, kind: &str) -> Value {
        json!({
            "event_id": event_id, "id": id, "namespace": namespace, "type": kind,
            "timestamp": "2026-01-02T03:04:05Z", "payload": { "text": "a stranger was here" },
        })
    }

    /// Bodies that try to reach the other tenant.
    fn bodies(&self, path: &str) -> Vec<Value> {
        let (id, event_id) = (&self.ids[0], &self.event_ids[0]);
        let memory = |more: Value| {
            let mut memory = json!({ "payload": { "text": "a stranger was here" } });
            memory.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            memory
        };
        let memories = [
            memory(json!({ "namespace": "tenant-a" })),
            memory(json!({ "namespace": "tenant-a", "id": id })),
            memory(json!({ "namespace": "tenant-b", "id": id })),
            memory(json!({ "id": id })),
        ];
        match path {
            "/v1/memories" => memories.to_vec(),
            "/v1/memories/batch" => vec![json!(memories)],
            "/v1/memories/{id}" => vec![json!({ "payload": { "text": "a stranger was here" } })],
            "/v1/events" => {
                let all = ["created", "updated", "deleted"].map(|kind| {
                    [
                        self.event(UNKNOWN, id, "tenant-a", kind),
                        self.event(UNKNOWN, id, "tenant-b", kind),
                        self.event(event_id, id, "tenant-b", kind),
                        self.event(event_id, UNKNOWN, "tenant-b", kind),
                    ]
                });
                vec![json!(all.concat())]
            }
            "/v1/recall" => {
                let scopes = [
                    json!({}),
                    json!({ "namespace": "tenant-a" }),
                    json!({ "namespaces": ["tenant-b", "tenant-a"] }),
                    json!({ "namespace_prefix": "" }),
                    json!({ "namespace_prefix": "tenant" }),
                    json!({ "namespace_prefix": "tenant-a" }),
                    json!({ "namespace_prefix": "tenant-a/" }),
                ];
                let question = |scope: Value, mode: &str, filter: Value| {
                    let mut question =
                        json!({ "query": "meerkats", "top_k": 1000, "explain": true, "mode": mode, "filter": filter });
                    question.as_object_mut().expect("an object").extend(scope.as_object().expect("an object").clone());
                    question
                };
                let anything = json!({ "field": "payload.text", "exists": true });
                let either = json!({ "or": [anything.clone(), { "field": "namespace", "exists": true }] });
                let all = scopes.iter().flat_map(|scope| {
                    [("hybrid", Value::Null), ("dense", anything.clone()), ("lexical", either.clone())]
                        .map(|(mode, filter)| question(scope.clone(), mode, filter))
                });
                all.collect()
            }
            _ => vec![json!({})],
        }
    }
}

/// Targets of a documented path: with ids of the other tenant, and with each parameter set to reach it.
fn targets(world: &World, path: &str, operation: &Value) -> Vec<String> {
    let place = "0/0@0";
    let ids = [&*world.ids[0], &*world.ids[1], UNKNOWN];
    let paths: Vec<String> = match path.contains("{id}") {
        true => ids.iter().map(|id| path.replace("{id}", id)).collect(),
        false => vec![path.replace("{source}", &place.replace('/', "%2F")).replace("{part}", "none")],
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let queries = parameters.filter(|p| p["in"] == "query").flat_map(|parameter| {
        let name = parameter["name"].as_str().expect("a name");
        let values: &[&str] = match name {
            "namespace" => &["tenant-a", "tenant-a%2Fx", "tenant-b"],
            "namespace_prefix" | "prefix" => &["", "tenant", "tenant-a", "tenant-a%2F"],
            "limit" => &["1000"],
            "order" => &["oldest", "importance"],
            "filter" => &["%7B%22field%22%3A%22payload.text%22%2C%22exists%22%3Atrue%7D"],
            _ => &[],
        };
        values.iter().map(|value| format!("?{name}={value}")).collect::<Vec<_>>()
    });
    let queries: Vec<String> = std::iter::once(String::new()).chain(queries).collect();
    paths.iter().flat_map(|path| queries.iter().map(move |query| format!("{path}{query}"))).collect()
}

#[test]
fn no_answer_of_any_route_tells_one_tenant_of_the_other_or_changes_what_the_other_sees() {
    let world = World::new();
    let before = world.seen_by_a();
    assert_eq!(before["page"].as_array().map(Vec::len), Some(2));
    let document = world.ask(B, "GET", "/openapi.json", &Value::Null).json();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let method = method.to_uppercase();
            let bodies = if method == "POST" || method == "PUT" { world.bodies(path) } else { vec![Value::Null] };
            for target in targets(&world, path, operation) {
                // Its own namespace is its own to empty.
                let empties_ours = target.contains("namespace=tenant-b") || target.contains("filter=");
                if method == "DELETE" && empties_ours {
                    continue;
                }
                for body in &bodies {
                    let reply = world.probe(&method, &target, body);
                    assert!(reply.status < 500, "{method} {target} {body}: {}", reply.text);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked >= 90, "only {asked} requests were made");
    assert_eq!(world.seen_by_a(), before);
    let ours = world.ask(B, "POST", "/v1/recall", &json!({ "query": "meerkats" })).json();
    assert!(ours["hits"].as_array().is_some_and(|hits| !hits.is_empty()), "the second tenant sees its own: {ours}");
}

#[test]
fn a_memory_of_the_other_tenant_is_answered_like_one_that_nobody_knows() {
    let world = World::new();
    for (method, rest, body) in [
        ("GET", "", Value::Null),
        ("GET", "/history", Value::Null),
        ("PUT", "", json!({ "payload": 1 })),
        ("DELETE", "", Value::Null),
    ] {
        let answer = |id: &str| {
            let reply = world.probe(method, &format!("/v1/memories/{id}{rest}"), &body);
            (reply.status, reply.text.replace(id, "ID"))
        };
        assert_eq!(answer(&world.ids[0]), answer(UNKNOWN), "{method} {rest}");
    }
}

#[test]
fn no_tool_for_agents_tells_one_tenant_of_the_other_or_changes_what_the_other_sees() {
    let world = World::new();
    let before = world.seen_by_a();
    let call = |namespace: &str, name: &str, arguments: &Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": arguments } });
        world.probe("POST", &format!("/mcp{namespace}"), &message)
    };
    let tools = world.probe("POST", "/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).json();
    let tools = tools["result"]["tools"].as_array().expect("tools").clone();
    assert!(tools.len() >= 6, "{tools:?}");
    let id = &world.ids[0];
    for tool in &tools {
        let name = tool["name"].as_str().expect("a name");
        for namespace in ["", "?namespace=tenant-a", "?namespace=tenant-b"] {
            for arguments in [
                json!({}),
                json!({ "id": id }),
                json!({ "id": id, "text": "a stranger was here" }),
                json!({ "text": "a stranger was here", "namespace": "tenant-a" }),
                json!({ "query": "meerkats" }),
                json!({ "query": "meerkats", "namespace": "tenant-a" }),
                json!({ "namespace": "tenant-a" }),
                json!({ "namespace": "tenant-a/x", "limit": 50 }),
                json!({ "prefix": "tenant" }),
            ] {
                let reply = call(namespace, name, &arguments);
                assert!(reply.status < 500, "{name} {arguments}: {}", reply.text);
            }
        }
    }
    for method in ["resources/list", "resources/templates/list", "prompts/list"] {
        world.probe("POST", "/mcp?namespace=tenant-a", &json!({ "jsonrpc": "2.0", "id": 1, "method": method }));
    }
    let read =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": format!("memory://{id}") } });
    world.probe("POST", "/mcp", &read);
    assert_eq!(world.seen_by_a(), before);
}

#[test]
fn pages_hold_no_data_of_anybody() {
    let world = World::new();
    for page in ["/ui", "/ui/app.js", "/docs", "/openapi.json"] {
        let reply = world.server.send("GET", page, &[], b"");
        assert_eq!(reply.status, 200, "{page}");
        assert!(world.facts.iter().all(|fact| !reply.text.contains(fact.as_str())), "{page}");
    }
}
