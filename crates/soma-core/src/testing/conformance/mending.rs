//! What every record store does for whoever mends it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Check, Hand, ensure, ensure_eq, run};
use crate::error::Code;
use crate::event::Event;
use crate::fold::{Change, Erase};
use crate::ids::{EventId, LogId, MemoryId};
use crate::store::{Audit, Counts, MemoryStore, Mending, ProjectorName};
use crate::testing::sample::{created, deleted, entry, event_id, memory_id, time, updated};

/// Checks the mending of a [`MemoryStore`] made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn mending(make: impl AsyncFn() -> Arc<dyn MemoryStore>) {
    run!(make,
        "what is discarded is made anew in the same transaction, and the counts follow" => replaces,
        "what is discarded and not committed stays" => rolls_back,
        "an event is discarded whose ever it is" => discards_events,
        "the position stays, and its owner goes on under its claim" => leaves_the_owner,
        "the owner's next transaction waits, and sees what was mended" => excludes_the_owner,
        "a takeover ends a mending or waits for it" => gives_way,
        "a partition that nobody has taken cannot be mended" => needs_a_claim,
        "the counts of what was only projected are right, counted anew too" => counts,
    );
}

async fn begin(store: &dyn MemoryStore) -> crate::Result<Mending> {
    store.mend(&ProjectorName::memory(), &LogId::new("log"), 0).await
}

/// The change that the first event of a memory makes.
fn first(event: Event, offset: u64) -> Change {
    let row = entry(event, offset);
    let state = crate::fold::from_scratch(std::slice::from_ref(&row)).expect("one event gives a state");
    Change { state, visible: true, erase: Erase::Nothing, rows: vec![row] }
}

async fn text(store: &dyn MemoryStore, id: MemoryId) -> crate::Result<Option<String>> {
    let content = store.states(&[id]).await?.pop().and_then(|state| state.content);
    Ok(content.and_then(|content| content.payload["text"].as_str().map(str::to_owned)))
}

async fn marks(store: &dyn MemoryStore, id: MemoryId) -> crate::Result<Vec<EventId>> {
    let marks = store.histories(&[id]).await?.remove(&id).unwrap_or_default();
    Ok(marks.into_iter().map(|mark| mark.event_id).collect())
}

async fn replaces(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0), entry(updated(1, 2, "later"), 1)]).await?;
    hand.project(&[entry(created(2, 3, "two"), 2), entry(deleted(2, 4), 3), entry(created(3, 5, "three"), 4)]).await?;
    let before = store.states(&[memory_id(1)]).await?;
    let mut mending = begin(store).await?;
    mending.staging.load(&[memory_id(1), memory_id(2), memory_id(3)], &[]).await?;
    mending.staging.discard(&[memory_id(1), memory_id(2)], &[event_id(1)]).await?;
    mending.staging.stage(&[first(created(1, 1, "mended"), 0)]).await?;
    mending.commit(time(9)).await?;
    ensure_eq!(text(store, memory_id(1)).await?.as_deref(), Some("mended"), "what was made anew");
    ensure_eq!(marks(store, memory_id(1)).await?, [event_id(1)], "its history");
    let rev = |states: &[crate::fold::State]| states.first().map_or(0, |state| state.rev);
    ensure!(rev(&store.states(&[memory_id(1)]).await?) > rev(&before), "its rev is not a later one");
    ensure!(store.states(&[memory_id(2)]).await?.is_empty(), "what was discarded is there");
    ensure!(store.event(event_id(4)).await?.is_none(), "its history is there");
    ensure_eq!(text(store, memory_id(3)).await?.as_deref(), Some("three"), "what was not named");
    let counts = Counts { memories: 2, deleted: 0, events: 2, namespaces: 1 };
    ensure_eq!(store.counts().await?, counts, "the counts");
    ensure_eq!(store.audit(10).await?, Audit::default(), "the audit");
    Ok(())
}

async fn rolls_back(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0)]).await?;
    let counts = store.counts().await?;
    let mut mending = begin(store).await?;
    mending.staging.discard(&[memory_id(1)], &[]).await?;
    drop(mending);
    hand.project(&[entry(updated(1, 2, "later"), 1)]).await?;
    ensure_eq!(marks(store, memory_id(1)).await?, [event_id(1), event_id(2)], "the history");
    ensure_eq!(store.counts().await?, Counts { events: 2, ..counts }, "the counts");
    Ok(())
}

async fn discards_events(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0), entry(updated(1, 2, "later"), 1)]).await?;
    let mut mending = begin(store).await?;
    mending.staging.load(&[memory_id(2)], &[]).await?;
    mending.staging.discard(&[memory_id(2)], &[event_id(2)]).await?;
    mending.staging.stage(&[first(created(2, 2, "mine"), 1)]).await?;
    mending.commit(time(9)).await?;
    ensure_eq!(marks(store, memory_id(1)).await?, [event_id(1)], "the history that lost an event");
    ensure_eq!(marks(store, memory_id(2)).await?, [event_id(2)], "the history that got it");
    ensure_eq!(store.counts().await?.events, 2, "the events");
    Ok(())
}

async fn leaves_the_owner(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0)]).await?;
    let before = store.positions().await?;
    let mending = begin(store).await?;
    ensure_eq!(mending.next, 1, "where the position stands");
    mending.commit(time(9)).await?;
    let next = |rows: &[crate::store::PositionRow]| rows.iter().map(|row| (row.next, row.indexed)).collect::<Vec<_>>();
    ensure_eq!(next(&store.positions().await?), next(&before), "the position");
    hand.project(&[entry(created(2, 2, "two"), 1)]).await?;
    store.mark_indexed(&hand.claim, 2).await?;
    ensure_eq!(text(store, memory_id(2)).await?.as_deref(), Some("two"), "what the owner projected");
    Ok(())
}

async fn excludes_the_owner(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0)]).await?;
    let mut mending = begin(store).await?;
    let mut owner = pin!(store.begin(&hand.claim));
    let early = owner.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    ensure!(early.is_pending(), "the owner's transaction did not wait");
    mending.staging.discard(&[memory_id(1)], &[]).await?;
    mending.commit(time(9)).await?;
    let loaded = owner.await?.load(&[memory_id(1)], &[event_id(1)]).await?;
    ensure!(loaded.states.is_empty() && loaded.seen.is_empty(), "the owner sees what was discarded");
    Ok(())
}

async fn gives_way(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0)]).await?;
    let mut mending = begin(store).await?;
    mending.staging.discard(&[memory_id(1)], &[]).await?;
    let mut takeover = pin!(Hand::take(store));
    let early = match takeover.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(hand) => Some(hand?),
        Poll::Pending => None,
    };
    let committed = mending.commit(time(9)).await;
    let mut successor = match early {
        Some(hand) => hand,
        None => takeover.await?,
    };
    let there = !store.states(&[memory_id(1)]).await?.is_empty();
    match committed {
        Ok(()) => ensure!(!there, "the commit succeeded and discarded nothing"),
        Err(error) => {
            ensure_eq!(error.code, Code::Fenced, "the commit failed otherwise: {error}");
            ensure!(there, "a fenced commit discarded a memory");
        }
    }
    ensure_eq!(successor.next, 1, "the position of the successor");
    successor.project(&[entry(created(2, 2, "two"), 1)]).await?;
    Ok(())
}

async fn needs_a_claim(store: &dyn MemoryStore) -> Check {
    let begun = begin(store).await.map(drop);
    ensure!(begun.is_err_and(|error| error.code == Code::Unavailable), "it can be mended");
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "one"), 0)]).await?;
    Ok(())
}

async fn counts(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    ensure_eq!(store.audit(10).await?, Audit::default(), "the audit of an empty store");
    hand.project(&[entry(created(1, 1, "one"), 0), entry(created(2, 2, "two"), 1), entry(deleted(2, 3), 2)]).await?;
    ensure_eq!(store.audit(10).await?, Audit::default(), "the audit");
    let before = (store.counts().await?, store.namespaces("", None, 10).await?);
    let mut mending = begin(store).await?;
    mending.staging.recount().await?;
    mending.commit(time(9)).await?;
    ensure_eq!((store.counts().await?, store.namespaces("", None, 10).await?), before, "the counts afterwards");
    hand.project(&[entry(updated(1, 4, "later"), 3)]).await?;
    ensure_eq!(store.audit(10).await?, Audit::default(), "the audit at the end");
    Ok(())
}
