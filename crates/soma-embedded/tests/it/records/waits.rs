//! Who waits for a position is woken by its commit.

use futures::FutureExt;
use serde_json::json;
use soma_core::ids::{LogId, Position};
use soma_core::store::{Progress, Projecting, ProjectorName, Reading};

use super::{advance, claim, created, folder, log, memory_id, open, stage};

fn position(next: u64) -> Position {
    Position([((log(), 0), next)].into())
}

#[tokio::test]
async fn waiting_ends_with_the_commit_and_reads_what_it_committed() {
    let folder = folder();
    let records = open(folder.path());
    let (claim, _) = claim(&records).await;
    let (projector, wanted) = (ProjectorName::memory(), position(1));
    let mut reached = Box::pin(records.reached(&projector, &wanted));
    assert!(reached.as_mut().now_or_never().is_none());

    let mut staging = records.begin(&claim).await.expect("opens");
    stage(&mut staging, 0, vec![created(1, 1, json!(1))]).await.expect("stages");
    assert!(reached.as_mut().now_or_never().is_none(), "what is not committed is not reached");
    let (done, committed) = tokio::join!(reached, staging.commit(advance(1, None)));
    done.expect("reached");
    committed.expect("commits");
    assert_eq!(records.states(&[memory_id(1)]).await.expect("states").len(), 1);
}

#[tokio::test]
async fn what_was_reached_before_a_restart_is_reached_after_it() {
    let folder = folder();
    let records = open(folder.path());
    let (claim, _) = claim(&records).await;
    records.begin(&claim).await.expect("opens").commit(advance(3, None)).await.expect("commits");
    drop(records);
    let records = open(folder.path());
    records.reached(&ProjectorName::memory(), &position(3)).await.expect("reached");
    records.reached(&ProjectorName::memory(), &Position::default()).await.expect("nothing is reached at once");
    let others = [
        (ProjectorName::memory(), position(4)),
        (ProjectorName::new("other"), position(1)),
        (ProjectorName::memory(), Position([((log(), 0), 3), ((LogId::new("other"), 0), 1)].into())),
    ];
    for (projector, position) in others {
        assert!(records.reached(&projector, &position).now_or_never().is_none(), "{projector} {position:?}");
    }
}
