//! Which records recall reads: few, and those that make the answer.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use soma_core::engine::Context;
use soma_core::event::build::Draft;
use soma_core::filter::Filter;
use soma_core::index::{Op, VectorIndex as _};
use soma_core::recall::{Boost, Mode, Request};
use soma_core::testing::Mixing;

use crate::world::{DIMS, World, draft, number, question, target};

fn world(weighed: bool) -> World {
    if weighed { World::with(Arc::new(Mixing::new(DIMS).expect("enough dimensions")), 1) } else { World::new() }
}

const WORDS: [&str; 8] = ["boat", "red", "harbour", "storm", "Ann", "Ben", "sailed", "rope"];

fn payload() -> impl Strategy<Value = Value> {
    let actor = prop_oneof![Just("Ann"), Just("Ben"), Just("Cid Doe")];
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..20);
    (words, actor, any::<bool>(), any::<bool>()).prop_map(|(words, actor, asks, speaks)| {
        let text = words.join(" ") + if asks { "?" } else { "" };
        if speaks { json!({"text": text, "actor": actor, "thread": "t"}) } else { json!({"text": text}) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_first_hits_are_those_of_all_candidates_read(
        payloads in proptest::collection::vec((payload(), proptest::option::of(0.0..5.0_f64)), 40..90),
        asked in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..5),
        top_k in 1_usize..12,
        mode in proptest::sample::select(&[Mode::Hybrid, Mode::Hybrid, Mode::Dense, Mode::Lexical][..]),
        weighed in any::<bool>(),
        boosted in any::<bool>(),
        narrowed in any::<bool>(),
        forgotten in proptest::collection::btree_set(0_u64..40, 0..6),
    ) {
        let mut world = world(weighed);
        let drafts = payloads.into_iter().enumerate();
        let drafts = drafts.map(|(n, (payload, importance))| Draft { importance, ..draft(n as u64, payload) });
        world.remember(drafts.collect());
        world.project();
        // The index still finds these, as it does in the moment between both stores.
        let points = world.index.points().into_iter().filter(|point| forgotten.contains(&number(point.id)));
        let stale: Vec<Op> = points.map(|point| Op::Upsert(Box::new(point))).collect();
        for number in &forgotten {
            world.run(world.engine.forget(&target(*number), Context::default())).expect("it is there");
        }
        world.project();
        world.run(world.index.write(stale)).expect("the points are sound");
        let half_life = Some(std::time::Duration::from_secs(3_600));
        let boost = Boost { importance: 0.3, recency_half_life: half_life };
        let boost = if boosted && mode == Mode::Hybrid { boost } else { Boost::default() };
        let filter = narrowed.then(|| Filter::parse(&json!({"field": "payload.thread", "exists": true})).expect("valid"));
        let ask = |top_k| {
            let request = Request { boost, filter: filter.clone(), explain: true, ..question(&asked.join(" "), mode, top_k) };
            world.run(world.engine.recall(&request)).expect("an answer").hits
        };
        let (all, first) = (ask(64), ask(top_k));
        prop_assert_eq!(&all[..top_k.min(all.len())], &first[..]);
    }
}

#[test]
fn what_cannot_be_among_the_first_is_not_read() {
    let mut world = world(false);
    let text = |n: u64| {
        format!(
            "{} harbour lantern {n} and what was said of it that year at length",
            "boat ".repeat(1 + n as usize % 50)
        )
    };
    world.remember((0..100).map(|n| draft(n, json!({ "text": text(n) }))).collect());
    world.project();
    let read = |top_k, text: &str| {
        let before = world.store.rows_read();
        let hits = world.run(world.engine.recall(&question(text, Mode::Hybrid, top_k))).expect("an answer").hits;
        assert_eq!(hits.len(), top_k);
        world.store.rows_read() - before
    };
    assert!(read(10, "boat") < 50, "of 100 that hold the word");
    assert_eq!(read(100, "boat"), 100);
}
