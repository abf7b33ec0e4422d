//! Turns of one thread lie in different partitions, whose projectors work at the same time: the point of
//! every turn ends as if all had been folded one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use soma_cluster::kafka::group::Commits;
use soma_cluster::kafka::{Log, Settings};
use soma_core::context::REACH;
use soma_core::embed::language::Language;
use soma_core::embed::sparse::Lexicon;
use soma_core::engine::Engine;
use soma_core::event::{Event, EventType};
use soma_core::index::{Point, VectorIndex};
use soma_core::limits;
use soma_core::log::EventLog;
use soma_core::projector::{Projector, Step, Worker};
use soma_core::store::MemoryStore;
use soma_core::testing::sample::{deleted, record, with_payload};
use soma_core::testing::{Index, Store};
use soma_core::verify;

use super::member::Member;
use super::world::{RealClock, Watcher, connect, mock, on, projector, real, topic, within};
use crate::postgres::schema;

const THREADS: u64 = 3;
/// Turns of each thread.
const TURNS: u64 = 40;
/// Appends that are on their way at the same time.
const WRITERS: usize = 4;

/// The word that only the write of this number says.
fn word(number: u64) -> String {
    format!("word{number}x")
}

/// The turns, as they should end: the number of the write that each place shows.
#[derive(Default)]
struct Plan {
    written: u64,
    shown: BTreeMap<u64, u64>,
}

impl Plan {
    fn event(&mut self, kind: EventType, memory: u64) -> Event {
        self.written += 1;
        let number = self.written;
        if kind == EventType::Deleted {
            self.shown.remove(&memory);
            return deleted(memory, number);
        }
        self.shown.insert(memory, number);
        let (thread, seq) = (format!("talk {}", memory % THREADS), memory / THREADS);
        let text = format!("{} was said", word(number));
        with_payload(kind, memory, number, json!({ "text": text, "thread": thread, "seq": seq }))
    }

    /// Every `step`th turn from the `first` on.
    fn events(&mut self, kind: EventType, first: u64, step: usize) -> Vec<Event> {
        (first..THREADS * TURNS).step_by(step).map(|memory| self.event(kind, memory)).collect()
    }
}

/// Appends what belongs to different memories, in several streams at once.
async fn append(log: &Log, events: &[Event]) {
    let streams = (0..WRITERS).map(|stream| async move {
        for event in events.iter().skip(stream).step_by(WRITERS) {
            log.append(vec![record(event)]).await.expect("the broker is there");
        }
    });
    futures::future::join_all(streams).await;
}

struct World {
    log: Arc<Log>,
    index: Arc<Index>,
    projector: Projector,
    watcher: Arc<Watcher>,
    plan: Plan,
}

impl World {
    async fn new(settings: &Settings, store: Arc<dyn MemoryStore>) -> Self {
        let (log, watcher) = (connect(settings).await, Watcher::shared(&Commits::new()));
        let projector = projector(Arc::clone(&log), store, Arc::clone(&watcher));
        let index = Arc::new(Index::new(projector.embedder.identity().clone()));
        let projector = Projector { index: Some(Arc::clone(&index) as Arc<dyn VectorIndex>), ..projector };
        Self { log, index, projector, watcher, plan: Plan::default() }
    }

    fn join(&self, settings: &Settings) -> Member {
        Member::join(settings, self.projector.clone(), &self.watcher)
    }

    async fn write(&mut self, kind: EventType, first: u64, step: usize) {
        let events = self.plan.events(kind, first, step);
        append(&self.log, &events).await;
    }

    async fn caught_up(&self) {
        within("projecting", self.watcher.reaches(&*self.log)).await;
    }

    /// Folds the whole log into fresh stores, one record after the other.
    async fn in_order(&self) -> Vec<Point> {
        let index = Arc::new(Index::new(self.projector.embedder.identity().clone()));
        let mut projector = self.projector.clone();
        projector.store = Arc::new(Store::new());
        projector.index = Some(Arc::clone(&index) as Arc<dyn VectorIndex>);
        projector.observer = Arc::new(soma_core::projector::observe::Nobody);
        projector.options.batch.records = 1;
        for bounds in self.log.bounds().await.expect("the broker is there") {
            let mut worker = Worker::new(projector.clone(), bounds.partition);
            loop {
                match worker.step().await {
                    Step::Idle => break,
                    Step::Claimed { .. } | Step::Projected { .. } | Step::Flushed => {}
                    Step::Failed { error, .. } | Step::Released(error) | Step::Halted(error) => panic!("{error}"),
                }
            }
        }
        without_revs(index.points())
    }

    async fn check(&self) {
        let points = without_revs(self.index.points());
        assert_eq!(points.len(), self.plan.shown.len());
        assert_eq!(points, self.in_order().await, "points are those of a fold in order");
        for thread in 0..THREADS {
            // A place is a memory; in the order of `seq` it is the order of their numbers.
            let turns: Vec<(u64, u64)> =
                self.plan.shown.iter().filter(|(m, _)| **m % THREADS == thread).map(|(m, n)| (*m, *n)).collect();
            for (at, (memory, _)) in turns.iter().enumerate() {
                let id = soma_core::testing::sample::memory_id(*memory);
                let point = points.iter().find(|point| point.id == id).expect("it is there");
                let heard: BTreeSet<u64> =
                    (1..=self.plan.written).filter(|number| holds(point, &word(*number))).collect();
                let around = &turns[at.saturating_sub(REACH)..(at + REACH + 1).min(turns.len())];
                let expected: BTreeSet<u64> = around.iter().map(|(_, number)| *number).collect();
                assert_eq!(heard, expected, "the words in the point of turn {at} of talk {thread}");
            }
        }
        let report = verify::verify(&self.engine(), verify::Options::new(std::time::Duration::from_secs(10))).await;
        let report = report.expect("everything can be read");
        assert!(report.is_clean(), "{:?}", report.findings);
        assert_eq!(report.events, self.plan.written);
    }

    fn engine(&self) -> Engine {
        Engine {
            log: Arc::clone(&self.log) as _,
            letters: Arc::clone(&self.projector.letters),
            store: Arc::clone(&self.projector.store),
            index: Arc::clone(&self.index) as _,
            embedder: Arc::clone(&self.projector.embedder),
            reranker: None,
            clock: Arc::clone(&self.projector.clock),
            projector: self.projector.name.clone(),
            value_bytes_max: limits::VALUE_BYTES_DEFAULT,
        }
    }
}

fn holds(point: &Point, word: &str) -> bool {
    point.sparse.indices.contains(&Lexicon::of(&point.namespace, Language::English).term(word))
}

fn without_revs(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_unstable_by_key(|point| point.id);
    points.iter_mut().for_each(|point| point.rev = 0);
    points
}

/// Two members on four partitions, while turns are written, replaced and deleted all over.
async fn turns_of_all_partitions(settings: &Settings, store: Arc<dyn MemoryStore>) {
    let mut world = World::new(settings, store).await;
    let (mut first, mut second) = (world.join(settings), world.join(settings));
    first.works_on(2).await;
    second.works_on(2).await;
    for start in 0..2 {
        world.write(EventType::Created, start, 2).await;
    }
    world.write(EventType::Updated, 1, 3).await;
    world.write(EventType::Deleted, 4, 7).await;
    world.caught_up().await;
    world.check().await;
    // One leaves while the threads change under the hands of the other.
    world.write(EventType::Updated, 0, 5).await;
    first.leave().await.expect("it ends well");
    world.write(EventType::Created, 4, 7).await;
    second.works_on(4).await;
    world.caught_up().await;
    world.check().await;
    second.leave().await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_one_thread_through_different_partitions_end_as_if_folded_in_order() {
    let mock = mock();
    turns_of_all_partitions(&topic(&mock, 4), Arc::new(Store::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_one_thread_through_different_partitions_end_so_on_real_servers() {
    let (Some(bootstrap), Some(schema)) = (real("SOMA_TEST_KAFKA"), schema().await) else { return };
    let settings = on(&bootstrap);
    super::topics::create(&settings, 4).await;
    turns_of_all_partitions(&settings, Arc::new(schema.open_on(RealClock::shared()).await)).await;
}

/// Keys move to other partitions: what is written afterwards still goes before what was written earlier.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_while_turns_are_written_keep_the_order_of_threads() {
    let (Some(bootstrap), Some(schema)) = (real("SOMA_TEST_KAFKA"), schema().await) else { return };
    let mut settings = on(&bootstrap);
    settings.extra.push(("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned()));
    super::topics::create(&settings, 1).await;
    let mut world = World::new(&settings, Arc::new(schema.open_on(RealClock::shared()).await)).await;
    let mut member = world.join(&settings);
    member.works_on(1).await;
    world.write(EventType::Created, 0, 2).await;
    super::topics::grow(&settings, 4).await;
    // The producer learns of them in its own time; until then it writes where it wrote before.
    world.write(EventType::Created, 1, 2).await;
    member.works_on(4).await;
    world.write(EventType::Updated, 0, 3).await;
    world.write(EventType::Deleted, 2, 9).await;
    let spread = world.log.bounds().await.expect("the broker is there");
    assert!(spread.len() == 4 && spread.iter().all(|bounds| bounds.next > 0), "{spread:?}");
    world.caught_up().await;
    world.check().await;
    member.leave().await.expect("it ends well");
}
