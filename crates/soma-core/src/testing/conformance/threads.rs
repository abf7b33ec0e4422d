//! What every store keeps of conversations: cases of the suites `staging`, `reading` and `positions`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};

use super::{Check, Hand, ensure, ensure_eq};
use crate::event::{Event, EventType};
use crate::fold::{Change, Entry, Erase, State};
use crate::ids::MemoryId;
use crate::store::{Advance, MemoryStore, Staging};
use crate::testing::sample::{self, deleted, entry, memory_id, namespace, time};
use crate::thread::{Thread, TurnKey};

fn turn(memory: u64, event: u64, payload: Value) -> Event {
    sample::with_payload(EventType::Created, memory, event, payload)
}

fn said(memory: u64, seq: u64) -> Event {
    turn(memory, memory, json!({"text": "words", "actor": "Mia", "thread": "talk", "seq": seq}))
}

fn talk() -> Thread {
    Thread { namespace: namespace("demo"), name: "talk".to_owned() }
}

/// The place of a `seq` before every moment and id, unless they are given.
fn at(seq: Option<f64>) -> TurnKey {
    TurnKey { seq, occurred_at: time(0), id: memory_id(0) }
}

fn numbers(states: &[State]) -> Vec<u128> {
    states.iter().map(|state| state.id.0.as_u128() & 0xffff).collect()
}

/// Nine turns of one thread, written in no order: by `seq` 1 to 6, then by moment 7 to 9.
async fn speak(store: &dyn MemoryStore) -> crate::Result<Hand<'_>> {
    let mut hand = Hand::take(store).await?;
    let mut events: Vec<Event> = (1..=6).map(|n| said(n, 10 * n)).collect();
    events[2] = turn(3, 3, json!({"session": "talk", "seq": 30.5}));
    events.push(turn(8, 8, json!({"thread": "talk"})));
    events.push(turn(7, 20, json!({"thread": "talk", "occurred_at": "2023-05-08T12:00:00Z"})));
    events.push(turn(9, 21, json!({"conversation": "talk", "occurred_at": "8 May, 2023"})));
    events.push(turn(10, 10, json!({"text": "a plain fact", "seq": 30})));
    events.push(turn(11, 11, json!({"thread": "Talk", "seq": 30})));
    events.push(Event { namespace: Some(namespace("other")), ..said(12, 30) });
    events.reverse();
    let batch: Vec<Entry> = (0..).zip(events).map(|(offset, event)| entry(event, offset)).collect();
    for part in batch.chunks(5) {
        hand.project(part).await?;
    }
    Ok(hand)
}

pub(super) async fn reads_neighbours(store: &dyn MemoryStore) -> Check {
    let hand = speak(store).await?;
    let cases = [
        (vec![], 3, vec![]),
        (vec![at(Some(30.5))], 1, vec![2, 3]),
        (vec![TurnKey { seq: Some(40.0), occurred_at: time(4), id: memory_id(4) }], 1, vec![3, 4, 5]),
        (vec![TurnKey { seq: Some(40.0), occurred_at: time(4), id: memory_id(4) }], 0, vec![4]),
        (vec![at(Some(-5.0))], 2, vec![1, 2]),
        (vec![at(Some(15.0)), at(Some(45.0))], 1, vec![1, 2, 4, 5]),
        (vec![at(Some(25.0)), at(Some(35.0))], 1, vec![2, 3, 4]),
        (vec![at(Some(65.0))], 2, vec![5, 6, 7, 8]),
        (vec![at(None)], 2, vec![6, 7, 8, 9]),
        (vec![TurnKey { seq: None, occurred_at: time(30), id: memory_id(1) }], 5, vec![5, 6, 7, 8, 9]),
        (vec![at(Some(35.0))], 100, (1..=9).collect()),
    ];
    let mut staging = store.begin(&hand.claim).await?;
    staging.lock_threads(&[talk()]).await?;
    for (around, reach, expected) in &cases {
        let turns = staging.turns(&talk(), around, *reach).await?;
        ensure_eq!(numbers(&turns), *expected, "{reach} turns around {around:?}, in a transaction");
    }
    drop(staging);
    for (around, reach, expected) in &cases {
        let turns = store.turns(&talk(), around, *reach).await?;
        ensure_eq!(numbers(&turns), *expected, "{reach} turns around {around:?}");
    }
    let all = store.turns(&talk(), &[at(None)], 100).await?;
    let ids: Vec<MemoryId> = all.iter().map(|state| state.id).collect();
    let mut states = store.states(&ids).await?;
    states.sort_by_key(|state| ids.iter().position(|id| *id == state.id));
    ensure_eq!(all, states, "the turns as they are read by id");
    Ok(())
}

/// What a change of one memory stages; the events of it come at these offsets.
fn change(events: &[Event], offset: u64) -> Change {
    let rows: Vec<Entry> = (offset..).zip(events).map(|(offset, event)| entry(event.clone(), offset)).collect();
    let state = crate::fold::from_scratch(&rows).expect("events give a state");
    Change { state, visible: true, erase: Erase::Nothing, rows }
}

async fn names(staging: &mut dyn Staging) -> crate::Result<Vec<u128>> {
    Ok(numbers(&staging.turns(&talk(), &[at(None)], 100).await?))
}

pub(super) async fn follows_the_staged(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let spoken: Vec<Entry> = (1..=5).map(|n| entry(said(n, 10 * n), n)).collect();
    hand.project(&spoken).await?;
    let later = |n: u64, payload| sample::with_payload(EventType::Updated, n, n + 50, payload);
    let mut staging = store.begin(&hand.claim).await?;
    staging.lock_threads(&[talk()]).await?;
    staging.load(&(1..=6).map(memory_id).collect::<Vec<_>>(), &[]).await?;
    let mut changes = [
        // One moves within the thread, one leaves it, one is no turn any more, one goes, one is new.
        change(&[said(1, 10), later(1, json!({"thread": "talk", "seq": 45}))], 100),
        change(&[said(2, 20), later(2, json!({"thread": "elsewhere", "seq": 20}))], 110),
        change(&[said(3, 30), later(3, json!("a plain fact"))], 120),
        change(&[said(4, 40), deleted(4, 54)], 130),
        change(&[said(6, 5)], 140),
    ];
    changes.iter_mut().take(4).for_each(|change| drop(change.rows.remove(0)));
    staging.stage(&changes).await?;
    ensure_eq!(names(staging.as_mut()).await?, vec![6, 1, 5], "the thread as staged");
    ensure_eq!(numbers(&store.turns(&talk(), &[at(None)], 9).await?), vec![1, 2, 3, 4, 5], "the thread as committed");
    drop(staging);
    let mut staging = store.begin(&hand.claim).await?;
    ensure_eq!(names(staging.as_mut()).await?, vec![1, 2, 3, 4, 5], "the thread after a rollback");
    staging.stage(&changes).await?;
    staging.commit(Advance { next: 200, last: None, now: time(200) }).await?;
    ensure_eq!(numbers(&store.turns(&talk(), &[at(None)], 9).await?), vec![6, 1, 5], "the thread after the commit");
    Ok(())
}

pub(super) async fn locks_threads(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let other = Hand::take_log(store, "other").await?;
    let mut first = store.begin(&hand.claim).await?;
    first.lock_threads(&[talk()]).await?;
    first.stage(&[change(&[said(1, 10)], 0)]).await?;
    let mut second = pin!(async {
        let mut staging = store.begin(&other.claim).await?;
        staging.lock_threads(&[talk()]).await?;
        names(staging.as_mut()).await
    });
    let early = second.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    ensure!(matches!(early, Poll::Pending), "the thread is locked twice: {early:?}");
    first.commit(Advance { next: 1, last: None, now: time(5) }).await?;
    ensure_eq!(second.await?, vec![1], "the turns that the second holder reads");
    Ok(())
}

pub(super) async fn tells_actors(store: &dyn MemoryStore) -> Check {
    let demo = [namespace("demo")];
    ensure_eq!(store.actors(&demo, 5).await?, Vec::<String>::new(), "the actors of an empty store");
    let mut hand = Hand::take(store).await?;
    let spoken = |n: u64, actor: &str| turn(n, n, json!({"actor": actor, "thread": "talk"}));
    let within = |text: &str, event: Event| Event { namespace: Some(namespace(text)), ..event };
    let events = [
        spoken(1, "Mia"),
        spoken(2, "ada"),
        spoken(3, "Mia"),
        spoken(4, "Zoë"),
        within("other", spoken(5, "Bo")),
        turn(6, 6, json!({"actor": "Nobody", "text": "a plain fact"})),
        turn(7, 7, json!({"text": "a turn without an actor", "thread": "talk"})),
        within("third", spoken(8, "Cy")),
    ];
    let batch: Vec<Entry> = (0..).zip(events).map(|(offset, event)| entry(event, offset)).collect();
    hand.project(&batch).await?;
    ensure_eq!(store.actors(&demo, 5).await?, ["Mia", "Zoë", "ada"], "the actors of one namespace");
    ensure_eq!(store.actors(&demo, 2).await?, ["Mia", "Zoë"], "the first two");
    let both = [namespace("other"), namespace("demo"), namespace("unknown")];
    ensure_eq!(store.actors(&both, 9).await?, ["Bo", "Mia", "Zoë", "ada"], "the actors of several namespaces");
    ensure_eq!(store.actors(&[], 9).await?, Vec::<String>::new(), "the actors of no namespace");
    hand.project(&[entry(deleted(1, 11), 20), entry(deleted(4, 12), 21)]).await?;
    ensure_eq!(store.actors(&demo, 5).await?, ["Mia", "ada"], "the actors when some turns are gone");
    hand.project(&[entry(deleted(3, 13), 22)]).await?;
    ensure_eq!(store.actors(&demo, 5).await?, ["ada"], "the actors when all turns of one are gone");
    Ok(())
}

pub(super) async fn notes_rewritten(store: &dyn MemoryStore) -> Check {
    let hand = Hand::take(store).await?;
    let note = async |next: u64, ids: &[u64]| -> crate::Result<Box<dyn Staging>> {
        let mut staging = store.begin(&hand.claim).await?;
        staging.note_rewritten(&ids.iter().map(|n| memory_id(*n)).collect::<Vec<_>>(), next).await?;
        Ok(staging)
    };
    drop(note(2, &[9]).await?);
    note(2, &[3, 1]).await?.commit(Advance { next: 2, last: None, now: time(5) }).await?;
    note(4, &[2, 3]).await?.commit(Advance { next: 4, last: None, now: time(6) }).await?;
    ensure_eq!(Hand::take_log(store, "other").await?.next, 0, "another partition");
    let claimed = async || store.claim(&hand.claim.projector, &hand.claim.log, 0, time(7)).await;
    let again = claimed().await?;
    ensure_eq!(again.rewritten, [1, 2, 3].map(memory_id), "what was noted");
    store.mark_indexed(&again.claim, 1).await?;
    ensure_eq!(claimed().await?.rewritten, [1, 2, 3].map(memory_id), "what was noted beyond offset 1");
    let again = claimed().await?;
    store.mark_indexed(&again.claim, 3).await?;
    ensure_eq!(claimed().await?.rewritten, [2, 3].map(memory_id), "what was noted beyond offset 3");
    let again = claimed().await?;
    store.mark_indexed(&again.claim, 9).await?;
    ensure_eq!(claimed().await?.rewritten, Vec::<MemoryId>::new(), "what was noted beyond the position");
    Ok(())
}
