//! What every record transaction keeps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::json;

use super::{Check, Hand, ensure, ensure_eq, run, threads};
use crate::error::Code;
use crate::event::{Content, Event, EventType};
use crate::fold::{Change, Entry, Erase, State};
use crate::ids::{EventId, MemoryId};
use crate::store::{Advance, MemoryStore, ProjectorName};
use crate::testing::sample::{self, created, deleted, entry, event_id, memory_id, time, updated};

/// Checks the transactions of a [`MemoryStore`] made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn staging(make: impl AsyncFn() -> Arc<dyn MemoryStore>) {
    run!(make,
        "a transaction that is dropped leaves nothing, and the next one begins" => rolls_back,
        "nothing is visible before the commit, everything after it" => commits_as_one,
        "a transaction whose partition was taken over commits nothing, or was committed before" => fences,
        "a state and its events are loaded as they were staged" => keeps_values,
        "the events of a memory come in the order in which they were staged" => keeps_arrival,
        "an event that was staged is seen, whichever memory it is asked with" => sees_duplicates,
        "every rev is higher than all before, those of dropped transactions and earlier claims included" => draws_revs,
        "a visible change is stored under the drawn rev, an invisible one keeps its own" => keeps_revs,
        "erasing takes the content of the rows that it names, and no others" => erases,
        "a deleted memory leaves a row and its events without content" => deletes,
        "an event is stored without content when its batch deletes it" => deletes_in_one_batch,
        "an empty batch moves the position" => moves_alone,
        "neighbours are the turns around a place, in the order of the thread" => threads::reads_neighbours,
        "neighbours are read as staged so far" => threads::follows_the_staged,
        "a thread has one holder at a time" => threads::locks_threads,
    );
}

async fn load(store: &dyn MemoryStore, id: MemoryId) -> crate::Result<Option<State>> {
    Ok(store.states(&[id]).await?.pop())
}

fn contents(entries: &[Entry]) -> Vec<(EventId, bool)> {
    entries.iter().map(|entry| (entry.event.event_id, entry.event.content.is_some())).collect()
}

async fn stored(hand: &Hand<'_>, id: MemoryId) -> crate::Result<Vec<Entry>> {
    let mut staging = hand.store.begin(&hand.claim).await?;
    Ok(staging.entries(&[id]).await?.remove(&id).unwrap_or_default())
}

/// The change that the first event of a memory makes.
fn first(event: Event, offset: u64) -> Change {
    let row = entry(event, offset);
    let state = crate::fold::from_scratch(std::slice::from_ref(&row)).expect("one event gives a state");
    Change { state, visible: true, erase: Erase::Nothing, rows: vec![row] }
}

async fn rolls_back(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let mut staging = store.begin(&hand.claim).await?;
    staging.stage(&[first(created(1, 1, "text"), 0)]).await?;
    drop(staging);
    ensure!(load(store, memory_id(1)).await?.is_none(), "the state is there");
    ensure!(store.event(event_id(1)).await?.is_none(), "the event is there");
    ensure_eq!(store.counts().await?, crate::store::Counts::default(), "something is counted");
    hand.project(&[entry(created(1, 1, "text"), 0)]).await?;
    ensure!(load(store, memory_id(1)).await?.is_some(), "the second attempt left nothing");
    Ok(())
}

async fn commits_as_one(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let mut staging = store.begin(&hand.claim).await?;
    staging.load(&[memory_id(1)], &[event_id(1)]).await?;
    staging.stage(&[first(created(1, 1, "text"), 0)]).await?;
    let next =
        async || -> crate::Result<Vec<u64>> { Ok(store.positions().await?.iter().map(|row| row.next).collect()) };
    ensure!(load(store, memory_id(1)).await?.is_none(), "the state is visible before the commit");
    ensure!(next().await?.iter().all(|next| *next == 0), "the position moved before the commit");
    staging.commit(Advance { next: 7, last: None, now: time(5) }).await?;
    ensure!(load(store, memory_id(1)).await?.is_some(), "the state is not visible after the commit");
    ensure!(store.event(event_id(1)).await?.is_some(), "the event is not visible after the commit");
    ensure_eq!(next().await?, vec![7], "the position after the commit");
    Ok(())
}

async fn fences(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let mut staging = store.begin(&hand.claim).await?;
    staging.stage(&[first(created(1, 1, "text"), 0)]).await?;
    // The takeover may end the transaction or wait for it; the test must not care which.
    let mut takeover = pin!(Hand::take(store));
    let early = match takeover.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(hand) => Some(hand?),
        Poll::Pending => None,
    };
    let committed = staging.commit(Advance { next: 1, last: None, now: time(5) }).await;
    let mut successor = match early {
        Some(hand) => hand,
        None => takeover.await?,
    };
    let there = load(store, memory_id(1)).await?.is_some();
    match committed {
        Ok(()) => {
            ensure!(there, "the commit succeeded and left nothing");
            ensure_eq!(successor.next, 1, "the successor reads the position before the commit");
        }
        Err(error) => {
            ensure_eq!(error.code, Code::Fenced, "the commit failed otherwise: {error}");
            ensure!(!there, "a fenced commit left a state");
            ensure!(store.event(event_id(1)).await?.is_none(), "a fenced commit left an event");
            ensure_eq!(successor.next, 0, "a fenced commit moved the position");
        }
    }
    let begun = store.begin(&hand.claim).await.map(drop);
    ensure!(begun.is_err_and(|error| error.code == Code::Fenced), "the old claim can still begin");
    successor.project(&[entry(created(2, 2, "text"), 1)]).await?;
    Ok(())
}

async fn keeps_values(store: &dyn MemoryStore) -> Check {
    let payload = json!({
        "text": "Ünïcode 🙂 \"quoted\" \\ \n", "": {"nested": [null, true, false, [], {}]},
        "numbers": [0, -1, 9_007_199_254_740_993_i64, u64::MAX, i64::MIN, 0.1, -0.5, 1e300, 5e-324],
    });
    let full = Event {
        content: Some(Content {
            payload,
            importance: Some(0.1),
            embedding: Some(vec![0.1, -2.0, 1e-300]),
            model_revision: Some("model ü".to_owned()),
        }),
        namespace: Some(sample::namespace("Namespace/ü %_'")),
        ..created(1, 1, "")
    };
    let mut events = vec![full];
    for (n, payload) in [json!(null), json!("text"), json!(12.5), json!([1]), json!(true)].into_iter().enumerate() {
        events.push(sample::with_payload(EventType::Updated, 2 + n as u64, 2 + n as u64, payload));
    }
    let tombstone = Event { namespace: None, ..deleted(9, 9) };
    events.push(tombstone);

    let mut hand = Hand::take(store).await?;
    for (offset, event) in (0..).zip(&events) {
        hand.project(&[entry(event.clone(), offset)]).await?;
    }
    for (offset, event) in (0..).zip(&events) {
        let row = entry(event.clone(), offset);
        let mut staging = store.begin(&hand.claim).await?;
        let loaded = staging.load(&[event.id], &[]).await?;
        let found = staging.entries(&[event.id]).await?.remove(&event.id);
        drop(staging);
        let expected = crate::fold::from_scratch(std::slice::from_ref(&row));
        let expected = expected.map(|state| State { rev: loaded.states.get(&event.id).map_or(0, |s| s.rev), ..state });
        ensure_eq!(loaded.states.get(&event.id), expected.as_ref(), "the loaded state");
        ensure_eq!(load(store, event.id).await?, expected, "the state that readers see");
        ensure_eq!(found, Some(vec![row.clone()]), "the stored events");
        let event = store.event(event.event_id).await?.ok_or("the event cannot be read")?;
        ensure_eq!((event.event, event.place), (row.event, row.place), "the event that readers see");
    }
    Ok(())
}

async fn keeps_arrival(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let order = [5_u64, 3, 9, 1, 7];
    for events in order.chunks(2) {
        let batch: Vec<Entry> = events.iter().map(|n| entry(updated(1, *n, "text"), *n)).collect();
        hand.project(&batch).await?;
    }
    let arrived: Vec<u64> = stored(&hand, memory_id(1)).await?.iter().map(|entry| entry.place.offset).collect();
    ensure_eq!(arrived, order, "the order of the stored events");
    Ok(())
}

async fn sees_duplicates(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "text"), 0), entry(created(2, 2, "text"), 1)]).await?;
    let mut staging = store.begin(&hand.claim).await?;
    let loaded = staging.load(&[memory_id(1), memory_id(3)], &[event_id(1), event_id(2), event_id(3)]).await?;
    drop(staging);
    ensure_eq!(loaded.seen, [event_id(1), event_id(2)].into(), "the events seen");
    let ids: Vec<MemoryId> = loaded.states.keys().copied().collect();
    ensure_eq!(ids, vec![memory_id(1)], "the states loaded");
    Ok(())
}

async fn draws_revs(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let mut last = 0;
    let mut draw = async |claim: &crate::store::Claim, next: Option<u64>| -> Check {
        let mut staging = store.begin(claim).await?;
        let rev = staging.stage(&[]).await?;
        ensure!(rev > last, "rev {rev} was drawn after {last}");
        last = rev;
        if let Some(next) = next {
            staging.commit(Advance { next, last: None, now: time(5) }).await?;
        }
        Ok(())
    };
    for next in [Some(1), None, Some(2), None, None] {
        draw(&hand.claim, next).await?;
    }
    let other = Hand::take_log(store, "other").await?;
    draw(&other.claim, None).await?;
    draw(&hand.claim, Some(3)).await?;
    let later = time(1_000_000_000);
    let claimed = store.claim(&ProjectorName::memory(), &other.claim.log, 0, later).await?;
    draw(&claimed.claim, Some(4)).await?;
    draw(&hand.claim, Some(5)).await?;
    ensure!(last >= later.0.unsigned_abs(), "rev {last} is below the time of the last claim, {}", later.0);
    Ok(())
}

async fn keeps_revs(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(deleted(1, 1), 0), entry(created(2, 2, "text"), 1)]).await?;
    let before = (load(store, memory_id(1)).await?, load(store, memory_id(2)).await?);
    // An update of a deleted memory is kept and changes nothing that readers see.
    hand.project(&[entry(updated(1, 3, "stale"), 2), entry(updated(2, 4, "text"), 3)]).await?;
    let after = (load(store, memory_id(1)).await?, load(store, memory_id(2)).await?);
    let revs = |pair: &(Option<State>, Option<State>)| (pair.0.as_ref().map(|s| s.rev), pair.1.as_ref().map(|s| s.rev));
    ensure_eq!(revs(&after).0, revs(&before).0, "the rev of the memory that did not change");
    ensure!(revs(&after).1 > revs(&before).1, "the rev of the memory that changed did not grow");
    ensure_eq!(after.0.map(|state| state.version), Some(2), "the version of the memory that did not change");
    Ok(())
}

async fn erases(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let batch: Vec<Entry> = (1..=4).map(|n| entry(updated(1, n, "text"), n)).collect();
    hand.project(&batch).await?;
    hand.project(&[entry(updated(2, 20, "of another memory"), 5)]).await?;
    let erasures = [
        (Erase::Nothing, [true, true, true, true]),
        (Erase::Events(vec![event_id(2), event_id(3), event_id(20)]), [true, false, false, true]),
        (Erase::Everything, [false; 4]),
    ];
    for (erase, left) in erasures {
        let state = load(store, memory_id(1)).await?.ok_or("the memory is gone")?;
        let change = Change { state, visible: false, erase, rows: Vec::new() };
        let mut staging = store.begin(&hand.claim).await?;
        staging.stage(std::slice::from_ref(&change)).await?;
        staging.commit(hand.advance()).await?;
        let expected: Vec<_> = (1..=4).map(event_id).zip(left).collect();
        ensure_eq!(contents(&stored(&hand, memory_id(1)).await?), expected, "contents after {:?}", change.erase);
    }
    let other = contents(&stored(&hand, memory_id(2)).await?);
    ensure_eq!(other, vec![(event_id(20), true)], "contents of another memory");
    Ok(())
}

async fn deletes(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 1, "secret"), 0), entry(updated(1, 2, "secret"), 1)]).await?;
    hand.project(&[entry(deleted(1, 3), 2)]).await?;
    let state = load(store, memory_id(1)).await?.ok_or("the row is gone")?;
    ensure!(state.content.is_none() && !state.is_live(), "the row keeps its content");
    ensure_eq!((state.kind, state.version), (EventType::Deleted, 3), "what the row says");
    ensure_eq!(state.namespace, Some(sample::namespace("demo")), "the namespace");
    let left = contents(&stored(&hand, memory_id(1)).await?);
    ensure_eq!(left, vec![(event_id(1), false), (event_id(2), false), (event_id(3), false)], "the stored events");
    let event = store.event(event_id(1)).await?.ok_or("the event is gone")?;
    ensure!(event.event.content.is_none(), "the event keeps its content");
    Ok(())
}

async fn deletes_in_one_batch(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let batch = [created(1, 1, "secret"), deleted(1, 2), created(1, 3, "kept")];
    let batch: Vec<Entry> = (0..).zip(batch).map(|(offset, event)| entry(event, offset)).collect();
    hand.project(&batch).await?;
    let left = contents(&stored(&hand, memory_id(1)).await?);
    ensure_eq!(left, vec![(event_id(1), false), (event_id(2), false), (event_id(3), true)], "the stored events");
    let memory = load(store, memory_id(1)).await?.and_then(State::into_memory).ok_or("the memory is gone")?;
    ensure_eq!((memory.created_at, memory.version), (time(3), 3), "the memory that came back");
    Ok(())
}

async fn moves_alone(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let mut staging = store.begin(&hand.claim).await?;
    staging.load(&[], &[]).await?;
    staging.stage(&[]).await?;
    staging.commit(Advance { next: 12, last: None, now: time(5) }).await?;
    ensure_eq!(Hand::take(store).await?.next, 12, "the position");
    Ok(())
}
