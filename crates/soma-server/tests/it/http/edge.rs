//! What stands around the routes: bytes that are no text, foreign hosts, a half-sent request at the end,
//! what a browser may keep.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::harness::{PATIENCE, Server};

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

/// Sends these bytes and reads until the server closes.
fn raw(authority: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(authority).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(bytes).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers and closes");
    answer
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_parameter() {
    let server = Server::start();
    let ask = |target: &str| {
        raw(
            server.authority(),
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    };
    let query = ask("/v1/memories?namespace=%ff");
    assert!(query.starts_with("HTTP/1.1 400") && query.contains(r#""field":"namespace""#), "{query}");
    assert!(ask("/v1/memories?namespace=%C3%A9").starts_with("HTTP/1.1 200"));
    let path = ask("/v1/memories/%ff");
    assert!(path.starts_with("HTTP/1.1 422") && path.contains("application/problem+json"), "{path}");
    let source = ask("/v1/dead-letters/%ff");
    assert!(source.starts_with("HTTP/1.1 400") && source.contains(r#""field":"source""#), "{source}");
}

#[test]
fn a_foreign_host_reaches_no_route_of_any_port() {
    let server = Server::start();
    let metrics = server.metrics.strip_prefix("http://").expect("an address").to_owned();
    for (authority, target) in [
        (server.authority(), "/v1/status"),
        (server.authority(), "/readyz"),
        (server.authority(), "/openapi.json"),
        (server.authority(), "/docs"),
        (&*metrics, "/metrics"),
        (&*metrics, "/readyz"),
    ] {
        let head = |host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let foreign = raw(authority, head("evil.example").as_bytes());
        assert!(foreign.starts_with("HTTP/1.1 403") && foreign.contains("forbidden"), "{target}: {foreign}");
        assert!(raw(authority, head("localhost").as_bytes()).starts_with("HTTP/1.1 200"), "{target}");
    }
}

#[test]
fn a_request_that_never_arrives_does_not_hold_up_the_end() {
    let settings = [("SOMA_API_READ_TIMEOUT_SECONDS", "300"), ("SOMA_SHUTDOWN_TIMEOUT_SECONDS", "600")];
    let mut server = Server::start_with(&settings);
    let heads: [&[u8]; 2] = [
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /v1/memories HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    ];
    let halves: Vec<TcpStream> = heads
        .iter()
        .map(|head| {
            let mut stream = TcpStream::connect(server.authority()).expect("connects");
            stream.write_all(head).expect("sends");
            stream
        })
        .collect();
    assert_eq!(server.get("/livez").status, 200);
    server.signal("TERM");
    // The bounds above are beyond the patience of the tests: only cutting them off ends it in time.
    assert!(server.ended().success());
    drop(halves);
}

#[test]
fn what_the_caller_holds_already_is_not_sent_again() {
    let server = Server::start();
    server.post("/v1/memories?wait=stored", &json!({ "id": ID, "payload": 1 }));
    for target in [format!("/v1/memories/{ID}"), "/docs".to_owned(), "/docs/page.js".to_owned()] {
        let first = server.get(&target);
        let etag = first.header("etag").to_owned();
        for held in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let again = server.send("GET", &target, &[("if-none-match", &held)], b"");
            assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", &*etag), "{target}");
        }
        assert_eq!(server.send("GET", &target, &[("if-none-match", "\"x\"")], b"").status, 200);
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_runs_no_text_of_its_own() {
    let server = Server::start();
    for target in ["/docs", "/docs/page.js", "/docs/page.css"] {
        let part = server.get(target);
        assert_eq!((part.status, part.header("x-content-type-options")), (200, "nosniff"));
        let policy = part.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!part.text.contains("://") && !part.text.contains("innerHTML"), "{target} names another place");
    }
    let page = server.get("/docs").text;
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="), "{page}");
}
