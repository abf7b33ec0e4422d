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
        for some in (0..RECORDS).collect::<Vec<_>>().chunks(4) {
            let records = some.iter().map(|n| record(&created(n % 7, *n, "text"))).collect();
            log.append(records).await.expect("the broker is there");
        }
    };
    // The first of them close together, so that they come to sit at one place.
    let readers = join_all((0..READERS).map(|n| follow(Arc::clone(&log), n % 3, 1 + n as usize)));
    let ((), given) = within("everybody has read", async { tokio::join!(write, readers) }).await;
    for (n, given) in (0..READERS).zip(given) {
        assert_eq!(given, (n % 3..RECORDS).collect::<Vec<_>>(), "reader {n}");
    }
}
