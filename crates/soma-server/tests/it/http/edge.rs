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
        (server.authority(), "/ui"),
        (server.authority(), "/ui/app.js"),
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
    server.post("/v1/memories?wait=stored&wait_ms=30000", &json!({ "id": ID, "payload": 1 }));
    for target in [format!("/v1/memories/{ID}"), "/docs".to_owned(), "/ui/app.js".to_owned()] {
        let first = server.get(&target);
        let etag = first.header("etag").to_owned();
        for held in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let again = server.send("GET", &target, &[("if-none-match", &held)], b"");
            assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", &*etag), "{target}");
        }
        assert_eq!(server.send("GET", &target, &[("if-none-match", "\"x\"")], b"").status, 200);
    }
}

/// Every page with the parts that the document says it has.
fn parts(server: &Server) -> Vec<String> {
    let document = server.get("/openapi.json").json();
    let mut all = Vec::new();
    for page in ["/docs", "/ui"] {
        let names = &document["paths"][format!("{page}/{{part}}")]["get"]["parameters"][0]["schema"]["enum"];
        let names = names.as_array().expect("the parts of a page are named");
        assert!(!names.is_empty(), "{page} has no parts");
        all.push(page.to_owned());
        all.extend(names.iter().map(|name| format!("{page}/{}", name.as_str().expect("a name"))));
    }
    all
}

#[test]
fn pages_load_nothing_from_elsewhere_run_no_text_of_their_own_and_make_no_markup() {
    let server = Server::start();
    for target in parts(&server) {
        let part = server.get(&target);
        assert_eq!((part.status, part.header("x-content-type-options")), (200, "nosniff"), "{target}");
        let policy = part.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.ends_with("require-trusted-types-for 'script'"), "{policy}");
        for word in ["://", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("] {
            assert!(!part.text.contains(word), "{target} has {word}");
        }
    }
    for page in ["/docs", "/ui"] {
        let text = server.get(page).text;
        assert!(!text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick="), "{text}");
    }
}

#[test]
fn a_page_asks_for_nothing_that_is_not_there() {
    let server = Server::start();
    let served = parts(&server);
    for target in &served {
        let text = server.get(target).text;
        let folder = if target.starts_with("/ui") { "/ui/" } else { "/docs/" };
        let quoted = text.split('"').skip(1).step_by(2);
        let asked = quoted.filter_map(|name| name.strip_prefix("./").or_else(|| name.strip_prefix(folder)));
        for name in asked {
            assert!(served.contains(&format!("{folder}{name}")), "{target} asks for {name}");
        }
    }
    for target in ["/ui/none.js", "/ui/", "/docs/ui.css", "/ui/%75i.css"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
}

#[test]
fn a_page_is_open_where_memories_need_a_token() {
    let server = Server::start_with(&[("SOMA_API_TOKEN", "a-token-of-the-tests")]);
    let ask = |target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        raw(server.authority(), head.as_bytes())
    };
    assert!(ask("/ui").starts_with("HTTP/1.1 200") && ask("/ui/app.js").starts_with("HTTP/1.1 200"));
    assert!(ask("/v1/status").starts_with("HTTP/1.1 401"));
}
