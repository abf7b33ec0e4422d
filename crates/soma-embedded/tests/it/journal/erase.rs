//! What is erased is gone from the files.

use std::fs;
use std::path::Path;

use soma_core::event::codec;
use soma_core::ids::{EventId, LogId, MemoryId, Place, Timestamp};
use soma_core::log::{DeadLetter, DeadLetters, Erasure, EventLog, NewRecord, Record};
use soma_embedded::journal::Journal;
use uuid::Uuid;

use super::{append, folder, open, read_all};

const SECRET: &str = "the gate code is 4711";

fn event(number: u128, memory: u128, payload: &str) -> NewRecord {
    let (event_id, id) = (Uuid::from_u128(number), Uuid::from_u128(memory));
    let value = serde_json::json!({
        "event_id": event_id, "id": id, "namespace": "demo", "type": "created",
        "timestamp": "2026-01-01T00:00:00.000000Z", "payload": { "text": payload },
    });
    NewRecord {
        key: Some(id.to_string().into_bytes()),
        value: Some(value.to_string().into_bytes()),
        headers: vec![("h".into(), b"kept".to_vec())],
        event_id: Some(EventId(event_id)),
    }
}

fn memory(number: u128) -> MemoryId {
    MemoryId(Uuid::from_u128(number))
}

fn holds(file: &Path, text: &str) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

fn on_disk(folder: &Path) -> bool {
    ["journal.db", "journal.db-wal"].iter().any(|name| holds(&folder.join(name), SECRET))
}

/// Returns when the writer has emptied the WAL, which it does on its own after an erasure.
async fn emptied(journal: &Journal, before: u64) {
    while journal.stats().checkpoints == before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn erased_content_leaves_the_files_soon_without_closing() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let long = format!("{SECRET} {}", "and more ".repeat(2_000));
    append(&journal, vec![event(1, 100, SECRET), event(2, 100, &long), event(3, 200, "kept")]).await;
    append(&journal, vec![event(4, 100, "later")]).await;
    assert!(on_disk(folder.path()), "the test can see it");

    let before = journal.stats().checkpoints;
    journal.erase(0, &[(memory(100), Erasure::Below(3))]).await.expect("records can be erased");
    emptied(&journal, before).await;
    assert!(!on_disk(folder.path()), "the content is still in a file");
    journal.check().await.expect("the checksums fit the erased records");

    let read = read_all(&journal).await;
    for record in &read[..2] {
        assert!(record.header(codec::ERASED).is_some());
        assert_eq!(record.header("h"), Some(b"kept".as_slice()));
    }
    assert!(read[2].header(codec::ERASED).is_none(), "another memory is untouched");
    assert!(read[3].header(codec::ERASED).is_none(), "the offset is exclusive");

    journal.erase(0, &[(memory(100), Erasure::Below(3))]).await.expect("records can be erased again");
    assert_eq!(read_all(&journal).await, read, "repeating it changes nothing");
    let found = journal.find(EventId(Uuid::from_u128(1))).await.expect("the journal can look");
    assert_eq!(found.as_ref(), Some(&read[0]), "an erased event id stays known");
}

#[tokio::test]
async fn an_erasure_survives_the_end_of_the_process() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, vec![event(1, 100, SECRET)]).await;
    journal.erase(0, &[(memory(100), Erasure::Below(1))]).await.expect("records can be erased");
    drop(journal);
    assert!(!on_disk(folder.path()));
    let journal = open(folder.path()).expect("the journal opens again");
    assert!(read_all(&journal).await[0].header(codec::ERASED).is_some());
}

#[tokio::test]
async fn content_that_a_crash_left_in_the_wal_goes_when_the_journal_is_opened() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, vec![event(1, 100, SECRET)]).await;
    // A read transaction keeps the WAL from being emptied, as a crash right after the erasure would.
    let reader = rusqlite::Connection::open(folder.path().join("journal.db")).expect("another connection opens");
    reader.execute_batch("BEGIN; SELECT count(*) FROM records").expect("a read transaction begins");
    journal.erase(0, &[(memory(100), Erasure::Below(1))]).await.expect("records can be erased");
    let copy = super::damage::crashed(folder.path());
    assert!(on_disk(copy.path()), "the test can see it");
    drop((reader, journal));

    let journal = open(copy.path()).expect("the journal opens after a crash");
    emptied(&journal, 0).await;
    assert!(!on_disk(copy.path()), "the content is still in a file");
    assert!(read_all(&journal).await[0].header(codec::ERASED).is_some());
}

#[tokio::test]
async fn a_dead_letter_does_not_keep_what_its_record_lost() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, vec![event(1, 100, SECRET)]).await;
    let record: Record = read_all(&journal).await.remove(0);
    let letter = |record: Record| DeadLetter {
        record,
        reason: "store_rejected".into(),
        error: "refused".into(),
        component: "store".into(),
        event_id: None,
        first_seen: Timestamp(1),
        attempts: 1,
        redrives: 0,
    };
    let elsewhere = Place { log: LogId::new("another"), ..record.place.clone() };
    let other = letter(Record { place: elsewhere, ..record.clone() });
    journal.put(vec![letter(record.clone()), other.clone()]).await.expect("letters can be kept");
    journal.erase(0, &[(memory(100), Erasure::Below(1))]).await.expect("records can be erased");
    let erased = journal.get(&record.place).await.expect("a letter can be read").expect("it is there");
    assert!(!String::from_utf8_lossy(&erased.record.value.expect("a value")).contains(SECRET));
    let kept = journal.get(&other.record.place).await.expect("a letter can be read");
    assert_eq!(kept, Some(other), "a letter of another log is not this log's to erase");
}
