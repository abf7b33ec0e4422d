//! Dumps show what is stored, as it is, beside a server or without one.

use std::path::Path;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, run, text};

fn lines(data: &Path, args: &[&str]) -> Vec<Value> {
    let output = run(data, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn dump_everything(data: &Path, id: &str) {
    let log = lines(data, &["dump", "log"]);
    assert_eq!(log.iter().map(|record| record["offset"].as_u64().expect("an offset")).collect::<Vec<_>>(), [0, 1, 2]);
    let event: Value = serde_json::from_str(log[0]["value"].as_str().expect("a text")).expect("an event");
    assert_eq!((&event["id"], &event["payload"]["text"]), (&json!(id), &json!("the sky is blue")));
    assert_eq!(lines(data, &["dump", "log", "--from", "1", "--to", "2"]).len(), 1);
    assert_eq!(lines(data, &["dump", "log", "--id", id]).len(), 1);
    assert_eq!(lines(data, &["dump", "log", "-n", "other"]).len(), 1);
    let records = lines(data, &["dump", "records", "--id", id]);
    assert_eq!((&records[0]["payload"]["text"], &records[0]["offset"]), (&json!("the sky is blue"), &json!(0)));
    assert_eq!(lines(data, &["dump", "records"]).len(), 3);
    let points = lines(data, &["dump", "points", "-n", "demo"]);
    assert_eq!(points.len(), 2);
    assert_eq!(points[0]["dense"].as_array().map(Vec::len), Some(768));
    assert!(lines(data, &["dump", "dead-letters"]).is_empty());
}

#[test]
fn everything_is_dumped_with_and_without_a_server() {
    let folder = directory();
    let data = folder.path().join("data");
    let id = answer(&data, &["remember", "the sky is blue", "-n", "demo"])["id"].clone();
    answer(&data, &["remember", "another", "-n", "demo"]);
    answer(&data, &["remember", "a third", "-n", "other"]);
    let id = id.as_str().expect("an id");
    dump_everything(&data, id);
    let server = Server::on(&data, &[]);
    dump_everything(&data, id);
    assert_eq!(server.get("/v1/points?limit=2").json()["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(run(&folder.path().join("none"), &["dump", "log"]).status.code(), Some(3));
}
