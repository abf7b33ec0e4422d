//! The tools for agents over the real binary: `/mcp`, and `soma mcp` on standard input and output. A real client
//! plays the whole in `scripts/mcp-smoke`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Reply, Server, lines, soma, text};

/// The method of the protocol that begins, in its own spelling.
const HELLO: &str = concat!("initial", "ize");
const TOKEN: &str = "0123456789abcdef";
const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn initialize() -> Value {
    let client = json!({ "name": "test", "version": "1" });
    request(1, HELLO, &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client }))
}

fn tool(id: u64, name: &str, arguments: &Value) -> Value {
    request(id, "tools/call", &json!({ "name": name, "arguments": arguments }))
}

fn post(server: &Server, target: &str, headers: &[(&str, &str)], message: &Value) -> Reply {
    let all: Vec<_> = HEADERS.iter().chain(headers).copied().collect();
    server.send("POST", target, &all, message.to_string().as_bytes())
}

/// Calls a tool over HTTP.
fn call(server: &Server, headers: &[(&str, &str)], name: &str, arguments: &Value) -> Value {
    let reply = post(server, "/mcp", headers, &tool(7, name, arguments));
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["result"].clone()
}

#[test]
fn a_recall_after_a_remember_sees_it_and_after_a_forget_does_not() {
    let server = Server::start();
    let hello = post(&server, "/mcp", &[], &initialize());
    assert_eq!(hello.json()["result"]["serverInfo"]["name"], "soma");
    assert_eq!(hello.header("mcp-session-id"), "", "there are no sessions to keep");
    let written = call(&server, &[], "remember", &json!({ "text": "the lamp is in the attic" }));
    let id = &written["structuredContent"]["id"];
    let hits = || call(&server, &[], "recall", &json!({ "query": "lamp" }))["structuredContent"]["hits"].clone();
    assert_eq!(&hits()[0]["id"], id);
    assert_eq!(call(&server, &[], "forget", &json!({ "id": id }))["isError"], false);
    assert_eq!(hits(), json!([]));
    let gone = call(&server, &[], "get", &json!({ "id": id }));
    assert_eq!((&gone["isError"], &gone["_meta"]["soma/error"]["code"]), (&json!(true), &json!("not_found")));
}

#[test]
fn what_tools_answer_has_the_shape_that_they_announce() {
    let server = Server::start();
    let listed = post(&server, "/mcp", &[], &request(1, "tools/list", &json!({}))).json();
    let schema = |name: &str| {
        let tools = listed["result"]["tools"].as_array().expect("tools");
        let tool = tools.iter().find(|tool| tool["name"] == name).expect("the tool is listed");
        jsonschema::draft202012::new(&tool["outputSchema"]).expect("a schema")
    };
    let written = call(&server, &[], "remember", &json!({ "text": "the rope is in the boat", "importance": 1 }));
    let id = written["structuredContent"]["id"].clone();
    assert!(schema("remember").is_valid(&written["structuredContent"]), "{written}");
    for (name, arguments) in [
        ("recall", json!({ "query": "rope" })),
        ("get", json!({ "id": id })),
        ("list", json!({ "limit": 1, "order": "importance" })),
        ("history", json!({ "id": id })),
        ("forget", json!({ "id": id })),
        ("history", json!({ "id": id })),
    ] {
        let answer = call(&server, &[], name, &arguments);
        assert!(schema(name).is_valid(&answer["structuredContent"]), "{name}: {answer}");
        assert!(answer["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
}

#[test]
fn the_door_for_agents_obeys_host_origin_and_token() {
    let server = Server::start();
    for (header, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let reply = post(&server, "/mcp", &[(header, value)], &initialize());
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{header}: {value}");
    }
    assert_eq!(server.get("/mcp").status, 405);
    assert_eq!(post(&server, "/mcp?no_such=1", &[], &initialize()).code(), "bad_request");

    let server = Server::start_with(&[("SOMA_API_TOKEN", TOKEN)]);
    assert_eq!(post(&server, "/mcp", &[], &initialize()).code(), "unauthorized");
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(post(&server, "/mcp", &[("authorization", &bearer)], &initialize()).status, 200);
    let foreign = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    assert_eq!(post(&server, "/mcp", &foreign, &initialize()).code(), "forbidden");
}

#[test]
fn an_address_may_name_the_namespace() {
    let server = Server::start();
    let remember = tool(1, "remember", &json!({ "text": "the ladder is in the shed" }));
    assert_eq!(post(&server, "/mcp?namespace=garden", &[], &remember).status, 200);
    let page = server.get("/v1/memories?namespace=garden").json();
    assert_eq!(page["items"][0]["payload"]["text"], "the ladder is in the shed");
}

#[test]
fn standard_output_carries_answers_only_and_it_ends_with_its_input() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut child = soma(directory.path(), &["mcp", "--namespace", "agent", "--log", "trace"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let messages = [
        initialize(),
        json!({ "jsonrpc": "2.0", "method": format!("notifications/{HELLO}d") }),
        tool(2, "remember", &json!({ "text": "the key is under the pot" })),
    ];
    let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
    child.stdin.take().expect("standard input is piped").write_all(lines.as_bytes()).expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answers: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("the protocol alone")).collect();
    let result = |id: u64| answers.iter().find(|answer| answer["id"] == id).map(|answer| answer["result"].clone());
    assert!(result(1).is_some_and(|hello| hello["instructions"].as_str().is_some_and(|text| text.contains("agent"))));
    assert!(result(2).is_some_and(|written| written["structuredContent"]["stored"] == true), "{answers:?}");
    let found = crate::harness::answer(directory.path(), &["recall", "key", "--namespace", "agent"]);
    assert_eq!(found["hits"][0]["payload"]["text"], "the key is under the pot");
    assert!(!text(&output.stderr).contains("under the pot"), "what was remembered is in the log");
}

/// `soma mcp`, spoken to line by line.
struct Agent {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Agent {
    fn on(data: &Path) -> Self {
        let mut command = soma(data, &["mcp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let input = child.stdin.take().expect("standard input is piped");
        let output = lines(child.stdout.take().expect("standard output is piped"));
        Self { child, input, output }
    }

    /// The same, after the greeting.
    fn greeted(data: &Path) -> Self {
        let mut agent = Self::on(data);
        agent.say(&initialize().to_string());
        assert_eq!(agent.hear()["id"], 1);
        agent.say(&json!({ "jsonrpc": "2.0", "method": format!("notifications/{HELLO}d") }).to_string());
        agent
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it is read");
    }

    fn hear(&self) -> Value {
        let line = self.output.recv_timeout(PATIENCE).expect("it answers");
        serde_json::from_str(&line).expect("the protocol alone")
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Value {
        self.say(&tool(7, name, arguments).to_string());
        let answer = self.hear();
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(7), &json!(false)), "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    fn ended(mut self) {
        drop(self.input);
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn a_line_that_is_no_request_is_answered_and_the_next_one_is_served() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut agent = Agent::on(directory.path());
    let long = format!("\"{}\"", "x".repeat(40 << 20));
    // Before the greeting and behind it.
    for round in 0..2 {
        for (line, code, id) in [
            ("no json", -32_700, json!(null)),
            ("{\"jsonrpc\": \"2.0\", \"id\": 3, \"method\"", -32_700, json!(null)),
            ("\u{1}\u{fffd}", -32_700, json!(null)),
            ("[]", -32_600, json!(null)),
            ("17", -32_600, json!(null)),
            ("{\"id\": null}", -32_600, json!(null)),
            ("{\"jsonrpc\": \"2.0\", \"id\": \"a\", \"method\": 1}", -32_600, json!("a")),
            ("{\"jsonrpc\": \"2.0\", \"id\": [1], \"method\": \"tools/list\"}", -32_600, json!(null)),
            ("{\"jsonrpc\": \"2.0\", \"id\": 4, \"method\": \"tools/call\", \"params\": 5}", -32_602, json!(4)),
            (&long, -32_600, json!(null)),
        ] {
            agent.say(line);
            let answer = agent.hear();
            let shown: String = line.chars().take(80).collect();
            assert_eq!((&answer["error"]["code"], answer.get("id")), (&json!(code), Some(&id)), "{shown}: {answer}");
            assert_eq!(answer["jsonrpc"], "2.0");
        }
        // These want no answer: the next one is that of the request behind them.
        agent.say("");
        agent.say("{\"jsonrpc\": \"2.0\", \"id\": null, \"error\": {\"code\": -32700, \"message\": \"echo\"}}");
        if round == 0 {
            agent.say(&initialize().to_string());
            assert_eq!(agent.hear()["result"]["serverInfo"]["name"], "soma");
            agent.say(&json!({ "jsonrpc": "2.0", "method": format!("notifications/{HELLO}d") }).to_string());
        }
    }
    agent.say("{\"jsonrpc\": \"2.0\", \"method\": \"notifications/of-nobody\"}");
    let written = agent.call("remember", &json!({ "text": "the rake is in the shed" }));
    assert_eq!(agent.call("recall", &json!({ "query": "rake" }))["hits"][0]["id"], written["id"]);
    agent.ended();
}

#[test]
fn an_agent_that_asks_all_the_time_lets_a_server_in_and_talks_to_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut agent = Agent::greeted(directory.path());
    let written = agent.call("remember", &json!({ "text": "the saw is in the shed" }));
    let up = AtomicBool::new(false);
    let server = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !up.load(Ordering::Acquire) {
                agent.call("get", &json!({ "id": written["id"] }));
            }
        });
        let server = Server::on(directory.path(), &[]);
        up.store(true, Ordering::Release);
        asking.join().expect("it is answered all the time");
        server
    });
    agent.call("remember", &json!({ "text": "the axe is in the shed" }));
    let found = server.post("/v1/recall", &json!({ "query": "axe" })).json();
    assert_eq!(found["hits"][0]["payload"]["text"], "the axe is in the shed");
    agent.ended();
}
