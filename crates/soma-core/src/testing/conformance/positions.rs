//! What every store keeps about progress.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::{Check, Hand, ensure, ensure_eq, run, threads};
use crate::error::Code;
use crate::ids::{LogId, Partition, Position};
use crate::store::{Advance, Claim, Claimed, LastEvent, MemoryStore, ProjectorName};
use crate::testing::sample::{event_id, time};

/// Checks the positions of a [`MemoryStore`] made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn positions(make: impl AsyncFn() -> Arc<dyn MemoryStore>) {
    run!(make,
        "a partition begins at 0, without a last event" => starts_at_zero,
        "every claim of a partition has a higher epoch" => draws_epochs,
        "what was committed is claimed again" => keeps_positions,
        "projectors, logs and partitions have positions of their own" => separates,
        "a claim that was taken over can do nothing" => fences,
        "the indexed offset is kept, and never passes the position" => marks_indexed,
        "forgetting the index concerns every position of one projector, and no other" => forgets_indexed,
        "rewritten points are noted with the commit, until the index is durable" => threads::notes_rewritten,
        "waiting ends at once for what was reached" => has_reached,
        "waiting ends when the last of its partitions commits" => reaches,
    );
}

async fn claim(store: &dyn MemoryStore, projector: &str, log: &str, partition: Partition) -> crate::Result<Claimed> {
    store.claim(&ProjectorName::new(projector), &LogId::new(log), partition, time(1)).await
}

async fn commit(store: &dyn MemoryStore, claim: &Claim, next: u64) -> crate::Result<()> {
    let last = next.checked_sub(1).map(|offset| LastEvent { offset, event_id: event_id(next) });
    let mut staging = store.begin(claim).await?;
    staging.stage(&[]).await?;
    staging.commit(Advance { next, last, now: time(next) }).await
}

async fn starts_at_zero(store: &dyn MemoryStore) -> Check {
    let claimed = claim(store, "memory", "log", 3).await?;
    ensure_eq!((claimed.next, claimed.indexed, claimed.last), (0, 0, None), "the first claim");
    let Claim { projector, log, partition, .. } = claimed.claim;
    ensure_eq!((projector.as_str(), log.as_str(), partition), ("memory", "log", 3), "what was claimed");
    Ok(())
}

async fn draws_epochs(store: &dyn MemoryStore) -> Check {
    let mut last = None;
    for _ in 0..3 {
        let epoch = claim(store, "memory", "log", 0).await?.claim.epoch;
        ensure!(last.is_none_or(|last| epoch > last), "epoch {epoch} follows {last:?}");
        last = Some(epoch);
    }
    Ok(())
}

async fn keeps_positions(store: &dyn MemoryStore) -> Check {
    let first = claim(store, "memory", "log", 0).await?.claim;
    commit(store, &first, 5).await?;
    commit(store, &first, 9).await?;
    let again = claim(store, "memory", "log", 0).await?;
    ensure_eq!(again.next, 9, "the position");
    ensure_eq!(again.last, Some(LastEvent { offset: 8, event_id: event_id(9) }), "the last event");
    let rows = store.positions().await?;
    ensure_eq!(rows.len(), 1, "rows");
    ensure_eq!((rows[0].next, rows[0].updated_at), (9, time(9)), "the row");

    let staging = store.begin(&again.claim).await?;
    staging.commit(Advance { next: 12, last: None, now: time(12) }).await?;
    let third = claim(store, "memory", "log", 0).await?;
    ensure_eq!((third.next, third.last), (12, None), "the position after a record that could not be read");
    Ok(())
}

async fn separates(store: &dyn MemoryStore) -> Check {
    let names = [("memory", "log", 0), ("memory", "log", 1), ("memory", "other", 0), ("rebuild", "log", 0)];
    for (next, (projector, log, partition)) in (1..).zip(names) {
        let claimed = claim(store, projector, log, partition).await?;
        ensure_eq!(claimed.next, 0, "{projector} begins in {log}/{partition} elsewhere");
        commit(store, &claimed.claim, next).await?;
    }
    let rows = store.positions().await?;
    for (next, (projector, log, partition)) in (1..).zip(names) {
        let row = rows
            .iter()
            .find(|row| row.projector.as_str() == projector && row.log.as_str() == log && row.partition == partition);
        ensure_eq!(row.map(|row| row.next), Some(next), "the position of {projector} in {log}/{partition}");
    }
    ensure_eq!(rows.len(), names.len(), "rows");
    Ok(())
}

async fn fences(store: &dyn MemoryStore) -> Check {
    let old = claim(store, "memory", "log", 0).await?.claim;
    commit(store, &old, 4).await?;
    let new = claim(store, "memory", "log", 0).await?.claim;
    let is_fenced = |result: crate::Result<()>| result.is_err_and(|error| error.code == Code::Fenced);
    // A store may tell at the beginning of a transaction or at its end.
    ensure!(is_fenced(commit(store, &old, 6).await), "the old claim commits");
    ensure!(is_fenced(store.mark_indexed(&old, 3).await), "the old claim marks the index");
    let rows = store.positions().await?;
    ensure_eq!((rows[0].next, rows[0].indexed), (4, 0), "the position");
    commit(store, &new, 6).await?;
    Ok(())
}

async fn marks_indexed(store: &dyn MemoryStore) -> Check {
    let claimed = claim(store, "memory", "log", 0).await?.claim;
    commit(store, &claimed, 5).await?;
    store.mark_indexed(&claimed, 3).await?;
    ensure_eq!(store.positions().await?[0].indexed, 3, "the indexed offset");
    commit(store, &claimed, 9).await?;
    let again = claim(store, "memory", "log", 0).await?;
    ensure_eq!((again.next, again.indexed), (9, 3), "what is claimed again");
    store.mark_indexed(&again.claim, 9).await?;
    let row = store.positions().await?.remove(0);
    ensure_eq!((row.next, row.indexed), (9, 9), "the row in the end");
    Ok(())
}

async fn forgets_indexed(store: &dyn MemoryStore) -> Check {
    for (projector, partition) in [("memory", 0), ("memory", 1), ("rebuild", 0)] {
        let claimed = claim(store, projector, "log", partition).await?.claim;
        commit(store, &claimed, 5).await?;
        store.mark_indexed(&claimed, 5).await?;
    }
    store.forget_indexed(&ProjectorName::memory()).await?;
    for (projector, partition, indexed) in [("memory", 0, 0), ("memory", 1, 0), ("rebuild", 0, 5)] {
        let claimed = claim(store, projector, "log", partition).await?;
        ensure_eq!((claimed.next, claimed.indexed), (5, indexed), "{projector} in partition {partition}");
    }
    Ok(())
}

fn position(parts: &[(&str, Partition, u64)]) -> Position {
    Position(parts.iter().map(|(log, partition, next)| ((LogId::new(log), *partition), *next)).collect())
}

async fn has_reached(store: &dyn MemoryStore) -> Check {
    let projector = ProjectorName::memory();
    store.reached(&projector, &Position::default()).await?;
    for (log, partition) in [("log", 0), ("log", 1)] {
        let claimed = claim(store, "memory", log, partition).await?.claim;
        commit(store, &claimed, 5).await?;
    }
    for parts in [&[("log", 0, 5)][..], &[("log", 0, 1), ("log", 1, 5)]] {
        store.reached(&projector, &position(parts)).await?;
    }
    Ok(())
}

async fn reaches(store: &dyn MemoryStore) -> Check {
    let projector = ProjectorName::memory();
    let mut first = Hand::take_log(store, "log").await?;
    let mut second = Hand::take_log(store, "other").await?;
    let target = position(&[("log", 0, 2), ("other", 0, 1)]);
    let mut reached = pin!(store.reached(&projector, &target));
    for hand in [&mut first, &mut second] {
        let ended = reached.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        ensure!(!ended, "it ended before everything was reached");
        hand.next = 1;
        commit(store, &hand.claim, hand.next).await?;
    }
    let ended = reached.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    ensure!(!ended, "it ended one offset too early");
    commit(store, &first.claim, 2).await?;
    reached.await?;
    Ok(())
}
