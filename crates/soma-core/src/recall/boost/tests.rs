//! What is added, and when.

use serde_json::json;

use super::*;
use crate::testing::sample::{event_id, memory_id, namespace, time};

fn memory(importance: Option<f64>, at: u64) -> Memory {
    Memory {
        id: memory_id(1),
        namespace: namespace("demo"),
        payload: json!("text"),
        importance,
        model_revision: None,
        created_at: time(at),
        updated_at: time(at),
        version: 1,
        event_id: event_id(1),
    }
}

#[test]
fn nothing_is_added_unless_it_is_asked_for() {
    assert_eq!(Boost::default().parts(&memory(Some(9.0), 0), time(5)), []);
}

#[test]
fn importance_adds_a_growing_share_of_its_weight() {
    let boost = Boost { importance: 0.4, recency_half_life: None };
    let part = |importance| boost.parts(&memory(importance, 0), time(0));
    assert_eq!(part(None), [("importance", 0.0)]);
    assert_eq!(part(Some(1.0)), [("importance", 0.2)]);
    assert_eq!(part(Some(3.0)), [("importance", 0.4 * 0.75)]);
    assert_eq!(part(Some(1e308)), [("importance", 0.4)]);
}

#[test]
fn recency_halves_at_its_half_life_and_never_exceeds_its_most() {
    let boost = Boost { importance: 0.0, recency_half_life: Some(Duration::from_secs(10)) };
    let part = |at, now| boost.parts(&memory(None, at), time(now));
    assert_eq!(part(100, 100), [("recency", 0.2)]);
    assert_eq!(part(100, 110), [("recency", 0.1)]);
    assert_eq!(part(100, 130), [("recency", 0.05)]);
    assert_eq!(part(100, 50), [("recency", 0.2)], "a clock that is behind");
}

#[test]
fn no_memory_gains_more_than_the_most() {
    for (importance, half_life) in [(0.0, None), (0.7, None), (1.0, Some(1)), (0.0, Some(9))] {
        let boost = Boost { importance, recency_half_life: half_life.map(Duration::from_secs) };
        let gained: f64 = boost.parts(&memory(Some(1e308), 7), time(7)).iter().map(|(_, part)| part).sum();
        assert!(gained <= boost.most(), "{gained}");
        assert_eq!(boost.most() == 0.0, boost == Boost::default());
    }
}
