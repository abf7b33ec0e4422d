//! `soma verify --repair` makes damaged stores what the log says, with a server running and without.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server, answer, call, run, text};

/// Memories that stand alone, turns of a thread, one that was replaced and one that was deleted.
const WRITTEN: u64 = 12;

fn id(number: u64) -> String {
    format!("0190b8a0-0000-7000-8000-{number:012}")
}

/// An id as the file has it.
fn blob(number: u64) -> String {
    format!("x'{}'", id(number).replace('-', ""))
}

fn remember(server: &Server) {
    let memory = |n: u64| match n {
        9..=WRITTEN => {
            json!({"id": id(n), "payload": {"thread": "t", "seq": n, "actor": "ann", "text": format!("turn {n}")}})
        }
        _ => json!({"id": id(n), "payload": {"text": format!("fact {n} about herons")}}),
    };
    let batch: Vec<Value> = (1..=WRITTEN).map(memory).collect();
    server.post("/v1/memories/batch?wait=stored", &Value::Array(batch));
    let replaced = json!({"payload": {"text": "fact 5, again"}}).to_string();
    assert_eq!(
        server.send("PUT", &format!("/v1/memories/{}?wait=stored", id(5)), &[], replaced.as_bytes()).status,
        200
    );
    assert_eq!(server.delete(&format!("/v1/memories/{}?wait=stored", id(6))).status, 200);
}

/// Everything that can be wrong with the records at once.
fn damage(data: &Path) {
    let file = Connection::open(data.join("records.db")).expect("the file opens");
    file.busy_timeout(PATIENCE).expect("it waits");
    let columns = "namespace, kind, created_at, updated_at, version, log, partition, offset, effective, rev, payload";
    let event = "namespace, type, timestamp, log, partition, offset, payload";
    let sql = format!(
        "BEGIN IMMEDIATE;
         DELETE FROM memories WHERE id = {one};
         DELETE FROM memories WHERE id = {two}; DELETE FROM memory_events WHERE id = {two};
         UPDATE memories SET payload = '{{\"text\":\"tampered\"}}' WHERE id = {three};
         UPDATE memories SET payload = json_set(payload, '$.text', 'tampered') WHERE id = {turn};
         UPDATE memories SET version = 7, updated_at = updated_at + 1 WHERE id = {four};
         DELETE FROM memory_events WHERE id = {five} AND arrival = (SELECT min(arrival) FROM memory_events WHERE id = {five});
         UPDATE memories SET kind = 'created', payload = '{{\"text\":\"risen\"}}' WHERE id = {six};
         UPDATE memory_events SET timestamp = timestamp + 1 WHERE id = {seven};
         INSERT INTO memories (id, event_id, {columns}) SELECT {extra}, {extra}, {columns} FROM memories WHERE id = {eight};
         INSERT INTO memory_events (event_id, id, {event}) SELECT {orphan}, {orphan}, {event} FROM memory_events WHERE id = {eight};
         UPDATE totals SET memories = memories + 5;
         UPDATE namespaces SET memories = memories + 2;
         COMMIT;",
        one = blob(1),
        two = blob(2),
        three = blob(3),
        four = blob(4),
        five = blob(5),
        six = blob(6),
        seven = blob(7),
        eight = blob(8),
        turn = blob(10),
        extra = blob(98),
        orphan = blob(99),
    );
    file.execute_batch(&sql).expect("the file is damaged");
}

/// Where something is wrong, and with what.
fn found(report: &Value) -> Vec<(String, String, String)> {
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|found| (word(found, "part"), word(found, "what"), word(found, "id"))).collect()
}

fn assert_found(report: &Value) {
    assert_eq!(report["ok"], false, "{report}");
    let found = found(report);
    let expected = [
        ("records", "missing", 1),
        ("records", "missing", 2),
        ("records", "different", 3),
        ("records", "different", 10),
        ("records", "different", 4),
        ("history", "different", 5),
        ("records", "different", 6),
        ("history", "different", 7),
        ("records", "extra", 98),
        ("history", "extra", 99),
        ("index", "extra", 1),
    ];
    for (part, what, number) in expected {
        assert!(found.contains(&(part.to_owned(), what.to_owned(), id(number))), "{part} {what} {number} in {report}");
    }
    assert!(found.iter().any(|(part, ..)| part == "counts"), "{report}");
}

fn everything(server: &Server) -> (Value, Value, Vec<Value>, Value) {
    let list = server.get("/v1/memories?limit=1000&order=oldest").json();
    let counts = server.get("/v1/stats").json();
    let histories = (1..=WRITTEN).map(|n| server.get(&format!("/v1/memories/{}/history", id(n))).json()).collect();
    let hits = server.post("/v1/recall", &json!({"query": "which herons, and turn 10", "top_k": 20})).json();
    (list["items"].clone(), counts, histories, hits["hits"].clone())
}

#[test]
fn a_server_mends_its_stores_and_goes_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let server = Server::on(data, &[]);
    remember(&server);
    let before = everything(&server);
    damage(data);
    let report = server.post("/v1/verify", &json!({})).json();
    assert_found(&report);
    assert!(found(&report).contains(&("index".into(), "missing".into(), id(98))), "{report}");
    let repaired = answer(data, &["verify", "--repair"]);
    assert_eq!((&repaired["ok"], &repaired["differences"]), (&json!(true), &repaired["repaired"]), "{repaired}");
    let clean = server.post("/v1/verify", &json!({})).json();
    assert_eq!((&clean["ok"], &clean["differences"]), (&json!(true), &json!(0)), "{clean}");
    assert_eq!(everything(&server), before);
    // The projector was not replaced: what comes now is stored at once.
    let after = server.post("/v1/memories?wait=stored", &json!({"payload": "and on it goes"}));
    assert_eq!((after.status, &after.json()["stored"]), (201, &json!(true)));
}

#[test]
fn stores_are_mended_while_others_write() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let server = Server::on(data, &[]);
    remember(&server);
    damage(data);
    let done = AtomicBool::new(false);
    let (one, other) =
        (format!("{}/v1/memories/{}?wait=stored", server.api, id(4)), format!("{}/v1/memories", server.api));
    std::thread::scope(|scope| {
        // One of the damaged memories is replaced all the time: it is left to the projector.
        scope.spawn(|| {
            let agent = ureq::agent();
            let status = |url: &str, method: &str, body: &[u8]| {
                call(&agent, url, method, &[], body).expect("the server answers").status
            };
            while !done.load(Ordering::Acquire) {
                // A busy machine may take longer than a write waits.
                assert!([200, 202].contains(&status(&one, "PUT", br#"{"payload":{"text":"fact 4, busy"}}"#)));
                assert_eq!(status(&other, "POST", br#"{"payload":"more"}"#), 201);
            }
        });
        let report = server.post("/v1/verify", &json!({"repair": true, "wait_ms": 30_000})).json();
        done.store(true, Ordering::Release);
        for finding in report["findings"].as_array().expect("findings") {
            let left = finding["repaired"] == true || finding["remedy"].as_str().is_some_and(|r| r.contains("again"));
            assert!(left, "{report}");
        }
    });
    let again = server.post("/v1/verify", &json!({"repair": true, "wait_ms": 30_000})).json();
    assert_eq!(again["ok"], true, "{again}");
    let clean = server.post("/v1/verify", &json!({})).json();
    assert_eq!((&clean["ok"], &clean["differences"]), (&json!(true), &json!(0)), "{clean}");
}

#[test]
fn without_a_server_the_command_mends_the_stores() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let mut server = Server::on(data, &[]);
    remember(&server);
    let before = everything(&server);
    server.signal("TERM");
    assert!(server.ended().success());
    damage(data);
    let verified = run(data, &["verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified.stderr));
    assert_found(&serde_json::from_slice(&verified.stdout).expect("a report"));
    let told = text(&run(data, &["verify"]).stdout);
    assert!(told.contains("`soma verify --repair` puts them right"), "{told}");
    let repaired = run(data, &["verify", "--repair"]);
    let told = text(&repaired.stdout);
    assert!(repaired.status.success() && told.contains("(repaired)"), "{told}");
    assert_eq!(answer(data, &["verify"])["differences"], 0);
    assert_eq!(everything(&Server::on(data, &[])), before);
}

/// Its neighbours cannot be read any more, so the index is not compared until it is mended.
#[test]
fn a_turn_that_lost_its_thread_is_mended() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    let server = Server::on(data, &[]);
    remember(&server);
    let before = everything(&server);
    let file = Connection::open(data.join("records.db")).expect("the file opens");
    file.busy_timeout(PATIENCE).expect("it waits");
    let sql = format!("UPDATE memories SET payload = '{{\"text\":\"tampered\"}}' WHERE id = {}", blob(10));
    file.execute_batch(&sql).expect("damaged");
    drop(file);
    let report = server.post("/v1/verify", &json!({})).json();
    let found = found(&report);
    assert!(found.contains(&("records".into(), "different".into(), id(10))), "{report}");
    assert!(found.contains(&("index".into(), "different".into(), String::new())), "{report}");
    assert_eq!(server.post("/v1/verify", &json!({"repair": true})).json()["ok"], true);
    assert_eq!(server.post("/v1/verify", &json!({})).json()["differences"], 0);
    assert_eq!(everything(&server), before);
}

/// A row that cannot be read stops the verification: it says which, and what to do, and that works.
#[test]
fn a_row_that_cannot_be_read_is_named_with_a_remedy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    answer(data, &["remember", "the sky is blue"]);
    let file = Connection::open(data.join("records.db")).expect("the file opens");
    file.busy_timeout(Duration::from_secs(5)).expect("it waits");
    file.execute_batch("UPDATE memories SET payload = '{torn'").expect("damaged");
    drop(file);
    let failed = run(data, &["verify", "--repair"]);
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(6), "{said}");
    assert!(said.contains("records.db") && said.contains("the row of") && said.contains("move it"), "{said}");
    for name in ["records.db", "records.db-wal", "records.db-shm"] {
        drop(std::fs::remove_file(data.join(name)));
    }
    assert_eq!(answer(data, &["verify"])["ok"], true);
}
