//! The crash test: many clients write while the process is killed again and again.
//!
//! A client repeats a request under the same `Idempotency-Key` until it is answered, so it knows for
//! every memory exactly which events it has. In the end records, histories and index must hold those
//! events and no others, each once.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::harness::{PATIENCE, Reply, Server, answer, call, soma};

/// How often the process is killed.
const KILLS: usize = 24;
/// How many clients write.
const CLIENTS: usize = 8;
/// Seed of the moments of the kills and of what clients do.
const SEED: u64 = 0x5eed_0001;
/// How long a client rests before it tries again while nobody listens.
const RETRY: Duration = Duration::from_millis(2);

/// What has to be true of one memory.
#[derive(Default)]
struct Expected {
    /// Its events, in order.
    events: Vec<Value>,
    /// What it holds; `None` once it is deleted.
    payload: Option<Value>,
}

type Memories = BTreeMap<String, Expected>;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

struct Client {
    number: usize,
    api: String,
    agent: Agent,
    random: Random,
    requests: usize,
    memories: Memories,
    /// Memories of this client that are not deleted, for a next write.
    live: Vec<String>,
}

impl Client {
    fn new(number: usize, api: String) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let random = Random(SEED + 1 + number as u64);
        Self { number, api, agent: agent.into(), random, requests: 0, memories: Memories::new(), live: Vec::new() }
    }

    fn run(mut self, stop: &AtomicBool) -> Memories {
        while !stop.load(Ordering::Relaxed) {
            match self.random.below(8) {
                0..3 => self.create(),
                3 => self.batch(),
                4..6 => self.replace(),
                6 => self.forget(),
                _ => self.toggle(),
            }
        }
        self.memories
    }

    /// Repeats a request until it is answered with success.
    fn request(&mut self, method: &str, target: &str, body: &Value) -> Value {
        self.requests += 1;
        let key = format!("client-{}-request-{}", self.number, self.requests);
        let url = format!("{}{target}", self.api);
        loop {
            let sent = call(&self.agent, &url, method, &[("idempotency-key", &key)], body.to_string().as_bytes());
            match sent {
                Ok(reply) if reply.status < 300 => return reply.json(),
                Ok(Reply { status: 503, .. }) | Err(_) => thread::park_timeout(RETRY),
                Ok(reply) => panic!("{method} {target} {body}: {reply:?}"),
            }
        }
    }

    fn payload(&self) -> Value {
        json!({ "text": format!("client{} wrote this as request{}", self.number, self.requests) })
    }

    fn note(&mut self, written: &Value, payload: Option<Value>) {
        let id = written["id"].as_str().expect("a write answers with its id").to_owned();
        let expected = self.memories.entry(id.clone()).or_default();
        expected.events.push(written["event_id"].clone());
        match (&payload, &expected.payload) {
            (Some(_), None) => self.live.push(id),
            (None, Some(_)) => self.live.retain(|live| *live != id),
            (Some(_), Some(_)) | (None, None) => {}
        }
        expected.payload = payload;
    }

    fn create(&mut self) {
        let payload = self.payload();
        let written = self.request("POST", "/v1/memories", &json!({ "payload": payload }));
        self.note(&written, Some(payload));
    }

    fn batch(&mut self) {
        let payloads: Vec<Value> = (0..10).map(|n| json!({ "n": n, "of": self.payload() })).collect();
        let items: Vec<Value> = payloads.iter().map(|payload| json!({ "payload": payload })).collect();
        let written = self.request("POST", "/v1/memories/batch", &json!(items));
        for (written, payload) in written["items"].as_array().expect("a list").iter().zip(payloads) {
            assert_eq!(written["status"], 201, "{written}");
            self.note(written, Some(payload));
        }
    }

    fn some_live(&mut self) -> Option<String> {
        let count = self.live.len() as u64;
        (count > 0).then(|| self.random.below(count)).and_then(|n| self.live.get(usize::try_from(n).ok()?).cloned())
    }

    fn replace(&mut self) {
        let Some(id) = self.some_live() else { return };
        // A memory that a delete preceded is replaced once its new life is stored.
        if self.memories[&id].events.len() > 3 {
            return;
        }
        let payload = self.payload();
        let target = format!("/v1/memories/{id}?namespace=default");
        let written = self.request("PUT", &target, &json!({ "payload": payload }));
        self.note(&written, Some(payload));
    }

    fn forget(&mut self) {
        let Some(id) = self.some_live() else { return };
        let written = self.request("DELETE", &format!("/v1/memories/{id}?namespace=default"), &Value::Null);
        self.note(&written, None);
    }

    /// Creates and deletes one memory again and again.
    fn toggle(&mut self) {
        let id = format!("00000000-0000-4000-8000-{:012x}", self.number);
        if self.memories.get(&id).is_some_and(|expected| expected.payload.is_some()) {
            let written = self.request("DELETE", &format!("/v1/memories/{id}?namespace=default"), &Value::Null);
            self.note(&written, None);
        } else {
            let payload = self.payload();
            let written = self.request("POST", "/v1/memories", &json!({ "id": id, "payload": payload }));
            self.note(&written, Some(payload));
        }
        self.live.retain(|live| *live != id);
    }
}

fn start(data: &Path, port: u16) -> std::process::Command {
    let mut command = soma(data, &["up", "--metrics-port", "0"]);
    command.env("SOMA_API_PORT", port.to_string());
    command
}

/// Kills the process at random moments: while it works, and while it starts.
fn kill_again_and_again(data: &Path, port: u16) {
    let mut random = Random(SEED);
    // Nobody ever sends: waiting for a message is waiting for the moment.
    let (_never, moment) = mpsc::sync_channel::<()>(1);
    for kill in 0..KILLS {
        let wait = Duration::from_millis(5 + random.below(400));
        if kill % 4 == 3 {
            let mut child = start(data, port).stderr(std::process::Stdio::null()).spawn().expect("the binary starts");
            let _ = moment.recv_timeout(wait / 4);
            child.kill().expect("the process can be killed");
            child.wait().expect("the process ends");
        } else {
            let mut server = Server::spawned(start(data, port));
            let _ = moment.recv_timeout(wait);
            server.kill();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_however_often_the_process_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address").port()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (client, stop) = (Client::new(number, format!("http://127.0.0.1:{port}")), Arc::clone(&stop));
            let name = format!("client {number}");
            thread::Builder::new().name(name).spawn(move || client.run(&stop)).expect("a thread")
        })
        .collect();
    kill_again_and_again(&data, port);
    stop.store(true, Ordering::Relaxed);
    let server = Server::spawned(start(&data, port));
    let mut all = Memories::new();
    for client in clients {
        all.extend(client.join().expect("no client met an unexpected answer"));
    }
    check(&server, &all);
    drop(server);
    let report = answer(&data, &["verify"]);
    assert_eq!(report["ok"], true, "{report}");
}

fn check(server: &Server, all: &Memories) {
    let report = server.post("/v1/verify", &json!({ "wait_ms": 30_000 })).json();
    assert_eq!(report["ok"], true, "{report:#}");
    let events: usize = all.values().map(|expected| expected.events.len()).sum();
    let live = all.values().filter(|expected| expected.payload.is_some()).count();
    assert!(events > KILLS, "the clients wrote too little for the kills to mean anything: {events}");
    for (what, count) in [("events", events), ("memories", live), ("deleted", all.len() - live), ("points", live)] {
        assert_eq!(report[what], count, "{what}: {report}");
    }
    for (id, expected) in all {
        let history = server.get(&format!("/v1/memories/{id}/history?limit=1000")).json();
        let events: Vec<&Value> = history["items"].as_array().expect("a list").iter().map(|e| &e["event_id"]).collect();
        assert_eq!(events, expected.events.iter().collect::<Vec<_>>(), "{id}");
        let memory = server.get(&format!("/v1/memories/{id}"));
        match &expected.payload {
            Some(payload) => {
                let memory = memory.json();
                assert_eq!((&memory["payload"], &memory["version"]), (payload, &json!(expected.events.len())), "{id}");
            }
            None => assert_eq!(memory.status, 404, "{id}"),
        }
    }
}
