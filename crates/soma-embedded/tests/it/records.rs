//! The record store commits records and position together, once, and forgets what is deleted.

mod conformance;
mod fence;
mod files;
mod lists;
mod upgrade;
mod waits;

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use soma_core::error::Result;
use soma_core::event::{Content, Event, EventType};
use soma_core::fold::{self, Change, Entry};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Offset, Place, Timestamp};
use soma_core::store::{Advance, Claim, LastEvent, Projecting, ProjectorName, Reading, Staging};
use soma_core::testing::store::history;
use soma_embedded::DataDir;
use soma_embedded::records::Records;
use tempfile::TempDir;
use uuid::Uuid;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn open(path: &Path) -> Records {
    Records::open(&DataDir::open(path).expect("the folder can be owned")).expect("the store opens")
}

fn log() -> LogId {
    LogId::new("log")
}

fn namespace(text: &str) -> Namespace {
    Namespace::parse(text).expect("a valid namespace")
}

fn memory_id(number: u128) -> MemoryId {
    MemoryId(Uuid::from_u128(number))
}

fn content(payload: Value) -> Content {
    Content { payload, importance: None, embedding: None, model_revision: None }
}

/// The event `number` of memory `id`, at second `number`.
fn event(number: u64, id: u128, kind: EventType, content: Option<Content>) -> Event {
    Event {
        event_id: EventId(Uuid::from_u128(0xE_0000_0000 + u128::from(number))),
        id: memory_id(id),
        namespace: Some(namespace("tests")),
        kind,
        timestamp: Timestamp(i64::try_from(number).expect("small") * 1_000_000),
        content,
    }
}

fn created(number: u64, id: u128, payload: Value) -> Event {
    event(number, id, EventType::Created, Some(content(payload)))
}

fn updated(number: u64, id: u128, payload: Value) -> Event {
    event(number, id, EventType::Updated, Some(content(payload)))
}

fn deleted(number: u64, id: u128) -> Event {
    event(number, id, EventType::Deleted, None)
}

async fn claim(records: &Records) -> (Claim, Offset) {
    let claimed = records.claim(&ProjectorName::memory(), &log(), 0, Timestamp(1)).await.expect("claimed");
    (claimed.claim, claimed.next)
}

fn advance(next: Offset, last: Option<EventId>) -> Advance {
    let last = last.map(|event_id| LastEvent { offset: next - 1, event_id });
    Advance { next, last, now: Timestamp(77) }
}

/// Loads, folds and stages events that lie from `from` on.
async fn stage(staging: &mut Box<dyn Staging>, from: Offset, events: Vec<Event>) -> Result<(u64, Vec<Change>)> {
    let place = |offset| Place { log: log(), partition: 0, offset };
    let entries: Vec<Entry> =
        (from..).zip(events).map(|(offset, event)| Entry { event, place: place(offset) }).collect();
    let ids: Vec<_> = entries.iter().map(|entry| entry.event.id).collect();
    let event_ids: Vec<_> = entries.iter().map(|entry| entry.event.event_id).collect();
    let loaded = staging.load(&ids, &event_ids).await?;
    let folded = match fold::batch(&loaded, &entries, &HashMap::new()) {
        Ok(folded) => folded,
        Err(missing) => {
            let stored = staging.entries(&missing).await?;
            fold::batch(&loaded, &entries, &stored).expect("everything is at hand")
        }
    };
    Ok((staging.stage(&folded.changes).await?, folded.changes))
}

/// Projects a batch as the projector does, under a claim of its own.
async fn project(records: &Records, events: Vec<Event>) -> u64 {
    let (claim, from) = claim(records).await;
    let mut staging = records.begin(&claim).await.expect("a transaction opens");
    let (count, last) = (events.len() as u64, events.last().map(|event| event.event_id));
    let (rev, _) = stage(&mut staging, from, events).await.expect("the batch is staged");
    staging.commit(advance(from + count, last)).await.expect("the batch commits");
    rev
}

#[tokio::test]
async fn what_was_staged_is_read_back_whole_after_a_restart() {
    let folder = folder();
    let records = open(folder.path());
    let whole = Content {
        payload: json!({"text": "naïve 😀", "big": u64::MAX, "least": i64::MIN, "x": 0.1, "none": null, "l": [1, [2]]}),
        importance: Some(0.1 + 0.2),
        embedding: Some(vec![0.1, -1e-300, 1e300]),
        model_revision: Some("rev".into()),
    };
    let tombstone = Event { namespace: None, ..deleted(3, 3) };
    let erased = event(4, 4, EventType::Created, None);
    let events =
        vec![event(1, 1, EventType::Created, Some(whole.clone())), created(2, 2, json!(null)), tombstone, erased];
    let rev = project(&records, events.clone()).await;
    drop(records);

    let records = open(folder.path());
    let ids: Vec<_> = (1..=5).map(memory_id).collect();
    let states = records.states(&ids).await.expect("states");
    assert_eq!(states.iter().map(|state| state.id).collect::<Vec<_>>(), ids[..4]);
    assert!(states.iter().all(|state| state.rev == rev && state.version == 1));
    assert_eq!(states[0].content, Some(whole));
    assert_eq!(states[0].namespace, Some(namespace("tests")));
    assert_eq!(states[1].content, Some(content(json!(null))));
    assert_eq!((states[2].kind, &states[2].namespace, &states[2].content), (EventType::Deleted, &None, &None));
    assert_eq!((states[3].kind, &states[3].content), (EventType::Created, &None));
    assert_eq!(states[3].at, Place { log: log(), partition: 0, offset: 3 });
    for event in events {
        let stored = records.event(event.event_id).await.expect("reads").expect("the event is kept");
        assert_eq!(stored.event, event);
    }
    assert_eq!(records.scan(Some(memory_id(2)), 10).await.expect("scan"), states[2..]);
    assert_eq!(records.scan(None, 1).await.expect("scan"), states[..1]);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_but_its_rev() {
    let folder = folder();
    let records = open(folder.path());
    let (claim, _) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("a transaction opens");
    let (dropped, _) = stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("staged");
    drop(staging);

    let mut staging = records.begin(&claim).await.expect("the next one waits for the rollback");
    let (rev, _) = stage(&mut staging, 0, vec![created(2, 2, json!(2))]).await.expect("staged");
    staging.commit(advance(1, None)).await.expect("commits");
    assert!(rev > dropped, "a rev that the index may have seen is drawn again: {rev} after {dropped}");
    assert_eq!(records.states(&[memory_id(1), memory_id(2)]).await.expect("states").len(), 1);
    assert_eq!(records.event(created(1, 1, json!(1)).event_id).await.expect("reads"), None);
}

#[tokio::test]
async fn a_delete_empties_the_history_before_it() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!("one")), updated(2, 1, json!("two"))]).await;
    project(&records, vec![deleted(3, 1)]).await;
    let payloads = async || -> Vec<Option<Value>> {
        let history = self::history(&records, memory_id(1)).await.expect("reads").expect("known");
        history.into_iter().map(|entry| entry.payload).collect()
    };
    assert_eq!(payloads().await, [None, None, None]);
    let first = records.event(created(1, 1, json!("one")).event_id).await.expect("reads").expect("known");
    assert_eq!(first.event.content, None);
    assert_eq!(history(&records, memory_id(9)).await.expect("reads"), None);

    project(&records, vec![created(4, 1, json!("three"))]).await;
    assert_eq!(payloads().await, [None, None, None, Some(json!("three"))]);
}

#[tokio::test]
async fn a_late_event_takes_its_place_among_those_of_another_log() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(5, 1, json!("five"))]).await;
    let claimed = records.claim(&ProjectorName::memory(), &LogId::new("a"), 0, Timestamp(1)).await.expect("claimed");
    let mut staging = records.begin(&claimed.claim).await.expect("opens");
    let late =
        Entry { event: created(3, 1, json!("three")), place: Place { log: LogId::new("a"), partition: 0, offset: 0 } };
    let loaded = staging.load(&[late.event.id], &[late.event.event_id]).await.expect("loads");
    let missing = fold::batch(&loaded, std::slice::from_ref(&late), &HashMap::new()).expect_err("it is late");
    let stored = staging.entries(&missing).await.expect("entries");
    assert_eq!(stored[&late.event.id].len(), 1);
    let folded = fold::batch(&loaded, &[late], &stored).expect("folds");
    staging.stage(&folded.changes).await.expect("stages");
    staging.commit(advance(1, None)).await.expect("commits");

    let history = self::history(&records, memory_id(1)).await.expect("reads").expect("known");
    assert_eq!(
        history.iter().map(|entry| entry.payload.clone()).collect::<Vec<_>>(),
        [Some(json!("three")), Some(json!("five"))]
    );
    let state = &records.states(&[memory_id(1)]).await.expect("states")[0];
    assert_eq!((&state.content, state.version), (&Some(content(json!("five"))), 2));
}

#[tokio::test]
async fn the_counts_follow_every_change() {
    let folder = folder();
    let records = open(folder.path());
    let counts = async || {
        let counts = records.counts().await.expect("counts");
        (counts.memories, counts.deleted, counts.events, counts.namespaces)
    };
    assert_eq!(counts().await, (0, 0, 0, 0));
    let elsewhere = |event| Event { namespace: Some(namespace("elsewhere")), ..event };
    project(&records, vec![created(1, 1, json!(1)), created(2, 2, json!(2)), elsewhere(created(3, 3, json!(3)))]).await;
    assert_eq!(counts().await, (3, 0, 3, 2));
    project(&records, vec![updated(4, 1, json!(4)), elsewhere(deleted(5, 3)), deleted(6, 9)]).await;
    assert_eq!(counts().await, (2, 2, 6, 1));
    project(&records, vec![elsewhere(deleted(7, 3)), created(8, 9, json!(8)), deleted(9, 1), deleted(10, 2)]).await;
    assert_eq!(counts().await, (1, 3, 10, 1));
    drop(records);
}

#[tokio::test]
async fn namespaces_come_by_prefix_in_the_order_of_code_points() {
    let folder = folder();
    let records = open(folder.path());
    let names = ["a", "a/b", "a/\u{10FFFF}", "a/\u{10FFFF}x", "a0", "b", "ä", "äb", "%", "a_b", "A"];
    let events = names
        .iter()
        .zip(1..)
        .map(|(name, number)| Event { namespace: Some(namespace(name)), ..created(number, number.into(), json!(0)) });
    project(&records, events.collect()).await;
    let all = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(namespace);
        let found = records.namespaces(prefix, after.as_ref(), limit).await.expect("reads");
        assert!(found.iter().all(|found| found.memories == 1));
        found.iter().map(|found| found.namespace.as_str().to_owned()).collect()
    };
    assert_eq!(all("a/", None, 9).await, ["a/b", "a/\u{10FFFF}", "a/\u{10FFFF}x"]);
    assert_eq!(all("a/\u{10FFFF}", None, 9).await, ["a/\u{10FFFF}", "a/\u{10FFFF}x"]);
    assert_eq!(all("ä", None, 9).await, ["ä", "äb"]);
    assert_eq!(all("%", None, 9).await, ["%"]);
    assert_eq!(all("c", None, 9).await, [""; 0]);
    assert_eq!(all("a", Some("a/b"), 2).await, ["a/\u{10FFFF}", "a/\u{10FFFF}x"]);
    assert_eq!(all("a", Some("b"), 2).await, [""; 0]);
    assert_eq!(all("b", Some("a"), 2).await, ["b"]);
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(all("", None, 99).await, sorted);
}
