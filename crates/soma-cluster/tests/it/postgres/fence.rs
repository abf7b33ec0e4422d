//! Only the latest owner of a partition writes, and it need not wait for the one before.

use serde_json::json;
use soma_core::error::Code;
use soma_core::ids::Timestamp;
use soma_core::store::{Progress, Projecting, ProjectorName, Reading};
use soma_core::testing::sample::memory_id;

use super::{advance, claim, claim_of, created, log, project, schema, stage};

#[tokio::test]
async fn a_paused_predecessor_is_ended_and_its_successor_goes_on_at_once() {
    let Some(schema) = schema().await else { return };
    let (first, second) = (schema.open().await, schema.open().await);
    project(&first, vec![created(1, 1, json!(1))]).await;
    let (old, next) = claim(&first).await;
    let mut paused = first.begin(&old).await.expect("opens");
    stage(&mut paused, next, vec![created(1, 2, json!("paused")), created(2, 3, json!("paused"))])
        .await
        .expect("stages");

    let (new, from) = claim(&second).await;
    assert_eq!((from, new.epoch), (next, old.epoch + 1));
    // The predecessor held both rows; whoever had to wait for it would fail after the lock timeout.
    let mut staging = second.begin(&new).await.expect("opens");
    let events = vec![created(1, 2, json!("new")), created(2, 3, json!("new"))];
    let rev = stage(&mut staging, from, events).await.expect("nobody holds the rows");
    staging.commit(advance(from + 2, None)).await.expect("commits");

    assert_eq!(paused.commit(advance(next + 2, None)).await.expect_err("it has ended").code, Code::Fenced);
    assert_eq!(first.begin(&old).await.map(|_| ()).expect_err("it is old").code, Code::Fenced);
    assert_eq!(first.mark_indexed(&old, 1).await.expect_err("it is old").code, Code::Fenced);
    let states = first.states(&[memory_id(1), memory_id(2)]).await.expect("states");
    assert!(states.iter().all(|state| state.rev == rev), "{states:?}");
    assert_eq!(first.positions().await.expect("positions")[0].next, from + 2);
}

#[tokio::test]
async fn every_call_of_a_fenced_transaction_says_so() {
    let Some(schema) = schema().await else { return };
    let (first, second) = (schema.open().await, schema.open().await);
    let (old, _) = claim(&first).await;
    let mut staging = first.begin(&old).await.expect("opens");
    claim(&second).await;
    for _ in 0..2 {
        assert_eq!(staging.load(&[memory_id(1)], &[]).await.expect_err("it has ended").code, Code::Fenced);
    }
    assert_eq!(staging.stage(&[]).await.expect_err("it has ended").code, Code::Fenced);
    assert_eq!(staging.commit(advance(1, None)).await.expect_err("it has ended").code, Code::Fenced);
}

#[tokio::test]
async fn taking_one_partition_over_leaves_the_transactions_of_others() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (main, _) = claim(&records).await;
    let (other, _) = claim_of(&records, "other").await;
    let mut one = records.begin(&main).await.expect("opens");
    stage(&mut one, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
    let two = records.begin(&other).await.expect("opens");
    records.claim(&ProjectorName::memory(), &log(), 1, Timestamp(1)).await.expect("claimed");
    records.claim(&ProjectorName::new("rebuild"), &log(), 0, Timestamp(1)).await.expect("claimed");
    one.commit(advance(1, None)).await.expect("nobody took it over");
    two.commit(advance(1, None)).await.expect("nobody took it over");
}

#[tokio::test]
async fn claims_of_many_at_once_never_take_the_rev_back() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let start = 1_000_000_000_i64;
    let claims = (0..8_u32).map(|number| {
        let records = records.clone();
        async move {
            let now = Timestamp(start + i64::from(number % 3) * 1_000);
            let claimed = records.claim(&ProjectorName::memory(), &log(), number, now).await.expect("claimed");
            let mut revs = Vec::new();
            for _ in 0..5 {
                let mut staging = records.begin(&claimed.claim).await.expect("opens");
                revs.push(staging.stage(&[]).await.expect("stages"));
            }
            assert!(revs.is_sorted_by(|a, b| a < b), "{revs:?}");
            assert!(revs[0] > now.0.unsigned_abs(), "{revs:?}");
            revs
        }
    });
    let mut revs: Vec<u64> = futures::future::join_all(claims).await.concat();
    revs.sort_unstable();
    assert!(revs.is_sorted_by(|a, b| a < b), "a rev was drawn twice: {revs:?}");
}
