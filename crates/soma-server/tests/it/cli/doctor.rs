//! The doctor: in order where all is in order, and naming what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::directory;
use crate::harness::{Server, answer, run, soma, text};

/// What one check found; the exit code must agree with all of them.
fn found(data: &Path, args: &[&str], check: &str) -> (String, Value) {
    let mut all = vec!["doctor", "--json"];
    all.extend(args);
    let output = run(data, &all);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let failed = report["checks"].as_array().expect("checks").iter().any(|check| check["state"] == "failed");
    assert_eq!((output.status.code(), &report["ok"]), (Some(i32::from(failed)), &Value::Bool(!failed)), "{report}");
    let row = report["checks"].as_array().expect("checks").iter().find(|row| row["check"] == check);
    let row = row.unwrap_or_else(|| panic!("no check {check} in {report}")).clone();
    (row["state"].as_str().expect("a state").to_owned(), row)
}

fn healthy(data: &Path, args: &[&str]) {
    for check in ["configuration", "data directory", "format", "lock", "journal", "journal.tip", "records", "index"] {
        let (state, row) = found(data, args, check);
        assert_eq!(state, "ok", "{row}");
    }
}

#[test]
fn what_is_in_order_is_said_to_be_with_and_without_a_server() {
    let folder = directory();
    let data = folder.path().join("data");
    assert_eq!(found(&data, &[], "data directory").0, "warning", "it is not there yet");
    answer(&data, &["remember", "the sky is blue"]);
    healthy(&data, &[]);
    assert_eq!(found(&data, &["--full"], "stores and log").0, "ok");
    let server = Server::on(&data, &[]);
    healthy(&data, &[]);
    let (state, row) = found(&data, &[], "lock");
    assert!(state == "ok" && row["measured"].as_str().expect("words").contains(&server.pid().to_string()), "{row}");
    let (state, row) = found(&data, &[], "server");
    assert!(state == "ok" && row["measured"].as_str().expect("words").contains("ready"), "{row}");
    let told = text(&run(&data, &["doctor"]).stdout);
    assert!(told.contains("journal.tip") && told.contains("free disk"), "{told}");
}

#[test]
fn a_lost_journal_is_not_in_order() {
    let folder = directory();
    let data = folder.path().join("data");
    answer(&data, &["remember", "the sky is blue"]);
    fs::remove_file(data.join("journal.db")).expect("the journal is removed");
    for depth in [&[][..], &["--full"]] {
        let (state, row) = found(&data, depth, "journal");
        assert!(state == "failed" && row["remedy"].as_str().expect("a remedy").contains("backup"), "{row}");
    }
}

#[test]
fn what_is_damaged_is_named_with_its_remedy() {
    let folder = directory();
    let data = folder.path().join("data");
    answer(&data, &["remember", "the sky is blue"]);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("permissions");
    let (state, row) = found(&data, &[], "data directory");
    assert!(state == "warning" && row["remedy"].as_str().expect("a remedy").contains("chmod 700"), "{row}");
    assert_eq!(found(&data, &[], "embedder").0, "ok");
    let other = soma(&data, &["doctor", "--json"]).env("MEMORY_VECTOR_DIM", "256").output().expect("the binary runs");
    assert!(text(&other.stdout).contains("256 dimensions is configured"), "{}", text(&other.stdout));

    let journal = fs::read(data.join("journal.db")).expect("the journal");
    fs::write(data.join("journal.db"), &journal[..journal.len() / 2]).expect("a torn journal");
    assert_eq!(found(&data, &[], "journal").0, "failed");
    fs::write(data.join("journal.db"), journal).expect("the journal");
    fs::write(data.join("journal.tip"), "nonsense").expect("a torn tip");
    assert_eq!(found(&data, &[], "journal.tip").0, "failed");
    fs::remove_file(data.join("journal.tip")).expect("the tip");
    fs::write(data.join("format"), "99").expect("another format");
    assert_eq!(found(&data, &[], "format").0, "failed");
}

#[test]
fn settings_that_cannot_be_used_are_a_finding_and_no_secret_is_shown() {
    let folder = directory();
    let run = |name: &str, value: &str| {
        let output = soma(folder.path(), &["doctor", "--json"]).env(name, value).output().expect("the binary runs");
        (output.status.code(), text(&output.stdout))
    };
    let (code, told) = run("SOMA_API_PORT", "many");
    assert!(code == Some(1) && told.contains("SOMA_API_PORT"), "{told}");
    let (code, told) = run("SOMA_API_PROT", "1");
    assert!(code == Some(0) && told.contains("SOMA_API_PROT") && told.contains("warning"), "{told}");
    let (_, told) = run("SOMA_API_TOKEN", "a-long-secret-that-nobody-sees");
    assert!(!told.contains("nobody-sees"), "{told}");
}

#[test]
fn dead_letters_that_nobody_looked_at_are_a_warning() {
    let folder = directory();
    let data = folder.path().join("data");
    answer(&data, &["remember", "one"]);
    assert_eq!(found(&data, &[], "dead letters").0, "ok");
    super::dlq::refused(&data);
    let (state, row) = found(&data, &[], "dead letters");
    assert!(state == "warning" && row["remedy"].as_str().expect("a remedy").contains("soma dlq list"), "{row}");
}
