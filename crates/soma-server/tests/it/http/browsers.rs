//! What answers tell browsers, and which pages of other origins may read them.

use crate::harness::{Reply, Server};

const OURS: &str = "https://console.example";
const TOKEN: &str = "0123456789abcdef";

fn ask(server: &Server, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    server.send(method, target, headers, b"")
}

fn preflight(server: &Server, origin: &str) -> Reply {
    ask(server, "OPTIONS", "/v1/memories", &[("origin", origin), ("access-control-request-method", "POST")])
}

#[test]
fn every_answer_forbids_guessing_framing_and_keeping() {
    let server = Server::start_with(&[("SOMA_API_TOKEN", TOKEN)]);
    let token = [("authorization", "Bearer 0123456789abcdef")];
    for (target, status) in [
        ("/v1/status", 200),
        ("/v1/memories/x", 422),
        ("/livez", 200),
        ("/readyz", 200),
        ("/nowhere", 404),
        ("/openapi.json", 200),
    ] {
        let reply = ask(&server, "GET", target, &token);
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(reply.header("x-frame-options"), "DENY", "{target}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{target}");
        assert_eq!(reply.header("cache-control"), "no-store", "{target}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{target}");
    }
    let refused = ask(&server, "GET", "/v1/status", &[]);
    assert_eq!((refused.status, refused.header("cache-control")), (401, "no-store"));
    for page in ["/ui", "/docs", "/ui/app.js"] {
        let reply = ask(&server, "GET", page, &[]);
        assert_eq!(reply.header("x-frame-options"), "DENY", "{page}");
        assert_eq!(reply.header("cache-control"), "no-cache", "{page}: it is asked for again, by its ETag");
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"), "{page}: {policy}");
    }
}

#[test]
fn no_page_of_another_origin_reads_anything_unless_its_origin_is_named() {
    let server = Server::start_with(&[("SOMA_API_TOKEN", TOKEN)]);
    assert_eq!(preflight(&server, OURS).header("access-control-allow-origin"), "");
    let read = ask(&server, "GET", "/v1/status", &[("origin", OURS), ("authorization", "Bearer 0123456789abcdef")]);
    assert_eq!(read.header("access-control-allow-origin"), "");

    let server = Server::start_with(&[
        ("SOMA_API_TOKEN", TOKEN),
        ("SOMA_API_CORS_ORIGINS", "https://other.example:8443, https://console.example"),
    ]);
    let asked = preflight(&server, OURS);
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, OURS));
    assert!(asked.header("access-control-allow-headers").contains("authorization"));
    assert!(asked.header("access-control-allow-methods").contains("DELETE"));
    assert_eq!(asked.header("access-control-allow-credentials"), "", "logins of the browser are never asked for");
    let read = ask(&server, "GET", "/v1/status", &[("origin", OURS), ("authorization", "Bearer 0123456789abcdef")]);
    assert_eq!((read.status, read.header("access-control-allow-origin"), read.header("vary")), (200, OURS, "origin"));
    let refused = ask(&server, "GET", "/v1/status", &[("origin", OURS)]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, OURS), "the page may read why");
    for foreign in ["https://evil.example", "http://console.example", "https://console.example.evil", "null"] {
        assert_eq!(preflight(&server, foreign).header("access-control-allow-origin"), "", "{foreign}");
        let read = ask(&server, "GET", "/livez", &[("origin", foreign)]);
        assert_eq!(read.header("access-control-allow-origin"), "", "{foreign}");
    }
}

#[test]
fn without_a_token_a_named_origin_is_let_in_and_others_are_not() {
    let server = Server::start_with(&[("SOMA_API_CORS_ORIGINS", OURS)]);
    assert_eq!(ask(&server, "GET", "/v1/status", &[("origin", OURS)]).status, 200);
    assert_eq!(ask(&server, "GET", "/v1/status", &[("origin", "https://evil.example")]).status, 403);
    assert_eq!(ask(&server, "GET", "/v1/status", &[("origin", OURS), ("host", "evil.example")]).status, 403);
}

#[test]
fn what_is_no_origin_is_a_start_up_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for bad in ["*", "https://", "console.example", "https://a.example/path", "https://*.example"] {
        let mut command = crate::harness::soma(folder.path(), &["config"]);
        let output = command.env("SOMA_API_CORS_ORIGINS", bad).output().expect("the binary runs");
        let said = crate::harness::text(&output.stderr);
        assert!(!output.status.success() && said.contains("SOMA_API_CORS_ORIGINS"), "{bad}: {said}");
    }
}
