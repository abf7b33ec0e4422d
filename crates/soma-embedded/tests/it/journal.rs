//! The journal keeps what it acknowledged, in order, once.

mod child;
mod conformance;
mod corpus;
mod damage;
mod erase;
mod full;
mod letters;
mod replaced;

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error};
use soma_core::ids::{EventId, Offset};
use soma_core::limits;
use soma_core::log::{Appended, EventLog, NewRecord, ReadLimit, Record};
use soma_core::testing::SeededClock;
use soma_embedded::DataDir;
use soma_embedded::journal::Journal;
use tempfile::TempDir;
use uuid::Uuid;

const ALL: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn open(path: &Path) -> Result<Journal, Error> {
    Journal::open(&DataDir::open(path)?, Arc::new(SeededClock::new(7)))
}

/// Its event id and key follow from `number`.
fn record(number: u128) -> NewRecord {
    NewRecord {
        key: Some(Uuid::from_u128(number).to_string().into_bytes()),
        value: Some(format!("value {number}").into_bytes()),
        headers: vec![],
        event_id: Some(EventId(Uuid::from_u128(number))),
    }
}

/// The same with `bytes` bytes of value.
fn large(number: u128, bytes: usize) -> NewRecord {
    let mut value = format!("value {number} ").into_bytes();
    value.resize(bytes, b'x');
    NewRecord { value: Some(value), ..record(number) }
}

async fn append(journal: &Journal, records: Vec<NewRecord>) -> Vec<Appended> {
    journal.append(records).await.expect("the journal can append")
}

async fn read_all(journal: &Journal) -> Vec<Record> {
    journal.read(0, 0, ALL).await.expect("the journal can be read")
}

fn offset(appended: &Appended) -> Offset {
    match appended {
        Appended::New(place) => place.offset,
        Appended::Existing(record) => record.place.offset,
    }
}

#[tokio::test]
async fn records_come_back_as_they_were_at_contiguous_offsets() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let id = Uuid::from_u128(5);
    let keys = [
        None,
        Some(vec![]),
        Some(b"not a uuid".to_vec()),
        Some(vec![0xff, 0]),
        Some(id.to_string().into_bytes()),
        Some(id.to_string().to_uppercase().into_bytes()),
        Some(id.as_simple().to_string().into_bytes()),
    ];
    let values = [None, Some(vec![]), Some(b"{}".to_vec()), Some(vec![b'v'; 100_000])];
    let headers = [vec![], vec![("a".to_owned(), vec![1, 0]), (String::new(), vec![]), ("a".to_owned(), vec![2])]];
    let mut written = Vec::new();
    for key in &keys {
        for value in &values {
            for headers in &headers {
                let (key, value, headers) = (key.clone(), value.clone(), headers.clone());
                written.push(NewRecord { key, value, headers, event_id: None });
            }
        }
    }
    append(&journal, written.clone()).await;
    drop(journal);

    let journal = open(folder.path()).expect("the journal opens again");
    let read = read_all(&journal).await;
    assert_eq!(read.len(), written.len());
    for (index, (read, written)) in read.iter().zip(&written).enumerate() {
        assert_eq!(read.place.offset, index as u64);
        assert_eq!(&read.place.log, journal.id());
        assert_eq!((&read.key, &read.value, &read.headers), (&written.key, &written.value, &written.headers));
    }
    let bounds = journal.bounds().await.expect("bounds are known");
    assert_eq!((bounds[0].first, bounds[0].next), (0, written.len() as u64));
}

#[tokio::test]
async fn the_log_id_stays_and_timestamps_come_from_the_clock() {
    let folder = folder();
    let clock = Arc::new(SeededClock::new(1));
    let directory = DataDir::open(folder.path()).expect("the folder opens");
    let journal = Journal::open(&directory, clock.clone()).expect("the journal opens");
    let id = journal.id().clone();
    append(&journal, vec![record(1)]).await;
    assert_eq!(read_all(&journal).await[0].timestamp, clock.now());
    drop(journal);
    let journal = Journal::open(&directory, clock).expect("the journal opens again");
    assert_eq!(journal.id(), &id);
}

#[tokio::test]
async fn an_event_id_is_held_once_and_answers_with_the_first_record() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let again = NewRecord { value: Some(b"another body".to_vec()), ..record(1) };
    let appended = append(&journal, vec![record(1), again.clone(), record(2)]).await;
    let Appended::Existing(first) = &appended[1] else { panic!("the second is a duplicate: {appended:?}") };
    assert_eq!((first.place.offset, &first.value), (0, &record(1).value));
    assert_eq!(offset(&appended[2]), 1, "a duplicate takes no offset");

    drop(journal);
    let journal = open(folder.path()).expect("the journal opens again");
    let appended = append(&journal, vec![again]).await;
    assert!(matches!(&appended[0], Appended::Existing(first) if first.value == record(1).value));
    assert_eq!(read_all(&journal).await.len(), 2);
    assert_eq!(journal.stats().duplicates, 1);
    let anonymous = NewRecord { event_id: None, ..record(1) };
    let appended = append(&journal, vec![anonymous.clone(), anonymous]).await;
    assert_eq!(appended.iter().map(offset).collect::<Vec<_>>(), [2, 3], "records without an id always go in");
}

#[tokio::test]
async fn a_record_is_found_by_its_event_id() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, (0..10).map(record).collect()).await;
    let found = journal.find(EventId(Uuid::from_u128(7))).await.expect("the journal can look");
    assert_eq!(found.expect("it is there").place.offset, 7);
    assert_eq!(journal.find(EventId(Uuid::from_u128(70))).await.expect("the journal can look"), None);
}

#[tokio::test]
async fn writers_that_wait_together_share_a_commit() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let results = join_all((0..256).map(|n| journal.append(vec![record(n)]))).await;
    let mut offsets: Vec<_> = results.iter().map(|r| offset(&r.as_ref().expect("appends succeed")[0])).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..256).collect::<Vec<_>>());
    let stats = journal.stats();
    assert_eq!(stats.records, 256);
    assert!(stats.commits <= 64, "256 appends took {} commits", stats.commits);
}

#[tokio::test]
async fn a_duplicate_in_the_same_commit_is_recognised() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let results = join_all((0..200).map(|n| journal.append(vec![record(n / 2)]))).await;
    let new = results.iter().flatten().flatten().filter(|a| matches!(a, Appended::New(_))).count();
    assert_eq!((results.len(), new), (200, 100));
    assert_eq!(read_all(&journal).await.len(), 100);
}

#[tokio::test]
async fn a_record_that_sqlite_refuses_fails_alone() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON records WHEN new.value = CAST('value 13' AS BLOB)
                  BEGIN SELECT raise(ABORT, 'unlucky'); END";
    let other = rusqlite::Connection::open(folder.path().join("journal.db")).expect("another connection opens");
    other.execute_batch(refuse).expect("the trigger can be made");
    let results = join_all((0..64).map(|n| journal.append(vec![record(n)]))).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), n != 13, "append {n}: {result:?}");
    }
    assert_eq!(results[13].as_ref().expect_err("13 is refused").code, Code::StoreRejected);
    let read = read_all(&journal).await;
    assert_eq!(read.len(), 63);
    assert_eq!(read.last().map(|r| r.place.offset), Some(62), "the refused append leaves no gap");
}

#[tokio::test]
async fn a_record_beyond_the_bounds_is_refused_by_size_before_it_is_queued() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    let error = journal.append(vec![record(1), large(2, limits::VALUE_BYTES_MAX + 1)]).await;
    let error = error.expect_err("the second is too large");
    assert_eq!((error.code, error.field.as_deref()), (Code::TooLarge, Some("[1]")));
    assert_eq!(read_all(&journal).await, []);
    append(&journal, vec![large(3, limits::VALUE_BYTES_MAX)]).await;
}

#[tokio::test]
async fn a_read_is_bounded_by_records_and_bytes_but_returns_at_least_one() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, (0..20).map(|n| large(n, 1_000)).collect()).await;
    let read = async |from, records, bytes| {
        let limit = ReadLimit { records, bytes };
        let read = journal.read(0, from, limit).await.expect("the journal can be read");
        read.iter().map(|r| r.place.offset).collect::<Vec<_>>()
    };
    assert_eq!(read(3, 4, usize::MAX).await, [3, 4, 5, 6]);
    assert_eq!(read(3, 100, 3_200).await, [3, 4, 5]);
    assert_eq!(read(3, 100, 1).await, [3]);
    assert_eq!(read(18, 100, usize::MAX).await, [18, 19]);
    assert_eq!(read(20, 100, usize::MAX).await, Vec::<u64>::new());
    assert_eq!(read(u64::MAX, 100, usize::MAX).await, Vec::<u64>::new());
}

#[tokio::test]
async fn waiting_ends_when_the_record_is_there() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, vec![record(0)]).await;
    journal.wait(0, 0).await.expect("it is there already");
    let mut wait = std::pin::pin!(journal.wait(0, 2));
    assert!(futures::poll!(wait.as_mut()).is_pending());
    append(&journal, vec![record(1)]).await;
    assert!(futures::poll!(wait.as_mut()).is_pending(), "offset 1 is not offset 2");
    append(&journal, vec![record(2)]).await;
    wait.await.expect("offset 2 is there");
}

#[tokio::test]
async fn a_closed_journal_keeps_everything_in_one_file_and_refuses_more() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, (0..10).map(record).collect()).await;
    journal.close().await.expect("the journal closes");
    let refused = journal.append(vec![record(11)]).await.expect_err("it is closed");
    assert_eq!(refused.code, Code::ShuttingDown);
    assert_eq!(journal.read(0, 0, ALL).await.expect_err("it is closed").code, Code::ShuttingDown);
    assert!(!folder.path().join("journal.db-wal").exists(), "the WAL is written back and gone");
    drop(journal);
    let journal = open(folder.path()).expect("the journal opens again");
    assert_eq!(read_all(&journal).await.len(), 10);
}

#[tokio::test]
async fn a_check_counts_what_it_verified_and_a_backup_is_a_journal() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, (0..1_500).map(record).collect()).await;
    assert_eq!(journal.check().await.expect("nothing is damaged").records, 1_500);

    let other = tempfile::tempdir().expect("a temporary folder can be made");
    drop(DataDir::open(other.path()).expect("the folder opens"));
    journal.backup_to(other.path().join("journal.db")).await.expect("a backup can be made");
    append(&journal, vec![record(2_000)]).await;
    let copy = open(other.path()).expect("the backup opens");
    assert_eq!(copy.id(), journal.id());
    assert_eq!(copy.check().await.expect("nothing is damaged").records, 1_500);
    let refused = journal.backup_to(other.path().join("journal.db")).await.expect_err("the file exists");
    assert_eq!(refused.code, Code::BadRequest);
}

#[tokio::test]
async fn the_wal_stays_bounded_while_writers_write() {
    let folder = folder();
    let journal = open(folder.path()).expect("an empty folder opens");
    for batch in 0..60 {
        append(&journal, (0..100).map(|n| large(batch * 100 + n, 10_000)).collect()).await;
    }
    let wal = folder.path().join("journal.db-wal").metadata().expect("there is a WAL").len();
    assert!(wal < 40 << 20, "60 MB of records left a WAL of {wal} bytes");
    assert!(journal.stats().checkpoints > 0);
}
