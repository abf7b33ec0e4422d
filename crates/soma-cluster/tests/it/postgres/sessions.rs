//! Connections: what a failure, a cancellation and an outage leave behind.

use futures::FutureExt;
use serde_json::json;
use soma_core::error::Code;
use soma_core::projector::verdict::{self, Verdict};
use soma_core::store::{Projecting, Reading};
use soma_core::testing::sample::memory_id;

use super::{advance, claim, claim_of, created, project, schema, stage};

#[tokio::test]
async fn a_dropped_transaction_leaves_no_lock() {
    let Some(schema) = schema().await else { return };
    let (records, other) = (schema.open().await, schema.open().await);
    project(&records, vec![created(1, 1, json!(1))]).await;
    let (claim, _) = claim(&records).await;
    for _ in 0..6 {
        let mut staging = records.begin(&claim).await.expect("opens");
        staging.load(&[memory_id(1)], &[]).await.expect("loads");
    }
    // Whoever had to wait for a lock would fail after the lock timeout.
    let (theirs, _) = claim_of(&other, "other").await;
    let mut staging = other.begin(&theirs).await.expect("opens");
    assert_eq!(staging.load(&[memory_id(1)], &[]).await.expect("nobody holds the row").states.len(), 1);
    drop(staging);
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
               WHERE l.locktype = 'advisory' AND a.application_name = $1 AND a.state <> 'idle in transaction'";
    let held: i64 = schema.client().await.query_one(sql, &[&schema.schema]).await.expect("reads").get(0);
    assert_eq!(held, 0, "a session lock outlives its transaction");
}

#[tokio::test]
async fn a_cancelled_statement_leaves_neither_a_lock_nor_a_transaction() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    project(&records, vec![created(1, 1, json!(1))]).await;
    let (one, _) = claim_of(&records, "log").await;
    let (two, _) = claim_of(&records, "other").await;
    let mut first = records.begin(&one).await.expect("opens");
    first.load(&[memory_id(1)], &[]).await.expect("loads");
    let mut second = records.begin(&two).await.expect("opens");
    {
        let ids = [memory_id(1)];
        let mut waiting = Box::pin(second.load(&ids, &[]));
        assert!(waiting.as_mut().now_or_never().is_none(), "the first holds the row");
    }
    drop(second);
    first.commit(advance(1, None)).await.expect("commits");
    for _ in 0..6 {
        let mut staging = records.begin(&two).await.expect("opens");
        staging.load(&[memory_id(1)], &[]).await.expect("nobody holds the row");
    }
}

#[tokio::test]
async fn a_cancelled_read_does_not_spoil_the_connection() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    project(&records, vec![created(1, 1, json!(1))]).await;
    for _ in 0..10 {
        assert!(records.scan(None, 10).now_or_never().is_none());
        assert_eq!(records.scan(None, 10).await.expect("reads").len(), 1);
    }
}

#[tokio::test]
async fn an_outage_in_a_transaction_is_unavailable_and_then_it_works_again() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (claim, _) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
    assert!(schema.end_sessions("%").await > 0);
    let lost = staging.commit(advance(1, None)).await.expect_err("its session was ended");
    assert_eq!((lost.code, verdict::of(&lost)), (Code::Unavailable, Verdict::Retry), "{lost}");

    // A connection that nobody has used since may be found dead once.
    let counts = loop {
        match records.counts().await {
            Ok(counts) => break counts,
            Err(error) => assert_eq!(error.code, Code::Unavailable, "{error}"),
        }
    };
    assert_eq!(counts.events, 0);
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
    staging.commit(advance(1, None)).await.expect("commits");
    assert_eq!(records.counts().await.expect("counts").events, 1);
}

#[tokio::test]
async fn a_row_that_is_held_too_long_is_contended() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    project(&records, vec![created(1, 1, json!(1))]).await;
    let mut client = schema.client().await;
    let foreign = client.transaction().await.expect("begins");
    foreign.execute("SELECT 1 FROM memories FOR UPDATE", &[]).await.expect("locks");
    let (claim, _) = claim(&records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    let late = staging.load(&[memory_id(1)], &[]).await.expect_err("the row is held");
    assert_eq!((late.code, verdict::of(&late)), (Code::Contended, Verdict::Retry));
    let ended = staging.load(&[memory_id(1)], &[]).await.expect_err("an error ends a transaction");
    assert_eq!(ended.code, Code::Unavailable);
}
