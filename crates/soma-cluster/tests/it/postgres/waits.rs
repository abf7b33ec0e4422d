//! Who waits for a position is woken by its commit, whoever commits.

use std::future::poll_fn;
use std::task::Poll;

use futures::FutureExt;
use soma_core::error::Code;
use soma_core::ids::Position;
use soma_core::store::{Progress, Projecting, ProjectorName};

use super::{advance, claim, log, schema};

fn position(next: u64) -> Position {
    Position([((log(), 0), next)].into())
}

/// Polls the waiting beside `other` until it is done; the waiting must not end before.
async fn meanwhile<T>(
    waiting: &mut (impl Future<Output = soma_core::Result<()>> + Unpin),
    other: impl Future<Output = T>,
) -> T {
    let mut other = Box::pin(other);
    poll_fn(|cx| {
        assert!(waiting.poll_unpin(cx).is_pending(), "it ended before its position was reached");
        match other.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(value),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_commit_wakes_those_who_wait_in_another_process() {
    let Some(schema) = schema().await else { return };
    let (writer, reader) = (schema.open().await, schema.open().await);
    let (claim, _) = claim(&writer).await;
    let (projector, wanted) = (ProjectorName::memory(), position(2));
    let mut waiting = reader.reached(&projector, &wanted);
    meanwhile(&mut waiting, async {
        writer.begin(&claim).await.expect("opens").commit(advance(1, None)).await.expect("commits");
        listening(&schema, 1).await;
    })
    .await;
    let staging = writer.begin(&claim).await.expect("opens");
    let (reached, committed) = tokio::join!(waiting, staging.commit(advance(2, None)));
    committed.expect("commits");
    reached.expect("reached");
    reader.reached(&projector, &position(1)).await.expect("what was reached stays so");
}

#[tokio::test]
async fn what_was_committed_before_anybody_listened_is_reached() {
    let Some(schema) = schema().await else { return };
    let writer = schema.open().await;
    let (claim, _) = claim(&writer).await;
    writer.begin(&claim).await.expect("opens").commit(advance(3, None)).await.expect("commits");
    schema.open().await.reached(&ProjectorName::memory(), &position(3)).await.expect("reached");
}

#[tokio::test]
async fn waiting_survives_the_end_of_the_connection_that_listens() {
    let Some(schema) = schema().await else { return };
    let (writer, reader) = (schema.open().await, schema.open().await);
    let (claim, _) = claim(&writer).await;
    let (projector, wanted) = (ProjectorName::memory(), position(1));
    let mut waiting = reader.reached(&projector, &wanted);
    meanwhile(&mut waiting, async {
        listening(&schema, 1).await;
        assert_eq!(schema.end_sessions("%FROM positions ORDER BY%").await, 1);
        listening(&schema, 1).await;
    })
    .await;
    let staging = writer.begin(&claim).await.expect("opens");
    let (reached, committed) = tokio::join!(waiting, staging.commit(advance(1, None)));
    committed.expect("commits");
    reached.expect("reached");
}

#[tokio::test]
async fn whoever_waits_is_told_when_nothing_can_be_heard() {
    let Some(schema) = schema().await else { return };
    let role = format!("{}_role", schema.schema);
    let client = schema.client().await;
    let sql = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT ALL ON SCHEMA {} TO {role}",
        schema.schema
    );
    client.batch_execute(&sql).await.expect("the user may make roles");
    let (_, address) = schema.url.split_once('@').expect("the URL names a user");
    let theirs = super::Schema { url: format!("postgres://{role}:p@{address}"), ..schema.clone() };
    let records = theirs.open().await;
    let (projector, wanted) = (ProjectorName::memory(), position(1));
    let mut waiting = records.reached(&projector, &wanted);
    meanwhile(&mut waiting, listening(&schema, 1)).await;
    client.batch_execute(&format!("ALTER ROLE {role} NOLOGIN")).await.expect("alters");
    let (told, _) = tokio::join!(waiting, schema.end_sessions("%FROM positions ORDER BY%"));
    let error = told.expect_err("the role may not connect again");
    assert_eq!(error.code, Code::Unavailable, "{error}");
    client.batch_execute(&format!("ALTER ROLE {role} LOGIN")).await.expect("alters");
    let (claim, _) = claim(&records).await;
    records.begin(&claim).await.expect("opens").commit(advance(1, None)).await.expect("commits");
    records.reached(&projector, &wanted).await.expect("the next wait listens anew");
    drop(records);
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("drops");
}

/// Returns when so many connections of the schema listen and have read the positions.
async fn listening(schema: &super::Schema, wanted: i64) {
    let client = schema.client().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle'
               AND query LIKE '%FROM positions ORDER BY%'";
    loop {
        let found: i64 = client.query_one(sql, &[&schema.schema]).await.expect("reads").get(0);
        if found == wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
}
