//! Commands, on a directory by themselves and beside a server.

mod backup;
mod bench;
mod dlq;
mod doctor;
mod dump;
mod eval;
mod export;
mod manual;
mod selecting;
mod token;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, answer, run, soma, text};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn remember_recall_forget(data: &Path) {
    let id = answer(data, &["remember", "the sky is blue", "--namespace", "demo"])["id"].clone();
    let id = id.as_str().expect("an id");
    let found = answer(data, &["recall", "what colour has the sky", "-n", "demo"]);
    assert_eq!(found["hits"][0]["id"], id);
    assert_eq!(answer(data, &["get", id])["payload"], json!({ "text": "the sky is blue" }));
    assert_eq!(answer(data, &["get", id, "--history"])["items"].as_array().map(Vec::len), Some(1));
    answer(data, &["forget", id]);
    assert_eq!(run(data, &["get", id]).status.code(), Some(3));
    assert_eq!(answer(data, &["recall", "sky", "-n", "demo"])["hits"], json!([]));
    assert_eq!(answer(data, &["verify"])["ok"], true);
}

#[test]
fn commands_work_on_a_directory_without_a_server() {
    let directory = directory();
    remember_recall_forget(directory.path());
}

#[test]
fn commands_find_the_server_that_runs_on_the_directory() {
    let directory = directory();
    let server = Server::on(directory.path(), &[]);
    remember_recall_forget(directory.path());
    assert_eq!(server.get("/v1/stats").json()["deleted"], 1);
    assert_eq!(answer(directory.path(), &["health"])["status"], "ready");
}

#[test]
fn a_command_talks_to_the_server_that_it_is_told() {
    let server = Server::start();
    let elsewhere = directory();
    answer(elsewhere.path(), &["remember", "far away", "--url", &server.api]);
    assert_eq!(server.get("/v1/stats").json()["memories"], 1);
    assert!(!elsewhere.path().join("journal.db").exists());
}

#[test]
fn importing_a_file_twice_adds_nothing() {
    let directory = directory();
    let file = directory.path().join("lines.jsonl");
    let event = json!({
        "event_id": "0190b8a0-0000-7000-8000-100000000001", "id": "0190b8a0-0000-7000-8000-000000000001",
        "namespace": "demo", "type": "created", "timestamp": "2024-01-01T00:00:00Z", "payload": "an event",
    });
    // The same payload three times is three memories; in another spelling it is the same payload.
    let lines = format!("{{\"a\":1,\"b\":2}}\n{{ \"b\": 2.0, \"a\": 1 }}\n\n\"text\"\n{event}\n{{\"a\":1,\"b\":2}}\n");
    fs::write(&file, lines).expect("a file");
    let data = directory.path().join("data");
    let file = file.to_str().expect("a path");
    for (new, there) in [(5, 0), (0, 5)] {
        let imported = answer(&data, &["import", file, "--namespace", "demo"]);
        assert_eq!((&imported["stored"], &imported["refused"]), (&json!(5), &json!(0)));
        assert_eq!((&imported["new"], &imported["already_there"]), (&json!(new), &json!(there)));
    }
    let again = run(&data, &["import", file, "--namespace", "demo"]);
    assert_eq!(text(&again.stdout), "0 new, 5 already there\n");
    let verified = answer(&data, &["verify"]);
    assert_eq!((&verified["events"], &verified["memories"], &verified["ok"]), (&json!(5), &json!(5), &json!(true)));
}

#[test]
fn an_import_says_what_it_made_of_the_lines() {
    let directory = directory();
    let file = directory.path().join("lines.jsonl");
    let server = Server::on(&directory.path().join("data"), &[]);
    for (lines, words) in [
        ("{\"a\":1}\n", "imported 1 memory\n"),
        ("{\"a\":1}\n{\"a\":2}\n{\"a\":2}\n", "2 new, 1 already there\n"),
        ("3\n4\n", "imported 2 memories\n"),
    ] {
        fs::write(&file, lines).expect("a file");
        let output = run(directory.path(), &["import", file.to_str().expect("a path"), "--url", &server.api]);
        assert_eq!(text(&output.stdout), words);
    }
    let data = directory.path().join("data");
    answer(&data, &["forget", "--namespace", "default", "--yes"]);
    let output = run(&data, &["import", file.to_str().expect("a path")]);
    assert_eq!(text(&output.stdout), "imported 0 memories, 2 deleted since and not brought back\n");
    assert!(output.status.success());
}

#[test]
fn an_import_brings_back_events_under_derived_ids() {
    let directory = directory();
    let (file, data) = (directory.path().join("export.jsonl"), directory.path().join("data"));
    let event = |n: u32, kind: &str| {
        json!({
            "event_id": format!("0190b8a0-0000-7000-8000-1{n:011}"), "id": "58a4218c-10ab-5c00-8f27-ddd5de717aa2",
            "namespace": "demo", "type": kind, "timestamp": "2024-01-01T00:00:00Z", "payload": n,
        })
    };
    fs::write(&file, format!("{}\n{}\n", event(1, "created"), event(2, "updated"))).expect("a file");
    let imported = answer(&data, &["import", file.to_str().expect("a path")]);
    assert_eq!((&imported["new"], &imported["refused"]), (&json!(2), &json!(0)), "{imported}");
    assert_eq!(answer(&data, &["get", "58a4218c-10ab-5c00-8f27-ddd5de717aa2"])["payload"], 2);
}

#[test]
fn a_line_that_is_refused_is_named_and_the_others_are_stored() {
    let directory = directory();
    let file = directory.path().join("lines.jsonl");
    fs::write(&file, "{\"a\":1}\n{\"a\":\n{\"event_id\":\"x\",\"type\":\"created\"}\n{\"b\":1}\n").expect("a file");
    let output = run(&directory.path().join("data"), &["import", file.to_str().expect("a path"), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let imported: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&imported["stored"], &imported["refused"]), (&json!(2), &json!(2)));
    let complaints = text(&output.stderr);
    assert!(complaints.contains("line 2: ") && complaints.contains("line 3: "), "{complaints}");
}

#[test]
fn errors_say_what_to_do_and_have_an_exit_code_of_their_kind() {
    let directory = directory();
    let data = directory.path();
    for (args, code, words) in [
        (&["get", "0190b8a0-0000-7000-8000-00000000ffff"][..], 3, "known"),
        (&["get", "x"], 2, "UUID"),
        (&["health"], 5, "soma up"),
        (&["remember"], 2, "--payload"),
        (&["fly"], 2, "subcommand"),
        (&["import", "/nowhere.jsonl"], 3, "/nowhere.jsonl"),
        (&["recall", "x", "--url", "http://127.0.0.1:1"], 5, "soma health"),
    ] {
        let output = run(data, args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
    let output = run(data, &["get", "x", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).expect("an error for programs is JSON");
    assert_eq!(error["error"]["code"], "schema");
}

#[test]
fn a_directory_has_one_owner_and_the_second_is_told_who_it_is() {
    let directory = directory();
    let server = Server::on(directory.path(), &[]);
    let second =
        soma(directory.path(), &["up", "--port", "0", "--metrics-port", "0"]).output().expect("the binary runs");
    assert_eq!(second.status.code(), Some(4));
    let error = text(&second.stderr);
    assert!(error.contains(&server.pid().to_string()) && error.contains(&server.api), "{error}");
}

#[test]
fn the_version_and_the_help_are_there() {
    let directory = directory();
    let version = run(directory.path(), &["--version"]);
    assert!(text(&version.stdout).starts_with("soma "));
    let help = text(&run(directory.path(), &["--help"]).stdout);
    for command in ["up", "remember", "recall", "get", "forget", "import", "verify", "config", "health"] {
        assert!(help.contains(&format!("\n  {command}")), "{command} is missing in {help}");
    }
}
