//! Backups of a directory in use, and what comes back from them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, call, run, text};

/// Memories that are acknowledged before the backup begins.
const BEFORE: usize = 200;

fn remember(server: &Server, words: &str) -> String {
    let reply = server.post("/v1/memories", &json!({ "namespace": "demo", "payload": { "text": words } }));
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

/// Backs a server up while others write to it; the ids that must be there and those that must not.
fn back_up_under_load(server: &Server, data: &Path, to: &Path) -> (Vec<String>, String) {
    let kept: Vec<String> = (0..BEFORE).map(|n| remember(server, &format!("number {n} is acknowledged"))).collect();
    let deleted = remember(server, "the unmentionable pelican");
    assert_eq!(server.delete(&format!("/v1/memories/{deleted}?wait=stored&namespace=demo")).status, 200);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (done, url) = (&done, format!("{}/v1/memories", server.api));
            scope.spawn(move || {
                let agent = ureq::Agent::new_with_defaults();
                let body = json!({ "payload": { "text": format!("written meanwhile by {writer}") } }).to_string();
                while !done.load(Ordering::Relaxed) {
                    let reply = call(&agent, &url, "POST", &[], body.as_bytes()).expect("the server answers");
                    assert_eq!(reply.status, 201, "{}", reply.text);
                }
            });
        }
        let made = answer(data, &["backup", path(to)]);
        done.store(true, Ordering::Relaxed);
        assert!(made["records"].as_u64().expect("a count") >= BEFORE as u64 + 2, "{made}");
    });
    (kept, deleted)
}

#[test]
fn a_backup_under_load_brings_back_all_that_was_acknowledged_before_it() {
    for name in ["backup", "backup.tar"] {
        let folder = directory();
        let (data, to, fresh) = (folder.path().join("data"), folder.path().join(name), folder.path().join("fresh"));
        let server = Server::on(&data, &[]);
        let (kept, deleted) = back_up_under_load(&server, &data, &to);
        drop(server);

        let restored = answer(&fresh, &["restore", path(&to)]);
        assert!(restored["memories"].as_u64().expect("a count") >= BEFORE as u64, "{restored}");
        let server = Server::on(&fresh, &[]);
        for id in &kept {
            assert_eq!(server.get(&format!("/v1/memories/{id}")).status, 200, "{name}: {id} is gone");
        }
        assert_eq!(server.get(&format!("/v1/memories/{deleted}")).status, 404);
        let asked = json!({ "namespace": "demo", "query": "number 17 is acknowledged", "top_k": 1 });
        assert_eq!(server.post("/v1/recall", &asked).json()["hits"][0]["id"], kept[17].as_str());
        let pelican = json!({ "namespace": "demo", "query": "unmentionable pelican", "mode": "lexical" });
        assert_eq!(server.post("/v1/recall", &pelican).json()["hits"], json!([]));
        assert_eq!(answer(&fresh, &["verify"])["ok"], true);
    }
}

#[test]
fn no_backup_holds_the_words_of_what_was_deleted() {
    let folder = directory();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let id = answer(&data, &["remember", "the unmentionable pelican"])["id"].clone();
    answer(&data, &["remember", "a heron"]);
    answer(&data, &["forget", id.as_str().expect("an id")]);
    answer(&data, &["backup", path(&to)]);
    let journal = fs::read(to.join("journal.db")).expect("the journal is there");
    let holds = |words: &[u8]| journal.windows(words.len()).any(|part| part == words);
    assert!(holds(b"a heron") && !holds(b"unmentionable"));
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_restored() {
    let folder = directory();
    let (data, to, fresh) = (folder.path().join("data"), folder.path().join("b.tar"), folder.path().join("fresh"));
    answer(&data, &["remember", "the sky is blue"]);
    answer(&data, &["backup", path(&to)]);
    let mut bytes = fs::read(&to).expect("the backup is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&to, bytes).expect("the backup can be written");
    let output = run(&fresh, &["restore", path(&to)]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("damaged"), "{}", text(&output.stderr));
    assert!(!fresh.join("journal.db").exists());
}

#[test]
fn nothing_is_restored_over_anything_and_no_backup_replaces_another() {
    let folder = directory();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    answer(&data, &["remember", "the sky is blue"]);
    answer(&data, &["backup", path(&to)]);
    for (args, words) in [(["restore", path(&to)], "is not empty"), (["backup", path(&to)], "is there already")] {
        let output = run(&data, &args);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    let server = Server::on(&data, &[]);
    assert_eq!(run(&data, &["restore", path(&to)]).status.code(), Some(2), "also beside {}", server.api);
    assert_eq!(run(&folder.path().join("none"), &["backup", path(&folder.path().join("x"))]).status.code(), Some(3));
    assert_eq!(run(&folder.path().join("none"), &["restore", "/nowhere"]).status.code(), Some(3));
}

#[test]
fn a_backup_says_what_it_holds() {
    let folder = directory();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    for words in ["one", "two"] {
        answer(&data, &["remember", words]);
    }
    let made = answer(&data, &["backup", path(&to)]);
    assert_eq!((&made["records"], &made["dead_letters"]), (&json!(2), &json!(0)));
    let written: Value =
        serde_json::from_slice(&fs::read(to.join("backup.json")).expect("a description")).expect("JSON");
    assert_eq!(written["records"], 2);
    let mut names: Vec<String> = fs::read_dir(&to)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["backup.json", "format", "journal.db", "journal.tip"]);
}
