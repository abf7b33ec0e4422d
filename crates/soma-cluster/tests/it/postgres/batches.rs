//! What one batch does to the tables.

use futures::FutureExt;
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::projector::verdict::{self, Verdict};
use soma_core::store::{Counts, Projecting, Reading};
use soma_core::testing::sample::{deleted, event_id, memory_id, namespace, updated};
use soma_core::thread::Thread;

use super::{advance, claim, claim_of, created, folded, project, schema, stage};

#[tokio::test]
async fn a_batch_may_have_two_versions_of_one_memory() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let events =
        vec![created(1, 1, json!("one")), updated(1, 2, "two"), created(2, 3, json!(2)), updated(1, 4, "three")];
    project(&records, events).await;
    let states = records.states(&[memory_id(1)]).await.expect("states");
    assert_eq!((states[0].version, states[0].event_id), (3, event_id(4)));
    let counts = records.counts().await.expect("counts");
    assert_eq!(counts, Counts { memories: 2, deleted: 0, events: 4, namespaces: 1 });
    project(&records, vec![updated(2, 5, "text"), deleted(1, 6), deleted(2, 7), created(2, 8, json!(1))]).await;
    let counts = records.counts().await.expect("counts");
    assert_eq!(counts, Counts { memories: 1, deleted: 1, events: 8, namespaces: 1 });
}

#[tokio::test]
async fn a_refused_row_is_named_as_such_and_its_neighbours_go_in_without_it() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (claim, _) = claim(&records).await;
    let good = || created(1, 1, json!("good"));
    let bad = || created(2, 2, json!({"text": "nul \u{0}"}));
    let mut staging = records.begin(&claim).await.expect("opens");
    let refused = stage(&mut staging, 0, vec![good(), bad()]).await.expect_err("jsonb refuses U+0000");
    assert_eq!((refused.code, verdict::of(&refused)), (Code::StoreRejected, Verdict::DeadLetter));
    assert!(!refused.to_string().contains("nul"), "an error quotes no payload: {refused}");
    drop(staging);

    let mut staging = records.begin(&claim).await.expect("opens");
    let refused = stage(&mut staging, 0, vec![bad()]).await.expect_err("it is refused alone as well");
    assert_eq!(refused.code, Code::StoreRejected);
    drop(staging);
    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, 0, vec![good()]).await.expect("stages");
    staging.commit(advance(2, None)).await.expect("commits");
    assert_eq!(records.counts().await.expect("counts").events, 1);
}

#[tokio::test]
async fn numbers_keep_their_value_and_their_kind() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let numbers = json!([
        0,
        -1,
        1e17,
        9_007_199_254_740_993_i64,
        1e18,
        9.3e18,
        -9.3e18,
        u64::MAX,
        i64::MIN,
        i64::MAX,
        0.1,
        1e22,
        1e300,
        -1e300,
        1e308,
        5e-324,
        2.225_073_858_507_201_4e-308,
        1.7e-10,
        123_456_789.125
    ]);
    project(&records, vec![created(1, 1, numbers.clone())]).await;
    let states = records.states(&[memory_id(1)]).await.expect("states");
    let found = &states[0].content.as_ref().expect("it is live").payload;
    // Equality of JSON values tells a double from an integer.
    assert_eq!(found, &numbers);
    let event = records.event(event_id(1)).await.expect("reads").expect("it is there");
    assert_eq!(event.event.content.expect("it has content").payload, numbers);
}

#[tokio::test]
async fn of_two_transactions_that_find_a_memory_missing_the_second_reads_again() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (one, _) = claim_of(&records, "log").await;
    let (two, _) = claim_of(&records, "other").await;
    let mut first = records.begin(&one).await.expect("opens");
    let mut second = records.begin(&two).await.expect("opens");
    let mine = folded(&mut first, "log", 0, vec![created(1, 1, json!("first"))]).await.expect("folds");
    let theirs = folded(&mut second, "other", 0, vec![created(1, 2, json!("second"))]).await.expect("folds");
    let rev = first.stage(&mine).await.expect("stages");

    let (staged, committed) = tokio::join!(second.stage(&theirs), first.commit(advance(1, None)));
    committed.expect("commits");
    let late = staged.expect_err("it folded over a memory that did not exist");
    assert_eq!((late.code, verdict::of(&late)), (Code::Contended, Verdict::Retry));
    drop(second);

    let mut second = records.begin(&two).await.expect("opens");
    let theirs = folded(&mut second, "other", 0, vec![created(1, 2, json!("second"))]).await.expect("folds");
    let later = second.stage(&theirs).await.expect("stages");
    second.commit(advance(1, None)).await.expect("commits");
    assert!(later > rev);
    let states = records.states(&[memory_id(1)]).await.expect("states");
    assert_eq!((states[0].version, states[0].rev), (2, later));
}

#[tokio::test]
async fn the_rev_of_a_new_memory_is_drawn_by_whoever_goes_on() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (one, _) = claim_of(&records, "log").await;
    let (two, _) = claim_of(&records, "other").await;
    let mut first = records.begin(&one).await.expect("opens");
    let mut second = records.begin(&two).await.expect("opens");
    let mine = folded(&mut first, "log", 0, vec![created(1, 1, json!("first"))]).await.expect("folds");
    let theirs = folded(&mut second, "other", 0, vec![created(1, 2, json!("second"))]).await.expect("folds");
    let rev = first.stage(&mine).await.expect("stages");
    let mut waiting = Box::pin(second.stage(&theirs));
    assert!(waiting.as_mut().now_or_never().is_none(), "the first holds the memory");
    // It may have written points under its rev before it failed.
    drop(first);
    let later = waiting.await.expect("the first has left nothing");
    assert!(later > rev, "{later} was drawn before {rev}");
    second.commit(advance(1, None)).await.expect("commits");
}

#[tokio::test]
async fn an_event_that_another_partition_stored_first_is_not_stored_again() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let (two, _) = claim_of(&records, "other").await;
    let mut second = records.begin(&two).await.expect("opens");
    let theirs = folded(&mut second, "other", 0, vec![created(2, 1, json!("again"))]).await.expect("folds");
    project(&records, vec![created(1, 1, json!("first"))]).await;
    assert_eq!(second.stage(&theirs).await.expect_err("the event has taken effect").code, Code::Contended);
    assert_eq!(records.counts().await.expect("counts").events, 1);
}

#[tokio::test]
async fn operators_can_read_the_tables() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let turn = json!({
        "thread": "t".repeat(500), "seq": 2, "actor": "ada", "text": "hello", "occurred_at": 1_700_000_000
    });
    project(&records, vec![created(1, 1, turn), created(2, 2, json!("plain"))]).await;
    let sql = "SELECT m.actor, m.seq, extract(epoch FROM m.occurred_at)::bigint, length(m.thread), e.payload->>'text',
                   e.namespace, e.type, e.timestamp = m.updated_at
               FROM memories m JOIN memory_events e USING (id) WHERE m.thread IS NOT NULL";
    let rows = schema.client().await.query(sql, &[]).await.expect("the columns have these names");
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.get::<_, &str>(0), row.get::<_, f64>(1), row.get::<_, i64>(2)), ("ada", 2.0, 1_700_000_000));
    assert_eq!((row.get::<_, i32>(3), row.get::<_, &str>(4)), (500, "hello"));
    assert_eq!((row.get::<_, &str>(5), row.get::<_, &str>(6), row.get::<_, bool>(7)), ("demo", "created", true));

    project(&records, vec![deleted(1, 3)]).await;
    let sql =
        "SELECT count(*) FROM memories WHERE thread IS NOT NULL OR actor IS NOT NULL OR payload::text LIKE '%hello%'";
    let left: i64 = schema.client().await.query_one(sql, &[]).await.expect("reads").get(0);
    assert_eq!(left, 0, "a deleted memory keeps nothing of its content");
    let _: Value =
        records.states(&[memory_id(2)]).await.expect("states").remove(0).into_memory().expect("it is live").payload;
}

#[tokio::test]
async fn a_batch_of_very_many_threads_locks_them_all() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let thread = |number: u32| Thread { namespace: namespace("demo"), name: format!("{number:05}") };
    let many: Vec<Thread> = (0..20_000).map(thread).collect();
    let (one, _) = claim_of(&records, "log").await;
    let (two, _) = claim_of(&records, "other").await;
    let mut first = records.begin(&one).await.expect("opens");
    first.lock_threads(&many).await.expect("the lock table has room");
    let mut second = records.begin(&two).await.expect("opens");
    let few = [thread(7), thread(8)];
    let mut waiting = Box::pin(second.lock_threads(&few));
    assert!(waiting.as_mut().now_or_never().is_none(), "a thread is locked twice");
    let (locked, committed) = tokio::join!(waiting, first.commit(advance(1, None)));
    committed.expect("commits");
    locked.expect("nobody holds a thread any more");

    let mut first = records.begin(&one).await.expect("opens");
    first.lock_threads(&[thread(1), thread(2)]).await.expect("those are other threads");
    drop(first);
    let mut first = records.begin(&one).await.expect("opens");
    let refused = first.lock_threads(&many).await.expect_err("two of them are held");
    assert_eq!(refused.code, Code::Contended);
    drop(second);
}

#[tokio::test]
async fn rows_are_found_by_their_keys_in_tables_that_were_empty_when_plans_were_made() {
    let Some(schema) = schema().await else { return };
    let records = schema.open().await;
    let client = schema.client().await;
    let unwatched = "ALTER TABLE memories SET (autovacuum_enabled = false);
                     ALTER TABLE memory_events SET (autovacuum_enabled = false)";
    client.batch_execute(unwatched).await.expect("the tables are ours");
    let mut number = 0;
    // Plans are kept after some calls.
    for batch in [1; 8].into_iter().chain([2_000]).chain([1; 8]) {
        let events = (number..number + batch).map(|number| created(number, number, json!("text")));
        project(&records, events.collect()).await;
        number += batch;
    }
    project(&records, vec![updated(3, number, "changed"), deleted(4, number + 1)]).await;
    // A session tells of what it did at its end.
    drop(records);
    let sql = "SELECT sum(n_tup_ins)::bigint, sum(seq_tup_read)::bigint FROM pg_stat_all_tables
               WHERE schemaname = $1 AND relname IN ('memories', 'memory_events')";
    let read = loop {
        let row = client.query_one(sql, &[&schema.schema]).await.expect("reads");
        let (written, read): (i64, i64) = (row.get(0), row.get(1));
        if u64::try_from(written) == Ok(2 * number + 2) {
            break read;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(read, 0, "rows were read that nobody asked for");
}
