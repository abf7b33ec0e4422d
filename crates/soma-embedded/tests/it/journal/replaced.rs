//! A file that is removed or replaced while it is in use is noticed: nothing is acknowledged any more.

use std::fs;
use std::path::Path;

use soma_core::error::{Code, Error};
use soma_core::log::EventLog;
use soma_embedded::journal::Journal;

use super::{append, folder, open, read_all, record};

async fn refused(journal: &Journal, number: u128, file: &Path) -> Error {
    let error = journal.append(vec![record(number)]).await.expect_err("nothing may be acknowledged");
    assert_eq!(error.code, Code::Unavailable, "{error}");
    assert!(error.message.contains(&file.display().to_string()), "{error}");
    assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains("put that very file back")), "{error:?}");
    error
}

#[tokio::test]
async fn a_journal_that_is_moved_away_takes_nothing_until_it_is_back() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, vec![record(1)]).await;
    let (file, away) = (folder.path().join("journal.db"), folder.path().join("away.db"));
    fs::rename(&file, &away).expect("it is moved");
    assert!(refused(&journal, 2, &file).await.message.contains("no such file"));
    assert!(journal.bounds().await.is_err_and(|error| error.code == Code::Unavailable), "an owner that looks sees it");
    fs::rename(&away, &file).expect("it is moved back");
    append(&journal, vec![record(3)]).await;
    drop(journal);
    let journal = open(folder.path()).expect("nothing that was acknowledged is missing");
    let held: Vec<_> = read_all(&journal).await.into_iter().filter_map(|held| held.value).collect();
    for number in [1, 3] {
        assert!(held.contains(&record(number).value.expect("a value")), "record {number} is gone");
    }
}

#[tokio::test]
async fn a_journal_that_is_replaced_or_deleted_takes_nothing() {
    for name in ["journal.db", "journal.db-wal"] {
        let folder = folder();
        let journal = open(folder.path()).expect("an empty folder opens");
        append(&journal, vec![record(1)]).await;
        let file = folder.path().join(name);
        let copy = fs::read(&file).expect("it can be read");
        fs::remove_file(&file).expect("it is removed");
        assert!(refused(&journal, 2, &file).await.message.contains("no such file"));
        fs::write(&file, copy).expect("another one takes its name");
        assert!(refused(&journal, 3, &file).await.message.contains("another file"));
    }
}
