//! A backlog is read and embedded one batch ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use soma_core::embed::hash::HashEmbedder;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Result;
use soma_core::index::{Point, VectorIndex};
use soma_core::limits;

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
