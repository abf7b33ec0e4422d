//! A backlog is read and embedded one batch ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use soma_core::clock::Clock;
use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::{Code, Error, Result};
use soma_core::event::schemas::Any;
use soma_core::ids::MemoryId;
use soma_core::index::{FoundList, Op, Point, Search, StoredPoint, VectorIndex};
use soma_core::limits;
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::testing::{Index, SeededClock};

use crate::world::{World, draft, id};

/// The hash embedder, counting what it embeds.
struct Counting {
    hash: HashEmbedder,
    payloads: AtomicUsize,
}

#[async_trait]
impl Embedder for Counting {
    fn identity(&self) -> &Identity {
        self.hash.identity()
    }

    fn hybrid_weight(&self) -> f64 {
        self.hash.hybrid_weight()
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        self.payloads.fetch_add(payloads.len(), Ordering::Relaxed);
        self.hash.documents(payloads).await
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        self.hash.query(text).await
    }
}

#[test]
fn each_memory_of_a_backlog_is_embedded_once_and_has_the_point_of_its_state() {
    let hash = HashEmbedder::new(64).expect("enough dimensions");
    let embedder = Arc::new(Counting { hash, payloads: AtomicUsize::new(0) });
    let mut world = World::with(Arc::clone(&embedder) as Arc<dyn Embedder>, 1);
    let memories = 2 * limits::BATCH_EVENTS as u64 + 7;
    let drafts =
        |turn: &str, count: u64| (0..count).map(|n| draft(n, json!({"text": format!("{turn} {n}")}))).collect();
    world.remember(drafts("first", memories));
    // These are folded in the last batch, after what was read ahead of them.
    world.remember(drafts("second", 5));
    world.project();

    assert_eq!(embedder.payloads.load(Ordering::Relaxed) as u64, memories + 5);
    let points = world.run(world.index.scan(None, 10_000)).expect("the index is there");
    assert_eq!(points.len() as u64, memories);
    let ids: Vec<_> = (0..memories).map(id).collect();
    let states = world.run(world.engine.store.states(&ids)).expect("the store is there");
    for (state, point) in states.iter().zip(&points) {
        let payload = &state.content.as_ref().expect("it is live").payload;
        let dense = world.run(embedder.hash.documents(&[payload])).expect("it is always there").remove(0);
        let should = Point::of(state, dense).expect("it is live");
        assert_eq!(
            (point.id, point.event_id, &point.dense, &point.sparse),
            (should.id, should.event_id, &should.dense, &should.sparse)
        );
    }
}

/// An index that takes a while for each point, and answers that it is away when that is too long.
struct Slow {
    inner: Arc<Index>,
    clock: Arc<SeededClock>,
}

const EACH: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(10);

#[async_trait]
impl VectorIndex for Slow {
    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    async fn write(&self, ops: Vec<Op>) -> Result<()> {
        let takes = EACH * u32::try_from(ops.len()).expect("few points");
        self.clock.sleep(takes.min(DEADLINE)).await;
        if takes > DEADLINE {
            return Err(Error::new(Code::Unavailable, "it did not answer in time"));
        }
        self.inner.write(ops).await
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }

    async fn search(&self, search: &Search) -> Result<FoundList> {
        self.inner.search(search).await
    }

    async fn rarities(&self, terms: &[u32]) -> Result<Vec<Option<f32>>> {
        self.inner.rarities(terms).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<StoredPoint>> {
        self.inner.scan(after, limit).await
    }

    async fn count(&self) -> Result<u64> {
        self.inner.count().await
    }

    async fn purge(&self, ids: &[MemoryId]) -> Result<()> {
        self.inner.purge(ids).await
    }
}

#[test]
fn a_batch_that_a_slow_index_cannot_take_in_time_is_cut_until_it_can() {
    let world = World::with(Arc::new(HashEmbedder::new(64).expect("enough dimensions")), 1);
    let memories = 1_300;
    world.remember((0..memories).map(|n| draft(n, json!({"text": format!("memory {n}")}))).collect());
    let engine = &world.engine;
    let slow = Slow { inner: Arc::clone(&world.index), clock: Arc::clone(&world.clock) };
    let projector = Projector {
        name: engine.projector.clone(),
        log: Arc::clone(&engine.log),
        letters: Arc::clone(&engine.letters),
        store: Arc::clone(&engine.store),
        index: Some(Arc::new(slow)),
        embedder: Arc::clone(&engine.embedder),
        schemas: Arc::new(Any),
        clock: Arc::clone(&engine.clock),
        observer: Arc::new(Nobody),
        options: Options::default(),
    };
    let mut worker = Worker::new(projector, 0);
    let (mut failed, mut sizes) = (0, Vec::new());
    loop {
        match world.run(worker.step()) {
            Step::Idle => break,
            Step::Claimed { .. } | Step::Flushed => {}
            Step::Projected { records } => sizes.push(records),
            Step::Failed { .. } => failed += 1,
            Step::Released(error) | Step::Halted(error) => panic!("the projector stopped: {error}"),
        }
        assert!(failed < 5, "the same batch fails for ever");
    }
    assert_eq!((failed, sizes), (1, vec![500, 500, 300]), "half of a batch fits, and a slow batch does not grow");
    assert_eq!(world.run(world.index.count()).expect("the index is there"), memories);
}
