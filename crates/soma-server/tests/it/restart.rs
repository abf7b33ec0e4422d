//! What a start makes of what it finds: it answers once the stores show all that they should, or says
//! why they cannot.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, run, text};

const QUESTION: &str = "which fish swims";

/// Writes memories, waits until both stores have them, and returns a position after them.
fn remember_fish(server: &Server) -> String {
    let batch: Vec<Value> = (0..200).map(|n| json!({"payload": format!("fish {n} swims")})).collect();
    let position = server.post("/v1/memories/batch", &Value::Array(batch)).json()["position"].clone();
    assert_eq!(hits(server, &position), 10);
    position.as_str().expect("a position").to_owned()
}

fn hits(server: &Server, position: &Value) -> usize {
    let reply = server.post("/v1/recall", &json!({"query": QUESTION, "after": position, "wait_ms": 30_000}));
    reply.json()["hits"].as_array().unwrap_or_else(|| panic!("no hits in {reply:?}")).len()
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert!(server.ended().success());
}

/// The first answer after the start, whatever happened before, has all hits.
fn first_answer_is_whole(data: &Path, position: &str) {
    let server = Server::on(data, &[]);
    assert_eq!(hits(&server, &json!(position)), 10);
}

#[test]
fn the_first_answer_after_a_kill_shows_what_was_shown_before() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut server = Server::on(directory.path(), &[]);
    let position = remember_fish(&server);
    server.kill();
    first_answer_is_whole(directory.path(), &position);
}

#[test]
fn an_index_that_was_removed_is_whole_before_the_first_answer() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(directory.path(), &[]);
    let position = remember_fish(&server);
    stop(server);
    std::fs::remove_dir_all(directory.path().join("vectors")).expect("the folder is there");
    first_answer_is_whole(directory.path(), &position);
}

#[test]
fn an_index_that_lost_its_segments_is_noticed_and_made_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(directory.path(), &[]);
    let position = remember_fish(&server);
    stop(server);
    let segments = directory.path().join("vectors/shard/segments");
    std::fs::remove_dir_all(&segments).expect("the folder is there");
    std::fs::create_dir(&segments).expect("the folder can be made");
    first_answer_is_whole(directory.path(), &position);
}

#[test]
fn records_of_a_journal_that_is_gone_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(directory.path(), &[]);
    remember_fish(&server);
    stop(server);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm", "journal.tip"] {
        drop(std::fs::remove_file(directory.path().join(name)));
    }
    let output = run(directory.path(), &["up"]);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("were made from journal") && said.contains("put the journal back"), "{said}");
}
