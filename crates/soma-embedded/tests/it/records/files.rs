//! What lies on the disk: nothing of what was deleted, everything that was committed.

use std::fs;
use std::path::Path;

use serde_json::json;
use soma_core::error::Code;
use soma_core::event::{Content, EventType};
use soma_core::store::{Order, Projecting, Reading};
use soma_embedded::DataDir;
use soma_embedded::records::Records;

use super::{advance, claim, created, deleted, event, folder, memory_id, open, project, stage, updated};

/// Whether any file of the store holds these bytes.
fn on_disk(folder: &Path, needle: &[u8]) -> bool {
    let files = fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("an entry").path());
    let mut stores = files.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().contains("records")));
    stores.any(|path| fs::read(path).expect("a file").windows(needle.len()).any(|window| window == needle))
}

#[tokio::test]
async fn deleted_words_are_in_no_file() {
    let folder = folder();
    let records = open(folder.path());
    let long = "needle-long ".repeat(2_000);
    let secret = Content {
        payload: json!({"text": "needle-one", "long": long}),
        importance: Some(0.5),
        embedding: Some(vec![1.234_567; 100]),
        model_revision: Some("needle-revision".into()),
    };
    let bystanders = (10..200).map(|n| created(n, n.into(), json!(format!("bystander {n}"))));
    let events = bystanders.chain([event(1, 1, EventType::Created, Some(secret))]).collect();
    project(&records, events).await;
    project(&records, vec![updated(2, 1, json!("needle-two"))]).await;
    let vector = [1.234_567_f64.to_le_bytes(); 3].concat();
    assert!(on_disk(folder.path(), b"needle-two") && on_disk(folder.path(), &vector));

    project(&records, vec![deleted(3, 1)]).await;
    assert!(records.scrub().await.expect("scrubs"), "nobody reads");
    assert!(!on_disk(folder.path(), b"needle"));
    assert!(!on_disk(folder.path(), &vector));
    assert!(on_disk(folder.path(), b"bystander 150"));
    records.check().await.expect("the file is sound");
}

#[tokio::test]
async fn deleted_words_leave_the_files_without_being_asked_to() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!("needle"))]).await;
    project(&records, vec![deleted(2, 1)]).await;
    // The scrub holds the pen that the next transaction needs, so it is over when that begins.
    let (claim, _) = claim(&records).await;
    drop(records.begin(&claim).await.expect("opens"));
    assert!(!on_disk(folder.path(), b"needle"));
}

#[tokio::test]
async fn a_copy_made_in_the_middle_opens_with_the_last_commit() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!("one"))]).await;
    let (claim, next) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, next, vec![created(2, 2, json!("two"))]).await.expect("stages");

    let copy = super::folder();
    for entry in fs::read_dir(folder.path()).expect("the folder can be read") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        let (text, copied) = (name.to_string_lossy(), ["format", "records.db", "records.db-wal"]);
        if copied.contains(&&*text) {
            fs::copy(entry.path(), copy.path().join(name)).expect("a copy");
        }
    }
    let copied = open(copy.path());
    assert_eq!(copied.states(&[memory_id(1), memory_id(2)]).await.expect("states").len(), 1);
    assert_eq!(super::claim(&copied).await.1, next);
    copied.check().await.expect("the copy is sound");
    staging.commit(advance(next + 1, None)).await.expect("the original goes on");
}

#[tokio::test]
async fn a_full_file_refuses_the_batch_and_takes_it_when_there_is_space() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!("one"))]).await;
    records.limit_pages(40).await.expect("the file can be limited");
    let batch = || (10..60).map(|n| created(n, n.into(), json!("x".repeat(10_000)))).collect::<Vec<_>>();
    let (claim, next) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    let error = stage(&mut staging, next, batch()).await.expect_err("there is no space");
    assert_eq!(error.code, Code::StorageFull, "{error}");
    assert!(error.message.contains("records.db"), "{error}");
    assert!(staging.commit(advance(next + 50, None)).await.is_err(), "what failed cannot be committed");
    assert_eq!(records.counts().await.expect("reading goes on").memories, 1);

    records.limit_pages(u32::MAX - 1).await.expect("the limit can be raised");
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, next, batch()).await.expect("stages");
    staging.commit(advance(next + 50, None)).await.expect("commits");
    assert_eq!(records.counts().await.expect("counts").memories, 51);
    records.check().await.expect("the file is sound");
}

#[tokio::test]
async fn a_row_that_cannot_be_kept_is_refused_alone() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!("one"))]).await;
    let (claim, next) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    // The event id of another memory's event: the index on events refuses it.
    let (_, mut changes) = stage(&mut staging, next, vec![created(2, 2, json!("two"))]).await.expect("stages");
    drop(staging);
    changes[0].rows[0].event.event_id = created(1, 1, json!("one")).event_id;
    let mut staging = records.begin(&claim).await.expect("opens");
    assert_eq!(staging.stage(&changes).await.expect_err("it is refused").code, Code::StoreRejected);
    let mut staging = records.begin(&claim).await.expect("the store goes on");
    stage(&mut staging, next, vec![created(3, 3, json!("three"))]).await.expect("stages");
    staging.commit(advance(next + 1, None)).await.expect("commits");
    assert_eq!(records.counts().await.expect("counts").memories, 2);
}

#[tokio::test]
async fn damage_is_an_error_that_names_the_file() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, (1..400).map(|n| created(n, n.into(), json!("x".repeat(500)))).collect()).await;
    records.close().await.expect("closes");
    drop(records);
    let path = folder.path().join("records.db");
    let mut bytes = fs::read(&path).expect("the file");
    let from = 3 * 4_096;
    bytes[from..].fill(0x5a);
    fs::write(&path, bytes).expect("written");

    let damaged = async {
        let records = Records::open(&DataDir::open(folder.path())?)?;
        for number in 1..400 {
            records.states(&[memory_id(number)]).await?;
        }
        records.check().await
    };
    let error = damaged.await.expect_err("the damage is found");
    assert_eq!(error.code, Code::Corrupt, "{error}");
    assert!(error.message.contains("records.db"), "{error}");
    assert!(error.to_string().contains("built again from the log"), "{error}");
}

#[tokio::test]
async fn a_foreign_or_newer_file_is_refused() {
    let folder = folder();
    open(folder.path()).close().await.expect("closes");
    let path = folder.path().join("records.db");
    let refused = |pragma: &str| {
        let connection = rusqlite::Connection::open(&path).expect("opens");
        connection.execute_batch(pragma).expect("a pragma");
        drop(connection);
        Records::open(&DataDir::open(folder.path()).expect("the folder")).map(|_| ()).expect_err("refused").code
    };
    assert_eq!(refused("PRAGMA user_version = 99"), Code::FormatTooNew);
    assert_eq!(refused("PRAGMA application_id = 7"), Code::Corrupt);
}

#[tokio::test]
async fn a_closed_store_refuses_reads() {
    let folder = folder();
    let records = open(folder.path());
    records.close().await.expect("closes");
    assert_eq!(records.counts().await.expect_err("closed").code, Code::ShuttingDown);
    let query =
        soma_core::store::ListQuery { namespaces: None, filter: None, order: Order::Newest, after: None, limit: 1 };
    assert_eq!(records.list(&query).await.expect_err("closed").code, Code::ShuttingDown);
}
