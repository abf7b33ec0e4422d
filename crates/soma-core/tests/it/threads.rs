//! Turns and their neighbours: whatever is written in whatever order, every point is the one that the
//! log gives from scratch.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use soma_core::context::{self, Subject};
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::language::Language;
use soma_core::embed::sparse::Lexicon;
use soma_core::engine::Context;
use soma_core::event::build::Draft;
use soma_core::event::schemas::Any;
use soma_core::fold::State;
use soma_core::ids::MemoryId;
use soma_core::index::{Op, Point, VectorIndex};
use soma_core::log::ReadLimit;
use soma_core::projector::observe::Nobody;
use soma_core::projector::points::plan;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::store::{MemoryStore, Reading};
use soma_core::testing::{Index, Letters, Mixing, Store};
use soma_core::thread::{Placed, Thread, TurnKey};
use soma_core::verify;

use crate::world::{World, draft, id, namespace, target};

/// Memories that are written.
const MEMORIES: u64 = 12;

#[derive(Clone, Debug)]
enum Act {
    Remember(u64, Where),
    Forget(u64),
    Project,
}

/// Where a memory stands: in a thread, at a place of it.
#[derive(Clone, Copy, Debug)]
struct Where {
    thread: Option<u8>,
    seq: Option<u8>,
}

fn act() -> impl Strategy<Value = Act> {
    let place = (prop::option::weighted(0.85, 0..2_u8), prop::option::weighted(0.8, 0..15_u8));
    let place = place.prop_map(|(thread, seq)| Where { thread, seq });
    prop_oneof![
        6 => (0..MEMORIES, place).prop_map(|(memory, place)| Act::Remember(memory, place)),
        2 => (0..MEMORIES).prop_map(Act::Forget),
        1 => Just(Act::Project),
    ]
}

/// The word that only the write of this number says.
fn word(number: usize) -> String {
    format!("word{number}x")
}

fn payload(number: usize, place: Where) -> Value {
    let mut payload = json!({ "text": format!("{} and a few words of its own", word(number)), "actor": "Mia" });
    if let Some(thread) = place.thread {
        payload["thread"] = json!(["talk", "chat"][usize::from(thread)]);
    }
    if let Some(seq) = place.seq {
        payload["seq"] = json!(f64::from(seq) / 2.0);
    }
    payload
}

fn draft_of(memory: u64, number: usize, place: Where) -> Draft {
    // A memory never changes its namespace.
    let namespace = namespace(if memory % 4 == 3 { "other" } else { "demo" });
    Draft { namespace, ..draft(memory, payload(number, place)) }
}

/// Every point of the live records, made from scratch, under no `rev`.
fn from_scratch(world: &World, store: &dyn Reading) -> Vec<Point> {
    let states = world.run(store.scan(None, 1_000)).expect("the store is there");
    let live: Vec<&State> = states.iter().filter(|state| state.is_live()).collect();
    let mut threads: BTreeMap<Thread, BTreeMap<TurnKey, State>> = BTreeMap::new();
    for state in &live {
        if let Some(Placed { thread, key, .. }) = Placed::of(state) {
            threads.entry(thread).or_default().insert(key, State::clone(state));
        }
    }
    let threads: Vec<Vec<State>> = threads.into_values().map(|turns| turns.into_values().collect()).collect();
    let mut subjects: Vec<Subject<'_>> =
        live.iter().filter(|state| Placed::of(state).is_none()).map(|state| Subject::alone(state)).collect();
    for turns in &threads {
        let places: Vec<TurnKey> = turns.iter().filter_map(|turn| Some(Placed::of(turn)?.key)).collect();
        subjects.extend(context::standing(turns, &places));
    }
    let ops = world.run(plan(&*world.engine.embedder, &subjects)).expect("the embedder is there");
    let points = ops.into_iter().map(|op| match op {
        Op::Upsert(point) => *point,
        Op::Delete { id, .. } => panic!("{id} is live"),
    });
    without_revs(points.collect())
}

fn without_revs(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_unstable_by_key(|point| point.id);
    points.iter_mut().for_each(|point| point.rev = 0);
    points
}

/// Projects the whole log of a world into fresh stores, in batches of this size.
fn rebuild(world: &World, partitions: u32, records: usize) -> Vec<Point> {
    let index = Arc::new(Index::new(world.engine.embedder.identity().clone()));
    let projector = Projector {
        name: world.engine.projector.clone(),
        log: Arc::clone(&world.engine.log),
        letters: Arc::new(Letters::new()),
        store: Arc::new(Store::new()) as Arc<dyn MemoryStore>,
        index: Some(Arc::clone(&index) as Arc<dyn VectorIndex>),
        embedder: Arc::clone(&world.engine.embedder),
        schemas: Arc::new(Any),
        clock: Arc::clone(&world.engine.clock),
        observer: Arc::new(Nobody),
        options: Options { batch: ReadLimit { records, bytes: 1 << 20 }, ..Options::default() },
    };
    for partition in (0..partitions).rev() {
        let mut worker = Worker::new(projector.clone(), partition);
        loop {
            match world.run(worker.step()) {
                Step::Idle => break,
                Step::Claimed { .. } | Step::Projected { .. } | Step::Flushed => {}
                Step::Failed { error, .. } | Step::Released(error) | Step::Halted(error) => panic!("{error}"),
            }
        }
    }
    without_revs(index.points())
}

/// Acts, and checks that the points are those from scratch.
fn play(embedder: Arc<dyn Embedder>, partitions: u32, acts: &[Act]) {
    let mut world = World::with(embedder, partitions);
    let mut said: BTreeMap<MemoryId, Vec<String>> = BTreeMap::new();
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Remember(memory, place) => {
                said.entry(id(*memory)).or_default().push(word(number));
                world.remember(vec![draft_of(*memory, number, *place)]);
            }
            Act::Forget(memory) => {
                // What was never written cannot be forgotten.
                let _ = world.run(world.engine.forget(&target(*memory), Context::default()));
            }
            Act::Project => world.project(),
        }
    }
    world.project();
    let points = without_revs(world.index.points());
    let scratch = from_scratch(&world, &*world.engine.store);
    assert_eq!(points, scratch, "the points are those of the records");
    let report = world.run(verify::verify(&world.engine, verify::Options::new(std::time::Duration::ZERO)));
    assert!(report.expect("everything can be read").is_clean(), "verification agrees");
    for batch in [1, 4, 1_000] {
        assert_eq!(rebuild(&world, partitions, batch), points, "a rebuild in batches of {batch}");
    }

    let live: BTreeMap<MemoryId, String> =
        points.iter().map(|point| (point.id, point.payload["text"].to_string())).collect();
    for (memory, words) in said {
        let gone = words.iter().filter(|word| !live.get(&memory).is_some_and(|text| text.contains(&**word)));
        for word in gone {
            let term = |point: &Point| Lexicon::of(&point.namespace, Language::English).term(word);
            let holder = points.iter().find(|point| point.sparse.indices.contains(&term(point)));
            assert!(holder.is_none(), "{word} was replaced or deleted and still finds {:?}", holder.map(|h| h.id));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn points_are_those_of_the_log_from_scratch(acts in prop::collection::vec(act(), 1..60), partitions in 1..4_u32) {
        play(Arc::new(HashEmbedder::new(64).expect("enough dimensions")), partitions, &acts);
    }

    #[test]
    fn mixed_points_are_those_of_the_log_from_scratch(acts in prop::collection::vec(act(), 1..40)) {
        play(Arc::new(Mixing::new(64).expect("enough dimensions")), 2, &acts);
    }
}
