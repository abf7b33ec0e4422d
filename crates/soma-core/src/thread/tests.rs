//! The order of turns.

use serde_json::{Value, json};

use super::Placed;
use crate::event::EventType;
use crate::fold::{State, from_scratch};
use crate::testing::sample::{entry, memory_id, namespace, time, with_payload};

fn state(memory: u64, event: u64, payload: Value) -> State {
    let entry = entry(with_payload(EventType::Created, memory, event, payload), event);
    from_scratch(&[entry]).expect("an event gives a state")
}

#[test]
fn turns_stand_by_seq_then_by_their_moment_then_by_id() {
    let payloads = [
        json!({"thread": "t", "seq": -0.0}),
        json!({"thread": "t", "seq": 0}),
        json!({"thread": "t", "seq": 2}),
        json!({"thread": "t", "seq": 10, "occurred_at": "2020-01-01T00:00:00Z"}),
        json!({"thread": "t", "seq": 10}),
        json!({"thread": "t", "seq": "1"}),
        json!({"thread": "t", "occurred_at": "8 May, 2023"}),
    ];
    let states = (1..).zip(payloads).map(|(n, payload)| state(n, n, payload));
    let mut placed: Vec<Placed> = states.map(|state| Placed::of(&state).expect("a turn")).collect();
    assert_eq!(placed[0].key.seq.map(f64::to_bits), Some(0), "minus zero is zero");
    placed.reverse();
    placed.sort_by_key(|placed| placed.key);
    assert_eq!(
        placed.iter().map(|placed| placed.key.id).collect::<Vec<_>>(),
        (1..=7).map(memory_id).collect::<Vec<_>>()
    );
}

#[test]
fn an_update_leaves_a_turn_without_a_moment_of_its_own_where_it_stood() {
    let events = [(EventType::Created, 1), (EventType::Updated, 9)];
    let entries = events.map(|(kind, n)| entry(with_payload(kind, 1, n, json!({"thread": "t", "actor": "Mia"})), n));
    let placed = from_scratch(&entries).and_then(|state| Placed::of(&state)).expect("a turn");
    assert_eq!(placed.key.occurred_at, time(1));
    assert_eq!(placed.thread.namespace, namespace("demo"));
    assert_eq!(placed.actor.as_deref(), Some("Mia"));
}

#[test]
fn a_plain_fact_and_an_unseen_memory_have_no_place() {
    assert_eq!(Placed::of(&state(1, 1, json!({"text": "a", "actor": "Mia"}))), None);
    let unnamed = State { namespace: None, ..state(1, 1, json!({"thread": "t"})) };
    assert_eq!(Placed::of(&unnamed), None);
}

#[test]
fn a_name_that_is_too_long_or_holds_control_characters_is_none() {
    for name in ["n".repeat(513), "a\u{0}b".to_owned(), "a\nb".to_owned()] {
        assert_eq!(Placed::of(&state(1, 1, json!({"thread": name}))), None);
    }
    let longest = "n".repeat(512);
    assert_eq!(Placed::of(&state(1, 1, json!({"thread": longest}))).map(|placed| placed.thread.name), Some(longest));
}
