//! Several who read one partition of one log at once, each at a place of its own.

use std::sync::Arc;

use futures::future::join_all;
use soma_cluster::kafka::Log;
use soma_core::ids::Offset;
use soma_core::log::{EventLog, ReadLimit};
use soma_core::testing::sample::{created, record};

use super::world::{connect, mock, topic, within};

const RECORDS: u64 = 400;
const READERS: u64 = 6;
const ONE: ReadLimit = ReadLimit { records: 1, bytes: 1 };

async fn append(log: &Log, events: std::ops::Range<u64>) {
    let records = events.map(|n| record(&created(n % 7, n, "text"))).collect();
    log.append(records).await.expect("the broker is there");
}

async fn offsets(log: &Log, from: Offset) -> Vec<Offset> {
    let records = log.read(0, from, ONE).await.expect("the broker is there");
    records.iter().map(|record| record.place.offset).collect()
}

/// Reads in steps of a few records to the end, and answers with every offset that it was given.
async fn follow(log: Arc<Log>, first: Offset, step: usize) -> Vec<Offset> {
    let mut given = Vec::new();
    let mut next = first;
    while next < RECORDS {
        let records =
            log.read(0, next, ReadLimit { records: step, bytes: 1 << 20 }).await.expect("the broker is there");
        given.extend(records.iter().map(|record| record.place.offset));
        match given.last() {
            Some(last) if !records.is_empty() => next = last + 1,
            _ => log.wait(0, next).await.expect("the broker is there"),
        }
    }
    given
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_takes_what_another_has_yet_to_read() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    let write = async {
        for some in (0..RECORDS).step_by(4) {
            append(&log, some..some + 4).await;
        }
    };
    // The first of them close together, so that they come to sit at one place.
    let readers = join_all((0..READERS).map(|n| follow(Arc::clone(&log), n % 3, 1 + n as usize)));
    let ((), given) = within("everybody has read", async { tokio::join!(write, readers) }).await;
    for (n, given) in (0..READERS).zip(given) {
        assert_eq!(given, (n % 3..RECORDS).collect::<Vec<_>>(), "reader {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_begin_at_neighbouring_places_get_what_they_ask_for() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    append(&log, 0..60).await;
    for from in 0..59 {
        // Whoever takes a partition looks at the record before its position, and its lag at the one behind.
        log.forget_ahead(0);
        let both = async { tokio::join!(offsets(&log, from), offsets(&log, from + 1)) };
        assert_eq!(within("both reads", both).await, (vec![from], vec![from + 1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_while_what_was_fetched_is_forgotten_hears_of_the_next_record() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    for next in 0..20 {
        let forget = async {
            // What was read up to there is a place where the wait may sit.
            if next > 0 {
                assert_eq!(offsets(&log, next - 1).await, [next - 1]);
            }
            log.forget_ahead(0);
            append(&log, next..next + 1).await;
        };
        let (waited, ()) = within("the wait", async { tokio::join!(log.wait(0, next), forget) }).await;
        waited.expect("the broker is there");
    }
}
