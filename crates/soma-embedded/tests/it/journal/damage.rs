//! Damage is an error that names the file, never silence.

use std::fs;
use std::path::Path;

use soma_core::error::{Code, Error};
use soma_core::log::EventLog;
use soma_embedded::journal::Journal;
use tempfile::TempDir;

use super::{ALL, append, folder, large, open, read_all, record};

/// The files as a power failure would leave them: the journal is not closed.
pub(super) fn crashed(folder: &Path) -> TempDir {
    let copy = super::folder();
    for name in ["format", "journal.db", "journal.db-wal", "journal.tip"] {
        if folder.join(name).exists() {
            fs::copy(folder.join(name), copy.path().join(name)).expect("the file can be copied");
        }
    }
    copy
}

/// A closed journal of 200 records of 1 kB.
async fn closed() -> TempDir {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, (0..200).map(|n| large(n, 1_000)).collect()).await;
    journal.close().await.expect("the journal closes");
    folder
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("the file can be read");
    change(&mut bytes);
    fs::write(file, bytes).expect("the file can be written");
}

fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).position(|window| window == text).expect("the text is in the file")
}

/// What the first complaint is when the journal is opened, read and checked.
async fn complaint(folder: &Path) -> Option<Error> {
    let journal = match open(folder) {
        Ok(journal) => journal,
        Err(e) => return Some(e),
    };
    match journal.read(0, 0, ALL).await {
        Ok(_) => journal.check().await.err(),
        Err(e) => Some(e),
    }
}

fn assert_names(error: &Error, name: &str) {
    assert_eq!(error.code, Code::Corrupt, "{error}");
    assert!(error.message.contains(name), "{error}");
    assert!(error.remedy.is_some(), "{error}");
}

#[tokio::test]
async fn a_changed_byte_in_a_value_is_noticed_when_it_is_read() {
    let folder = closed().await;
    change(&folder.path().join("journal.db"), |bytes| {
        let at = find(bytes, b"value 77 ");
        bytes[at + 20] ^= 1;
    });
    let journal = open(folder.path()).expect("opening does not read everything");
    let error = journal.read(0, 0, ALL).await.expect_err("the value is damaged");
    assert_names(&error, "journal.db");
    assert!(error.message.contains("record 77"), "{error}");
    assert!(journal.read(0, 78, ALL).await.is_ok(), "the others can be read");
    assert_names(&journal.check().await.expect_err("a check finds it"), "record 77");
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_noticed_or_harmless() {
    let folder = closed().await;
    let length = fs::metadata(folder.path().join("journal.db")).expect("the file is there").len();
    let whole = {
        let journal = open(folder.path()).expect("the journal opens");
        read_all(&journal).await
    };
    // A prime step meets headers, cell pointers, cells, indexes and free space alike.
    for at in (0..usize::try_from(length).expect("a small file")).step_by(1_009) {
        let damaged = crashed(folder.path());
        change(&damaged.path().join("journal.db"), |bytes| bytes[at] ^= 0xff);
        match complaint(damaged.path()).await {
            Some(error) => assert!(error.message.contains("journal.db"), "byte {at}: {error}"),
            None => {
                let journal = open(damaged.path()).expect("there was no complaint");
                assert_eq!(read_all(&journal).await, whole, "byte {at} changed what is read");
            }
        }
    }
}

#[tokio::test]
async fn a_truncated_file_is_noticed() {
    for keep in [0, 1, 100, 4_096, 40_000, 150_001] {
        let folder = closed().await;
        change(&folder.path().join("journal.db"), |bytes| bytes.truncate(keep));
        assert_names(&complaint(folder.path()).await.expect("a complaint"), "journal.db");
    }
}

#[tokio::test]
async fn a_missing_file_is_noticed() {
    let folder = closed().await;
    fs::remove_file(folder.path().join("journal.db")).expect("the file can be removed");
    assert_names(&open(folder.path()).err().expect("a complaint"), "journal.db");
}

#[tokio::test]
async fn garbage_in_place_of_the_header_is_noticed() {
    let folder = closed().await;
    change(&folder.path().join("journal.db"), |bytes| bytes[..100].fill(b'?'));
    assert_names(&open(folder.path()).err().expect("a complaint"), "journal.db");
}

#[tokio::test]
async fn another_sqlite_file_is_refused_and_a_newer_one_too() {
    let folder = closed().await;
    let raw = rusqlite::Connection::open(folder.path().join("journal.db")).expect("SQLite opens it");
    raw.pragma_update(None, "user_version", 2).expect("the version can be changed");
    let error = open(folder.path()).err().expect("a complaint");
    assert_eq!(error.code, Code::FormatTooNew);
    assert!(error.message.contains("journal.db") && error.message.contains("version 2"), "{error}");
    raw.pragma_update(None, "application_id", 1).expect("the id can be changed");
    assert_names(&open(folder.path()).err().expect("a complaint"), "journal.db");
}

async fn written() -> (TempDir, Journal) {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    for number in 0..20 {
        append(&journal, vec![record(number)]).await;
    }
    (folder, journal)
}

#[tokio::test]
async fn an_undamaged_wal_is_replayed() {
    let (folder, _journal) = written().await;
    let copy = crashed(folder.path());
    let journal = open(copy.path()).expect("the journal opens after a crash");
    assert_eq!(read_all(&journal).await.len(), 20);
}

#[tokio::test]
async fn a_wal_that_lost_acknowledged_records_is_refused() {
    let (folder, _journal) = written().await;
    let damages: [fn(&Path); 4] = [
        |wal| fs::remove_file(wal).expect("the WAL can be removed"),
        |wal| change(wal, |bytes| bytes[5] ^= 1),
        |wal| change(wal, |bytes| bytes.truncate(bytes.len() - 1)),
        |wal| {
            change(wal, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
        },
    ];
    for damage in damages {
        let copy = crashed(folder.path());
        damage(&copy.path().join("journal.db-wal"));
        let error = open(copy.path()).err().expect("acknowledged records are gone");
        assert_names(&error, "journal.db");
    }
}

#[tokio::test]
async fn the_tip_can_be_given_up_on_purpose() {
    let (folder, _journal) = written().await;
    let copy = crashed(folder.path());
    change(&copy.path().join("journal.db-wal"), |bytes| bytes.truncate(bytes.len() - 1));
    fs::remove_file(copy.path().join("journal.tip")).expect("the tip can be removed");
    let journal = open(copy.path()).expect("the loss is accepted");
    assert_eq!(read_all(&journal).await.len(), 19);
}

#[tokio::test]
async fn a_damaged_tip_is_named_and_an_empty_one_is_none() {
    let folder = closed().await;
    let tip = folder.path().join("journal.tip");
    change(&tip, |bytes| bytes[20] ^= 1);
    assert_names(&open(folder.path()).err().expect("a complaint"), "journal.tip");
    fs::write(&tip, []).expect("the tip can be written");
    open(folder.path()).expect("an empty tip says nothing");
}

#[tokio::test]
async fn a_journal_of_other_data_is_noticed() {
    let (folder, other) = (closed().await, closed().await);
    let raw = rusqlite::Connection::open(other.path().join("journal.db")).expect("SQLite opens it");
    raw.execute("UPDATE meta SET log_id = '00000000-0000-4000-8000-000000000000'", []).expect("the id can be changed");
    raw.close().expect("the file closes");
    fs::copy(other.path().join("journal.db"), folder.path().join("journal.db")).expect("the file can be copied");
    assert_names(&open(folder.path()).err().expect("a complaint"), "journal.db");
}
