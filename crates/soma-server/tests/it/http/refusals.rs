//! Refusals: every one a problem with a stable code, at its field.

use serde_json::Value;

use crate::harness::Server;

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

/// Method, target, body, status, code, field.
type Case = (&'static str, &'static str, &'static str, u16, &'static str, Option<&'static str>);

const CASES: &[Case] = &[
    ("GET", "/nothing", "", 404, "not_found", None),
    ("PATCH", "/v1/memories", "", 405, "method_not_allowed", None),
    ("GET", "/v1/recall", "", 405, "method_not_allowed", None),
    ("POST", "/livez", "", 405, "method_not_allowed", None),
    ("POST", "/v1/memories", "", 400, "not_json", None),
    ("POST", "/v1/memories", "{", 400, "not_json", None),
    ("POST", "/v1/memories", "[]", 422, "schema", None),
    ("POST", "/v1/memories", "{}", 422, "schema", Some("payload")),
    ("POST", "/v1/memories", r#"{"payload":1,"colour":2}"#, 422, "schema", Some("colour")),
    ("POST", "/v1/memories", r#"{"payload":1,"namespace":""}"#, 422, "schema", Some("namespace")),
    ("POST", "/v1/memories", r#"{"payload":1,"namespace":7}"#, 422, "schema", Some("namespace")),
    ("POST", "/v1/memories", r#"{"payload":1,"id":"x"}"#, 422, "schema", Some("id")),
    ("POST", "/v1/memories", r#"{"payload":1,"id":"751bdd46-f7b7-5b31-9d10-f4ab140c8973"}"#, 422, "schema", Some("id")),
    ("POST", "/v1/memories", r#"{"payload":1,"importance":-1}"#, 422, "schema", Some("importance")),
    ("POST", "/v1/memories", r#"{"payload":1,"importance":"high"}"#, 422, "schema", Some("importance")),
    ("POST", "/v1/memories", r#"{"payload":1,"embedding":["a"]}"#, 422, "schema", Some("embedding")),
    ("POST", "/v1/memories", r#"{"payload":1,"coordinate":"north"}"#, 422, "schema", Some("coordinate")),
    ("POST", "/v1/memories", r#"{"payload":"\u0000"}"#, 400, "nul_character", Some("payload")),
    ("POST", "/v1/memories", r#"{"payload":1e999}"#, 400, "number_range", Some("payload")),
    ("POST", "/v1/memories", r#"{"payload":{"a":1,"a":2}}"#, 400, "duplicate_key", Some("payload.a")),
    ("POST", "/v1/memories?wait=soon", r#"{"payload":1}"#, 400, "bad_request", Some("wait")),
    ("POST", "/v1/memories?colour=1", r#"{"payload":1}"#, 400, "bad_request", Some("colour")),
    ("POST", "/v1/memories?wait_ms=1&wait_ms=2", r#"{"payload":1}"#, 400, "bad_request", Some("wait_ms")),
    ("POST", "/v1/memories/batch", "", 400, "not_json", None),
    ("POST", "/v1/memories/batch", "[1,", 400, "not_json", None),
    ("GET", "/v1/memories?limit=1001", "", 400, "bad_request", Some("limit")),
    ("GET", "/v1/memories?limit=0", "", 400, "bad_request", Some("limit")),
    ("GET", "/v1/memories?order=best", "", 400, "bad_request", Some("order")),
    ("GET", "/v1/memories?cursor=x", "", 400, "bad_position", Some("cursor")),
    ("GET", "/v1/memories?filter=%7B", "", 400, "bad_filter", Some("filter")),
    ("GET", "/v1/memories/x", "", 422, "schema", Some("id")),
    ("GET", "/v1/memories/0190b8a0-0000-7000-8000-00000000ffff", "", 404, "not_found", None),
    (
        "PUT",
        "/v1/memories/0190b8a0-0000-7000-8000-00000000ffff",
        r#"{"payload":1}"#,
        404,
        "not_found",
        Some("namespace"),
    ),
    ("DELETE", "/v1/memories/0190b8a0-0000-7000-8000-00000000ffff", "", 404, "not_found", Some("namespace")),
    ("POST", "/v1/recall", "{}", 400, "bad_request", Some("query")),
    ("POST", "/v1/recall", r#"{"query":"a","embedding":[1]}"#, 400, "bad_request", Some("embedding")),
    ("POST", "/v1/recall", r#"{"query":"a","top_k":0}"#, 400, "bad_request", Some("top_k")),
    ("POST", "/v1/recall", r#"{"query":"a","top_k":1001}"#, 400, "bad_request", Some("top_k")),
    ("POST", "/v1/recall", r#"{"query":"a","mode":"psychic"}"#, 400, "bad_request", Some("mode")),
    ("POST", "/v1/recall", r#"{"query":"a","namespaces":[]}"#, 400, "bad_request", Some("namespaces")),
    (
        "POST",
        "/v1/recall",
        r#"{"query":"a","namespace":"x","namespace_prefix":"y"}"#,
        400,
        "bad_request",
        Some("namespace"),
    ),
    ("POST", "/v1/recall", r#"{"query":"a","wait_ms":30001}"#, 400, "bad_request", Some("wait_ms")),
    ("POST", "/v1/recall", r#"{"query":"a","after":"x"}"#, 400, "bad_position", None),
    ("POST", "/v1/recall", r#"{"query":"a","limit":3}"#, 422, "schema", Some("limit")),
];

#[test]
fn every_refusal_is_a_problem_with_a_stable_code() {
    let server = Server::start();
    for &(method, target, body, status, code, field) in CASES {
        let reply = server.send(method, target, &[], body.as_bytes());
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{method} {target} {body}: {}", reply.text);
        if let Some(field) = field {
            assert_eq!(reply.json()["field"], field, "{method} {target} {body}: {}", reply.text);
        }
    }
    assert_eq!(server.get("/v1/stats").json()["events"], 0);
}

#[test]
fn a_precondition_is_refused_rather_than_ignored() {
    let server = Server::start();
    for (method, target) in [("PUT", format!("/v1/memories/{ID}")), ("DELETE", format!("/v1/memories/{ID}"))] {
        let reply = server.send(method, &target, &[("if-match", "\"x\"")], br#"{"payload":1}"#);
        assert_eq!((reply.status, reply.code().as_str()), (400, "precondition_unsupported"));
    }
}

#[test]
fn an_empty_or_endless_idempotency_key_is_refused() {
    let server = Server::start();
    for key in [String::new(), "k".repeat(256)] {
        let reply = server.send("POST", "/v1/memories", &[("idempotency-key", &key)], br#"{"payload":1}"#);
        assert_eq!(reply.code(), "bad_request");
    }
}

#[test]
fn without_a_token_a_foreign_host_or_origin_is_refused_and_no_page_is_let_in() {
    let server = Server::start();
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let reply = server.send("POST", "/v1/memories", &[(name, value)], br#"{"payload":1}"#);
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{name}: {value}");
    }
    let reply = server.send("POST", "/v1/memories", &[("origin", "http://localhost:3000")], br#"{"payload":1}"#);
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("access-control-allow-origin"), "");
}

#[test]
fn with_a_token_only_the_token_lets_in_and_probes_stay_open() {
    let server = Server::start_with(&[("SOMA_API_TOKEN", "0123456789abcdef")]);
    let list = |headers: &[(&str, &str)]| server.send("GET", "/v1/memories", headers, b"");
    assert_eq!((list(&[]).status, list(&[]).code().as_str()), (401, "unauthorized"));
    assert_eq!(list(&[]).header("www-authenticate"), "Bearer");
    assert_eq!(list(&[("authorization", "Bearer 0123456789abcdeX")]).status, 401);
    assert_eq!(list(&[("authorization", "Bearer 0123456789abcdef"), ("host", "memory.example")]).status, 200);
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get("/readyz").json()["status"], Value::from("ready"));
}
