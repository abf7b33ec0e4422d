//! Dead letters: listed, shown, and given another chance; on a directory and beside a server.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, run, text};

const ID: &str = "0190b8a0-0000-7000-8000-000000000001";

fn event(number: u32, namespace: &str, words: &str) -> Value {
    json!({
        "event_id": format!("0190b8a0-0000-7000-8000-10000000000{number}"), "id": ID, "namespace": namespace,
        "type": "created", "timestamp": "2024-01-01T00:00:00Z", "payload": { "text": words },
    })
}

/// A directory in which the second of three events was refused: it names a foreign namespace.
pub(super) fn refused(data: &Path) {
    let file = data.with_extension("jsonl");
    let lines = [event(1, "demo", "first"), event(2, "foreign", "second"), event(3, "demo", "third")];
    fs::write(&file, lines.map(|line| line.to_string()).join("\n")).expect("a file");
    answer(data, &["import", file.to_str().expect("a path")]);
}

fn mended(folder: &Path) -> String {
    let file = folder.join("mended.json");
    fs::write(&file, event(2, "demo", "second").to_string()).expect("a file");
    file.to_str().expect("a path").to_owned()
}

fn list_show_redrive(folder: &Path, data: &Path) {
    let letters = answer(data, &["dlq", "list"])["items"].clone();
    assert_eq!(letters.as_array().map(Vec::len), Some(1), "{letters}");
    let letter = &letters[0];
    assert_eq!(
        (&letter["reason"], &letter["attempts"], &letter["redrives"]),
        (&json!("namespace_mismatch"), &json!(1), &json!(0))
    );
    let source = letter["source"].as_str().expect("a source");
    assert!(source.ends_with("/0@1"), "{source}");
    assert_eq!(answer(data, &["dlq", "list", "--reason", "not_json"])["items"], json!([]));
    let shown = answer(data, &["dlq", "show", source]);
    let value: Value = serde_json::from_str(shown["value"].as_str().expect("a text")).expect("an event");
    assert_eq!((&value["namespace"], &value["payload"]["text"]), (&json!("foreign"), &json!("second")));
    assert_eq!(answer(data, &["dlq", "show", "1"]), shown, "the offset alone names it too");

    let dry = answer(data, &["dlq", "redrive", "--all"]);
    assert_eq!((&dry["applied"], &dry["items"][0]["fate"]), (&json!(false), &json!("refused")));
    let applied = run(data, &["dlq", "redrive", "--reason", "namespace_mismatch", "--apply"]);
    assert_eq!(applied.status.code(), Some(1), "it would be refused again: {}", text(&applied.stdout));

    let file = mended(folder);
    let dry = answer(data, &["dlq", "redrive", source, "--value", &file]);
    assert_eq!(dry["items"][0]["fate"], "behind", "{dry}");
    let done = answer(data, &["dlq", "redrive", source, "--value", &file, "--apply"]);
    assert_eq!(done["items"][0]["became"], "stored", "{done}");
    // It takes its place between the two, and the last one stands.
    assert_eq!(answer(data, &["get", ID])["payload"]["text"], "third");
    let history = answer(data, &["get", ID, "--history"]);
    let texts: Vec<&Value> =
        history["items"].as_array().expect("items").iter().map(|e| &e["payload"]["text"]).collect();
    assert_eq!(texts, ["first", "second", "third"]);

    let marked = answer(data, &["dlq", "list"])["items"][0].clone();
    assert_eq!((&marked["redrives"], &marked["redriven_to"]), (&json!(1), &done["items"][0]["redriven_to"]));
    let again = answer(data, &["dlq", "redrive", "--all", "--apply"]);
    assert_eq!(again["items"][0]["fate"], "redriven_before");
    assert_eq!(answer(data, &["verify"])["ok"], true);
}

#[test]
fn letters_are_redriven_on_a_directory_without_a_server() {
    let folder = directory();
    let data = folder.path().join("data");
    refused(&data);
    list_show_redrive(folder.path(), &data);
}

#[test]
fn letters_are_redriven_by_the_server_that_runs_on_the_directory() {
    let folder = directory();
    let data = folder.path().join("data");
    refused(&data);
    let server = Server::on(&data, &[]);
    list_show_redrive(folder.path(), &data);
    assert_eq!(server.get("/v1/dead-letters").json()["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_cannot_be_redriven_is_said() {
    let folder = directory();
    let data = folder.path().join("data");
    refused(&data);
    for (args, code, words) in [
        (&["dlq", "redrive"][..], 2, "--all"),
        (&["dlq", "redrive", "--all", "--value", "x"], 2, "--value"),
        (&["dlq", "redrive", "1", "--value", "/nowhere"], 3, "/nowhere"),
        (&["dlq", "show", "7"], 3, "no dead letter"),
        (&["dlq", "show", "nonsense"], 2, "place"),
    ] {
        let output = run(&data, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn people_are_told_what_was_refused_and_what_redriving_would_do() {
    let folder = directory();
    let data = folder.path().join("data");
    assert_eq!(text(&run(&data, &["dlq", "list"]).stdout), "there are no dead letters\n");
    refused(&data);
    let listed = text(&run(&data, &["dlq", "list"]).stdout);
    assert!(listed.contains("namespace_mismatch") && listed.contains("another namespace"), "{listed}");
    let told = text(&run(&data, &["dlq", "redrive", "--all"]).stdout);
    assert!(told.contains("refused again") && told.contains("--apply"), "{told}");
}
