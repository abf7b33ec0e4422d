//! Only the latest owner of a partition writes.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use soma_core::error::Code;
use soma_core::ids::{LogId, Timestamp};
use soma_core::store::{Progress, Projecting, ProjectorName, Reading};

use super::{advance, claim, created, folder, log, memory_id, open, project, stage};

#[tokio::test]
async fn a_claim_ends_the_transaction_of_the_owner_before() {
    let folder = folder();
    let records = open(folder.path());
    let (old, _) = claim(&records).await;
    let mut staging = records.begin(&old).await.expect("opens");
    stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");

    let (new, next) = claim(&records).await;
    assert_eq!((next, new.epoch), (0, old.epoch + 1));
    let late = stage(&mut staging, 1, vec![created(2, 2, json!(2))]).await.expect_err("it has ended");
    assert_eq!(late.code, Code::Fenced);
    assert_eq!(staging.commit(advance(1, None)).await.expect_err("it has ended").code, Code::Fenced);
    assert_eq!(records.begin(&old).await.map(|_| ()).expect_err("it is old").code, Code::Fenced);
    assert_eq!(records.mark_indexed(&old, 1).await.expect_err("it is old").code, Code::Fenced);

    let mut staging = records.begin(&new).await.expect("opens");
    stage(&mut staging, 0, vec![created(3, 3, json!(3))]).await.expect("stages");
    staging.commit(advance(1, None)).await.expect("commits");
    assert_eq!(records.counts().await.expect("counts").events, 1);
}

#[tokio::test]
async fn partitions_and_projectors_have_their_own_positions() {
    let folder = folder();
    let records = open(folder.path());
    let (main, _) = claim(&records).await;
    let other = ProjectorName::new("rebuild");
    let second = records.claim(&ProjectorName::memory(), &log(), 1, Timestamp(1)).await.expect("claimed");
    let rebuild = records.claim(&other, &log(), 0, Timestamp(1)).await.expect("claimed");
    let elsewhere = records.claim(&other, &LogId::new("other"), 0, Timestamp(1)).await.expect("claimed");
    for (claim, next) in [(&main, 5), (&second.claim, 6), (&rebuild.claim, 7), (&elsewhere.claim, 8)] {
        let staging = records.begin(claim).await.expect("none of them fences another");
        staging.commit(advance(next, None)).await.expect("commits");
    }
    records.mark_indexed(&main, 4).await.expect("marks");
    records.mark_indexed(&rebuild.claim, 99).await.expect("marks");
    records.mark_indexed(&rebuild.claim, 3).await.expect("it never goes back");
    let rows = records.positions().await.expect("positions");
    let rows: Vec<_> = rows.iter().map(|row| (row.projector.as_str(), row.next, row.indexed)).collect();
    assert_eq!(rows, [("memory", 5, 4), ("memory", 6, 0), ("rebuild", 7, 7), ("rebuild", 8, 0)]);

    records.forget_indexed(&other).await.expect("forgets");
    drop(records);
    let records = open(folder.path());
    let indexed: Vec<_> = records.positions().await.expect("positions").iter().map(|row| row.indexed).collect();
    assert_eq!(indexed, [4, 0, 0, 0]);
    let claimed = records.claim(&other, &log(), 0, Timestamp(1)).await.expect("claimed");
    assert_eq!((claimed.next, claimed.indexed, claimed.claim.epoch), (7, 0, 2));
}

#[tokio::test]
async fn the_last_event_is_remembered_as_a_witness() {
    let folder = folder();
    let records = open(folder.path());
    let first = created(1, 1, json!(1));
    project(&records, vec![first.clone()]).await;
    let claimed = records.claim(&ProjectorName::memory(), &log(), 0, Timestamp(1)).await.expect("claimed");
    assert_eq!(claimed.last.map(|last| (last.offset, last.event_id)), Some((0, first.event_id)));
    let staging = records.begin(&claimed.claim).await.expect("opens");
    staging.commit(advance(2, None)).await.expect("commits");
    let claimed = records.claim(&ProjectorName::memory(), &log(), 0, Timestamp(1)).await.expect("claimed");
    assert_eq!((claimed.next, claimed.last), (2, None));
}

#[tokio::test]
async fn a_claim_raises_the_rev_to_the_time() {
    let folder = folder();
    let records = open(folder.path());
    let claimed = records.claim(&ProjectorName::memory(), &log(), 0, Timestamp(1_000_000)).await.expect("claimed");
    let mut staging = records.begin(&claimed.claim).await.expect("opens");
    let (rev, _) = stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
    assert!(rev > 1_000_000);
    staging.commit(advance(1, None)).await.expect("commits");
    drop(records);
    let records = open(folder.path());
    assert!(project(&records, vec![created(2, 1, json!(2))]).await > rev, "the sequence survives a restart");
}

#[tokio::test]
async fn indexed_can_be_marked_while_a_transaction_is_open() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, vec![created(1, 1, json!(1))]).await;
    let (claim, next) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, next, vec![created(2, 2, json!(2))]).await.expect("stages");
    records.mark_indexed(&claim, next).await.expect("its holder need not end it first");
    staging.commit(advance(next + 1, None)).await.expect("commits");
    assert_eq!(records.positions().await.expect("positions")[0].indexed, next);
}

#[tokio::test]
async fn many_that_begin_at_once_take_turns() {
    let folder = folder();
    let records = open(folder.path());
    let (claim, _) = claim(&records).await;
    let turns = (0..20_u64).map(|number| {
        let (records, claim) = (records.clone(), claim.clone());
        async move {
            let mut staging = records.begin(&claim).await.expect("opens");
            let staged = stage(&mut staging, number, vec![created(number, number.into(), json!(number))]).await;
            staged.expect("stages");
            if number % 2 == 0 {
                staging.commit(advance(number + 1, None)).await.expect("commits");
            }
        }
    });
    join_all(turns).await;
    assert_eq!(records.counts().await.expect("counts").memories, 10);
}

#[test]
fn a_transaction_may_outlive_its_runtime() {
    let folder = folder();
    let records = open(folder.path());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let first = runtime();
    let staging = first.block_on(async {
        let (claim, _) = claim(&records).await;
        let mut staging = records.begin(&claim).await.expect("opens");
        stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
        staging
    });
    first.shutdown_timeout(Duration::from_secs(5));
    drop(staging);
    runtime().block_on(async {
        project(&records, vec![created(2, 2, json!(2))]).await;
        assert_eq!(records.states(&[memory_id(1), memory_id(2)]).await.expect("states").len(), 1);
    });
}
