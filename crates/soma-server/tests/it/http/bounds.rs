//! Requests that are too large, too deep, too many or too slow.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server};

#[test]
fn an_event_beyond_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let server = Server::start_with(&[("SOMA_EVENT_BYTES_MAX", "4096")]);
    let write = |bytes: usize| server.post("/v1/memories", &json!({ "payload": "x".repeat(bytes) }));
    assert_eq!(write(3_000).status, 201);
    let refused = write(5_000);
    assert_eq!((refused.status, refused.code().as_str()), (413, "too_large"));
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let server = Server::start();
    let reply = server.send("POST", "/v1/memories/batch", &[], &vec![b' '; (32 << 20) + 1]);
    assert_eq!((reply.status, reply.code().as_str()), (413, "too_large"));
}

#[test]
fn a_batch_of_too_many_items_is_refused_as_a_whole() {
    let server = Server::start();
    let items = |n: usize| json!(vec![json!({ "payload": 1 }); n]);
    assert_eq!(server.post("/v1/memories/batch", &items(1_000)).status, 200);
    assert_eq!(server.post("/v1/memories/batch", &items(1_001)).code(), "too_large");
    assert_eq!(server.get("/v1/status").json()["partitions"][0]["end"], 1_000);
}

#[test]
fn nesting_beyond_the_limit_is_refused_everywhere() {
    let server = Server::start();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let memory = |levels: usize| format!(r#"{{"payload":{}}}"#, nested(levels));
    let status = |target: &str, body: &str| server.send("POST", target, &[], body.as_bytes()).status;
    assert_eq!(status("/v1/memories", &memory(63)), 201);
    assert_eq!(status("/v1/memories", &memory(64)), 400);
    let item = |body: String| -> Value {
        server.send("POST", "/v1/memories/batch", &[], body.as_bytes()).json()["items"][0]["status"].clone()
    };
    assert_eq!(item(format!("[{}]", memory(63))), 201);
    assert_eq!(item(format!("[{}]", memory(64))), 400);
    // Deep enough to end a parser that recurses.
    assert_eq!(status("/v1/memories", &nested(1_000_000)), 400);
    assert_eq!(status("/v1/recall", &nested(1_000_000)), 400);
    assert_eq!(item(format!("[{}]", nested(1_000_000))), 400);
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn a_client_that_is_slow_with_its_head_is_cut_off_and_others_are_served() {
    let server = Server::start_with(&[("SOMA_API_READ_TIMEOUT_SECONDS", "1")]);
    let mut slow = TcpStream::connect(server.authority()).expect("connects");
    slow.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").expect("sends");
    assert_eq!(server.get("/livez").status, 200);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("the server closes the connection");
    assert!(!answer.contains("200"), "{answer}");
}

#[test]
fn a_client_that_is_slow_with_its_body_is_told_so() {
    let server = Server::start_with(&[("SOMA_API_READ_TIMEOUT_SECONDS", "1")]);
    let mut slow = TcpStream::connect(server.authority()).expect("connects");
    slow.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = "POST /v1/memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{";
    slow.write_all(head.as_bytes()).expect("sends");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("the server answers and closes");
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
}

#[test]
fn beyond_the_connections_allowed_a_client_waits_its_turn() {
    let settings = [("SOMA_API_CONNECTIONS_MAX", "2"), ("SOMA_API_READ_TIMEOUT_SECONDS", "1")];
    let server = Server::start_with(&settings);
    let idle: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect(server.authority()).expect("the queue takes it")).collect();
    // The idle ones lose their places one after the other.
    assert_eq!(server.get("/livez").status, 200);
    drop(idle);
}
