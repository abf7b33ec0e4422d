//! Which turns lend to which.

use serde_json::json;

use super::*;
use crate::event::EventType;
use crate::fold::from_scratch;
use crate::testing::sample::{entry, memory_id, time, with_payload};

/// Turns of one thread, by their `seq`.
fn turns(seqs: impl IntoIterator<Item = u64>) -> Vec<State> {
    let turn = |n| entry(with_payload(EventType::Created, n, n, json!({"thread": "t", "seq": n})), n);
    seqs.into_iter().map(|n| from_scratch(&[turn(n)]).expect("an event gives a state")).collect()
}

fn key(seq: u64) -> TurnKey {
    TurnKey { seq: Some(seq as f64), occurred_at: time(seq), id: memory_id(seq) }
}

fn number(state: &State) -> u64 {
    u64::try_from(state.id.0.as_u128() & 0xffff).expect("small")
}

fn numbers(subjects: &[Subject<'_>]) -> Vec<u64> {
    subjects.iter().map(|subject| number(subject.state)).collect()
}

#[test]
fn a_turn_has_three_neighbours_on_each_side_in_the_order_of_their_weights() {
    let turns = turns(1..=9);
    let subject = standing(&turns, &[key(5)])[0];
    assert_eq!(subject.around.map(|state| state.map(number)), [4, 6, 3, 7, 2, 8].map(Some));
    let first = standing(&turns, &[key(1)])[0];
    assert_eq!(first.around.map(|state| state.map(number)), [None, Some(2), None, Some(3), None, Some(4)]);
    assert!(AROUND.windows(2).all(|pair| pair[0].words >= pair[1].words && pair[0].meaning >= pair[1].meaning));
}

#[test]
fn a_change_reaches_three_turns_on_each_side_of_its_place() {
    let turns = turns((1..=9).chain(11..=19));
    assert_eq!(numbers(&reached(&turns, &[key(5)])), [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(numbers(&reached(&turns, &[key(10)])), [7, 8, 9, 11, 12, 13], "where a turn has gone");
    assert_eq!(numbers(&reached(&turns, &[key(0), key(18)])), [1, 2, 3, 15, 16, 17, 18, 19]);
    assert_eq!(numbers(&standing(&turns, &[key(5), key(10)])), [5], "nothing stands at 10");
    assert!(reached(&[], &[key(1)]).is_empty());
}

#[test]
fn a_long_turn_takes_less_of_its_neighbours() {
    assert_eq!([0, 1, 24].map(share), [1.0; 3]);
    assert_eq!(share(48), 0.5);
}
