//! Records that were damaged are mended from the log, beside projectors at work and without any.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::engine::{Context, Engine, Target};
use soma_core::event::build::Draft;
use soma_core::event::schemas::Any;
use soma_core::fold::State;
use soma_core::ids::MemoryId;
use soma_core::index::VectorIndex;
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Worker};
use soma_core::store::{Counts, MemoryStore, ProjectorName};
use soma_core::testing::sample::{memory_id, namespace};
use soma_core::testing::{Index, Letters, Log, SeededClock};
use soma_core::verify::{self, Part, Report};
use tokio_util::sync::CancellationToken;

use super::{Schema, schema};

/// How long a step may take before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);
const MEMORIES: u64 = 10;

/// A system whose records lie in PostgreSQL.
struct World {
    engine: Engine,
    projector: Projector,
}

impl World {
    async fn over(schema: &Schema) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SeededClock::waiting(7));
        let embedder: Arc<dyn Embedder> = Arc::new(HashEmbedder::new(64).expect("enough dimensions"));
        let index: Arc<dyn VectorIndex> = Arc::new(Index::new(embedder.identity().clone()));
        let store: Arc<dyn MemoryStore> = Arc::new(schema.open().await);
        let projector = Projector {
            name: ProjectorName::memory(),
            log: Arc::new(Log::new("test", 2, Arc::clone(&clock))),
            letters: Arc::new(Letters::new()),
            store,
            index: Some(Arc::clone(&index)),
            embedder,
            schemas: Arc::new(Any),
            clock,
            observer: Arc::new(Nobody),
            options: Options::default(),
        };
        let Projector { name, log, letters, store, embedder, clock, options, .. } = projector.clone();
        let value_bytes_max = options.value_bytes_max;
        let engine =
            Engine { log, letters, store, index, embedder, reranker: None, clock, projector: name, value_bytes_max };
        Self { engine, projector }
    }

    /// Does something while both partitions are projected.
    async fn projecting<T>(&self, work: impl Future<Output = T>) -> T {
        let stop = CancellationToken::new();
        let run = |partition| Worker::new(self.projector.clone(), partition).run(stop.clone());
        let both = async { tokio::join!(run(0), run(1)) };
        let bounded = tokio::time::timeout(PATIENCE, work);
        tokio::select! {
            done = bounded => done.expect("it ends in time"),
            ended = both => panic!("a projector ended: {ended:?}"),
        }
    }

    /// Waits until both stores have all of the log.
    async fn catch_up(&self) {
        let end = self.engine.end().await.expect("the log answers");
        self.engine.wait(&end, PATIENCE).await.expect("the stores come so far");
    }

    async fn remember(&self, numbers: impl Iterator<Item = u64>, text: &str) {
        let payload = |n: u64| match n % 2 {
            0 => json!({"thread": "t", "seq": n, "actor": "ann", "text": format!("{text} {n}")}),
            _ => json!({"text": format!("{text} {n}")}),
        };
        let draft = |n| Draft { id: Some(memory_id(n)), ..Draft::created(namespace("demo"), payload(n)) };
        let written = self.engine.remember(numbers.map(draft).collect(), Context::default()).await;
        written.expect("appended").into_iter().for_each(|one| drop(one.expect("valid")));
        self.catch_up().await;
    }

    async fn verify(&self, repairs: bool) -> Report {
        let options = verify::Options::new(PATIENCE);
        let options = if repairs { options.repairing() } else { options };
        verify::verify(&self.engine, options).await.expect("everything can be read")
    }

    /// What readers see, the `rev` aside.
    async fn everything(&self) -> (Vec<State>, Vec<Option<usize>>, Counts) {
        let ids: Vec<MemoryId> = (1..=MEMORIES).chain([98, 99]).map(memory_id).collect();
        let store = &self.engine.store;
        let mut states = store.states(&ids).await.expect("readable");
        states.sort_by_key(|state| state.id);
        states.iter_mut().for_each(|state| state.rev = 0);
        let histories = store.histories(&ids).await.expect("readable");
        let marks = ids.iter().map(|id| histories.get(id).map(Vec::len)).collect();
        (states, marks, store.counts().await.expect("readable"))
    }
}

async fn damage(schema: &Schema) {
    let columns =
        "namespace, kind, created_at, updated_at, version, log, partition, \"offset\", effective, rev, payload";
    let event = "namespace, type, timestamp, log, partition, \"offset\", payload, first";
    let id = |number| memory_id(number).0;
    let (one, two, three, four, five, six) = (id(1), id(2), id(3), id(4), id(5), id(6));
    let (extra, orphan, seven) = (id(98), id(99), id(7));
    let sql = format!(
        "DELETE FROM memories WHERE id = '{one}';
         DELETE FROM memories WHERE id = '{two}'; DELETE FROM memory_events WHERE id = '{two}';
         UPDATE memories SET payload = '{{\"text\": \"tampered\"}}' WHERE id = '{three}';
         UPDATE memories SET payload = payload || '{{\"text\": \"tampered turn\"}}' WHERE id = '{four}';
         DELETE FROM memory_events WHERE id = '{five}';
         UPDATE memories SET kind = 'created', payload = '\"risen\"' WHERE id = '{six}';
         INSERT INTO memories (id, event_id, {columns}) SELECT '{extra}', '{extra}', {columns} FROM memories WHERE id = '{seven}';
         INSERT INTO memory_events (event_id, id, {event}) SELECT '{orphan}', '{orphan}', {event} FROM memory_events WHERE id = '{seven}' LIMIT 1;
         UPDATE memory_counts SET memories = memories + 3, events = events - 100"
    );
    schema.client().await.batch_execute(&sql).await.expect("damaged");
}

fn parts(report: &Report, part: Part) -> Vec<MemoryId> {
    report.findings.iter().filter(|finding| finding.part == part).filter_map(|finding| finding.id).collect()
}

async fn written(world: &World) {
    world.remember(1..=MEMORIES, "fact").await;
    let target = Target { id: memory_id(6), namespace: None };
    world.engine.forget(&target, Context::default()).await.expect("forgotten");
    world.remember([7].into_iter(), "again").await;
}

async fn assert_found(world: &World) {
    let found = world.verify(false).await;
    assert!(!found.is_clean());
    let expected: Vec<MemoryId> = [1, 2, 3, 4, 6, 98].map(memory_id).into();
    assert_eq!(parts(&found, Part::Records), expected, "{found:?}");
    let histories: Vec<MemoryId> = [1, 5, 99].map(memory_id).into();
    assert_eq!(parts(&found, Part::History), histories, "{found:?}");
    assert!(found.findings.iter().any(|finding| finding.part == Part::Counts), "{found:?}");
}

#[tokio::test]
async fn damaged_records_are_mended_while_projectors_work() {
    let Some(schema) = schema().await else { return };
    let world = World::over(&schema).await;
    let test = async {
        written(&world).await;
        let before = world.everything().await;
        damage(&schema).await;
        assert_found(&world).await;
        let repaired = world.verify(true).await;
        assert!(repaired.is_clean() && repaired.repaired > 0, "{repaired:?}");
        let clean = world.verify(false).await;
        assert_eq!((clean.differences, clean.is_clean()), (0, true), "{clean:?}");
        assert_eq!(world.everything().await, before);
        // Nobody was fenced: both partitions go on.
        world.remember(1..=MEMORIES, "later").await;
        let clean = world.verify(false).await;
        assert_eq!((clean.differences, clean.is_clean()), (0, true), "{clean:?}");
    };
    world.projecting(test).await;
}

#[tokio::test]
async fn damaged_records_are_mended_when_no_projector_runs() {
    let Some(schema) = schema().await else { return };
    let world = World::over(&schema).await;
    world.projecting(written(&world)).await;
    let before = world.everything().await;
    damage(&schema).await;
    assert_found(&world).await;
    let repaired = world.verify(true).await;
    assert!(repaired.is_clean() && repaired.repaired > 0, "{repaired:?}");
    assert_eq!(world.verify(false).await.differences, 0);
    assert_eq!(world.everything().await, before);
}

/// Writers go on all the time, so that mending meets transactions of theirs.
#[tokio::test]
async fn damaged_records_are_mended_while_others_are_written() {
    let Some(schema) = schema().await else { return };
    let world = World::over(&schema).await;
    let test = async {
        written(&world).await;
        damage(&schema).await;
        let mut writing = Box::pin(async {
            for round in 0.. {
                world.remember(20..=60, &format!("round {round}")).await;
            }
        });
        let mut repairing = Box::pin(world.verify(true));
        let repaired = poll_fn(|cx| {
            assert!(writing.as_mut().poll(cx).is_pending(), "the writer goes on");
            repairing.as_mut().poll(cx)
        })
        .await;
        drop(writing);
        assert!(repaired.is_clean() && repaired.repaired > 0, "{repaired:?}");
        world.catch_up().await;
        assert_eq!(world.verify(false).await.differences, 0);
    };
    world.projecting(test).await;
}
