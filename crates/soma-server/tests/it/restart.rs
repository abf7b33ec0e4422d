//! What a start makes of what it finds: it answers once the stores show all that they should, or says
//! why they cannot.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, answer, run, text};

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

/// Somebody removed the journal under a server: nothing is acknowledged any more, until it is back.
#[test]
fn a_journal_that_is_removed_under_a_server_is_noticed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(directory.path(), &[]);
    let position = remember_fish(&server);
    let (journal, away) = (directory.path().join("journal.db"), directory.path().join("away"));
    std::fs::rename(&journal, &away).expect("it is moved");
    for _ in 0..2 {
        let refused = server.post("/v1/memories", &json!({"payload": "lost?"}));
        assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
        let problem = refused.json();
        let told = problem.to_string();
        assert!(told.contains(&journal.display().to_string()) && told.contains("put that very file back"), "{told}");
    }
    // Whoever only watches learns of it too; what is there can be read.
    await_readiness(&server, 503, "journal.db");
    assert_eq!(hits(&server, &json!(position)), 10);

    std::fs::rename(&away, &journal).expect("it is put back");
    assert_eq!(server.post("/v1/memories?wait=stored", &json!({"payload": "not lost"})).status, 201);
    await_readiness(&server, 200, "");
    stop(server);
    let server = Server::on(directory.path(), &[]);
    assert_eq!(server.post("/v1/verify", &json!({"wait_ms": 30_000})).json()["memories"], 201);

    // Another file under its name is not it.
    let copy = std::fs::read(&journal).expect("it can be read");
    std::fs::remove_file(&journal).expect("it is removed");
    std::fs::write(&journal, copy).expect("a copy takes its name");
    assert_eq!(server.post("/v1/memories", &json!({"payload": "lost?"})).code(), "unavailable");
}

/// Asks until the probe answers so.
fn await_readiness(server: &Server, status: u16, words: &str) {
    let asked = (0..100_000).map(|_| server.get("/readyz")).find(|reply| reply.status == status);
    let reply = asked.unwrap_or_else(|| panic!("readiness does not become {status}"));
    assert!(reply.text.contains(words), "{reply:?}");
}

/// A start that takes no port from another test.
const UP: &[&str] = &["up", "--port", "0", "--metrics-port", "0"];

/// Moves everything away that is derived from the journal, as the documents say.
fn leave_only_the_journal(data: &Path) {
    for name in ["records.db", "records.db-wal", "records.db-shm"] {
        drop(std::fs::remove_file(data.join(name)));
    }
    std::fs::remove_dir_all(data.join("vectors")).expect("the folder is there");
}

#[test]
fn everything_is_built_again_from_the_journal_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let server = Server::on(data, &[]);
    let position = remember_fish(&server);
    let item = json!({"payload": "gone", "id": "0190b8a0-0000-7000-8000-000000000001"});
    server.post("/v1/memories?wait=stored", &item);
    server.delete("/v1/memories/0190b8a0-0000-7000-8000-000000000001?wait=stored");
    let event = |n: u32, space: &str| {
        json!({
            "event_id": format!("0190b8a0-0000-7000-8000-1{n:011}"), "id": "0190b8a0-0000-7000-8000-000000000002",
            "namespace": space, "type": "created", "timestamp": "2024-01-01T00:00:00Z", "payload": n,
        })
    };
    server.post("/v1/events?wait=stored", &json!([event(1, "demo"), event(2, "foreign")]));
    let before = server.post("/v1/verify", &json!({})).json();
    let list = server.get("/v1/memories?limit=1000").json();
    stop(server);

    leave_only_the_journal(data);
    first_answer_is_whole(data, &position);
    let server = Server::on(data, &[]);
    let after = server.post("/v1/verify", &json!({"wait_ms": 30_000})).json();
    assert_eq!((&after["ok"], &after), (&json!(true), &before));
    assert_eq!(server.get("/v1/memories?limit=1000").json(), list);
    assert_eq!(server.get("/v1/status").json()["dead_letters"], 1);
}

#[test]
fn a_damaged_tip_is_refused_and_its_remedy_works() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let server = Server::on(&data, &[]);
    remember_fish(&server);
    stop(server);
    let tip = data.join("journal.tip");
    let mut bytes = std::fs::read(&tip).expect("the tip is there");
    bytes[20] ^= 1;
    std::fs::write(&tip, bytes).expect("the tip can be written");
    let output = run(&data, UP);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("journal.tip cannot be read") && said.contains("move this file away"), "{said}");

    std::fs::rename(&tip, directory.path().join("away")).expect("the tip can be moved");
    assert_eq!(answer(&data, &["verify"])["ok"], true);
    assert!(tip.exists());
}

#[test]
fn a_journal_that_can_only_be_read_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(directory.path(), &[]);
    remember_fish(&server);
    stop(server);
    let journal = directory.path().join("journal.db");
    // A write version that SQLite does not know makes it read only, also for a user who may write anything.
    let mut bytes = std::fs::read(&journal).expect("the journal is there");
    bytes[18] = 3;
    std::fs::write(&journal, bytes).expect("the journal can be written");
    let output = run(directory.path(), UP);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("journal.db can only be read"), "{said}");
}

#[test]
fn a_command_says_what_stopped_the_projector() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let server = Server::on(data, &[]);
    remember_fish(&server);
    stop(server);
    leave_only_the_journal(data);
    let journal = data.join("journal.db");
    let mut bytes = std::fs::read(&journal).expect("the journal is there");
    let words = b"fish 77 swims";
    let at = bytes.windows(words.len()).position(|window| window == words).expect("the value is in the file");
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).expect("the journal can be written");
    let output = run(data, &["recall", QUESTION]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("journal.db") && said.contains("record 77"), "{said}");
}
