//! The OpenAPI document: what it says is what the server does.
//!
//! Every reply that a test gets is held against the document besides (`crate::document`).

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::document;
use crate::harness::{Reply, Server};

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

/// Method, path and operation of every route.
fn operations(document: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let paths = document["paths"].as_object().expect("the document has paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path has methods");
        methods.iter().map(move |(method, operation)| {
            (
                method.to_uppercase(),
                path.replace("{id}", ID).replace("{source}", "0").replace("{part}", "none"),
                operation,
            )
        })
    })
}

/// What a refusal says is known.
fn known(reply: &Reply) -> BTreeSet<String> {
    let body = reply.json();
    let remedy = body["remedy"].as_str().expect("the refusal names what is known");
    let list = remedy.strip_prefix("known are ").expect("the remedy is a list");
    list.split(", ").filter(|name| !name.starts_with("none")).map(str::to_owned).collect()
}

#[test]
fn golden_the_document_is_the_one_in_the_repository() {
    let server = Server::start();
    let served = serde_json::to_string_pretty(&server.get("/openapi.json").json()).expect("text") + "\n";
    #[expect(clippy::disallowed_methods, reason = "`cargo x bless` asks for new golden files this way")]
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(document::path(), &served).expect("the golden file can be written");
    }
    assert_eq!(served, fs::read_to_string(document::path()).expect("there is a golden file"));
}

#[test]
fn every_route_is_served_and_knows_the_documented_parameters_and_no_others() {
    let server = Server::start();
    let document = server.get("/openapi.json").json();
    for (method, path, operation) in operations(&document) {
        let status = server.send(&method, &path, &[], b"{}").status;
        assert!(status != 405, "{method} {path} is documented and not served");
        if !path.starts_with("/v1/") {
            continue;
        }
        let reply = server.send(&method, &format!("{path}?no_such=1"), &[], b"{}");
        assert_eq!((reply.status, reply.json()["field"].clone()), (400, json!("no_such")), "{method} {path}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let documented = parameters.iter().filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str());
        assert_eq!(known(&reply), documented.map(str::to_owned).collect(), "{method} {path}");
    }
}

#[test]
fn every_body_knows_the_documented_fields_and_no_others() {
    let server = Server::start();
    let document = server.get("/openapi.json").json();
    let mut bodies = 0;
    for (method, path, operation) in operations(&document) {
        let fields = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
        let Some(fields) = fields.as_object() else { continue };
        bodies += 1;
        let mut body = json!({ "no_such": 1 });
        for (name, value) in [("payload", json!(1)), ("query", json!("a"))] {
            if fields.contains_key(name) {
                body[name] = value;
            }
        }
        let target = if method == "PUT" { format!("{path}?namespace=x") } else { path.clone() };
        let reply = server.send(&method, &target, &[], body.to_string().as_bytes());
        assert_eq!((reply.status, reply.json()["field"].clone()), (422, json!("no_such")), "{method} {path}");
        assert_eq!(known(&reply), fields.keys().cloned().collect(), "{method} {path}");
    }
    assert_eq!(bodies, 5, "memories, a replacement, recall, verify and redriving have bodies of fields");
}

#[test]
fn a_method_that_a_route_has_not_is_refused_and_the_others_are_named() {
    let server = Server::start();
    let reply = server.send("PATCH", &format!("/v1/memories/{ID}"), &[], b"");
    assert_eq!((reply.status, reply.code().as_str()), (405, "method_not_allowed"));
    let allowed: BTreeSet<&str> = reply.header("allow").split(',').map(str::trim).collect();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"].into());
}

#[test]
fn a_head_is_the_get_without_its_body() {
    let server = Server::start();
    server.post("/v1/memories?wait=stored", &json!({ "id": ID, "payload": 1 }));
    let (get, head) =
        (server.get(&format!("/v1/memories/{ID}")), server.send("HEAD", &format!("/v1/memories/{ID}"), &[], b""));
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("etag"), get.header("etag"));
}

#[test]
fn a_target_beyond_the_limit_is_refused() {
    let server = Server::start();
    let reply = server.get(&format!("/v1/memories?namespace={}", "n".repeat(33_000)));
    assert_eq!((reply.status, reply.code().as_str()), (414, "uri_too_long"));
}
