//! Whoever takes a partition looks for the event before the position, and asks the log itself before it halts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::json;
use soma_core::clock::Clock;
use soma_core::embed::hash::HashEmbedder;
use soma_core::error::{Code, Result};
use soma_core::event::schemas::Any;
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition};
use soma_core::log::{Appended, Bounds, Erasure, EventLog, NewRecord, ReadLimit, Record};
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::store::ProjectorName;

use crate::world::{DIMS, World, draft};

/// What a reader that has lost its place answers with.
#[derive(Clone, Copy)]
enum Misread {
    Nothing,
    /// The records from so much later on.
    Later(Offset),
    /// The right place with what lies so much later.
    Other(Offset),
}

/// A log whose reader has lost its place, until it has been asked anew so many times.
struct Misreading {
    log: Arc<dyn EventLog>,
    how: Misread,
    asked_anew: AtomicUsize,
    until: usize,
}

#[async_trait]
impl EventLog for Misreading {
    fn id(&self) -> &LogId {
        self.log.id()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        self.log.append(records).await
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        if self.asked_anew.load(Ordering::Relaxed) >= self.until {
            return self.log.read(partition, from, limit).await;
        }
        match self.how {
            Misread::Nothing => Ok(Vec::new()),
            Misread::Later(by) => self.log.read(partition, from + by, limit).await,
            Misread::Other(by) => {
                let mut records = self.log.read(partition, from + by, limit).await?;
                records.iter_mut().for_each(|record| record.place.offset -= by);
                Ok(records)
            }
        }
    }

    fn forget_ahead(&self, _: Partition) {
        self.asked_anew.fetch_add(1, Ordering::Relaxed);
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        self.log.bounds().await
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        self.log.wait(partition, from).await
    }

    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        self.log.erase(partition, items).await
    }

    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        self.log.find(event_id).await
    }
}

/// A partition of which three events are projected and two are not.
fn world() -> World {
    let mut world = World::with(Arc::new(HashEmbedder::new(DIMS).expect("enough dimensions")), 1);
    world.remember((0..3).map(|n| draft(n, json!({"text": "before"}))).collect());
    world.project();
    world.remember((3..5).map(|n| draft(n, json!({"text": "behind"}))).collect());
    world
}

fn take(world: &World, how: Misread, until: usize) -> (Step, usize) {
    let log = Arc::new(Misreading { log: Arc::clone(&world.engine.log), how, asked_anew: AtomicUsize::new(0), until });
    let projector = Projector {
        name: ProjectorName::memory(),
        log: Arc::clone(&log) as Arc<dyn EventLog>,
        letters: Arc::clone(&world.engine.letters),
        store: Arc::clone(&world.engine.store),
        index: Some(Arc::clone(&world.engine.index)),
        embedder: Arc::clone(&world.engine.embedder),
        schemas: Arc::new(Any),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        observer: Arc::new(Nobody),
        options: Options::default(),
    };
    let step = world.run(Worker::new(projector, 0).step());
    (step, log.asked_anew.load(Ordering::Relaxed))
}

#[test]
fn a_reader_that_lost_its_place_is_no_reason_to_halt() {
    for how in [Misread::Nothing, Misread::Later(1), Misread::Other(1)] {
        let (step, asked_anew) = take(&world(), how, 1);
        assert!(matches!(step, Step::Claimed { next: 3 }), "{step:?}");
        assert_eq!(asked_anew, 1);
    }
}

#[test]
fn a_log_that_holds_something_else_halts_and_the_error_says_what() {
    let whats = ["no record;", "no record, and the next one lies at offset 3;", "event "];
    for (how, what) in [Misread::Nothing, Misread::Later(1), Misread::Other(1)].into_iter().zip(whats) {
        let (step, asked_anew) = take(&world(), how, usize::MAX);
        let Step::Halted(error) = step else { panic!("it goes on: {step:?}") };
        assert_eq!((error.code, asked_anew), (Code::LogReplaced, 1));
        let said = error.to_string();
        assert!(said.contains("offset 2 no longer holds event ") && said.contains(&format!(", but {what}")), "{said}");
    }
}

#[test]
fn who_finds_the_event_asks_once() {
    let (step, asked_anew) = take(&world(), Misread::Nothing, 0);
    assert!(matches!(step, Step::Claimed { next: 3 }), "{step:?}");
    assert_eq!(asked_anew, 0);
}
