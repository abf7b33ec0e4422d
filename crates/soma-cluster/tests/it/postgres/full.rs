//! A disk that is full: the projector pauses, loses nothing, and goes on when there is space.

use std::sync::{Arc, Mutex};

use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::error::{Code, Error};
use soma_core::event::schemas::Any;
use soma_core::ids::{Offset, Partition};
use soma_core::log::{DeadLetters, EventLog};
use soma_core::projector::observe::{Component, Observer, Report};
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::store::{ProjectorName, Reading};
use soma_core::testing::sample::{created, memory_id, record, updated};
use soma_core::testing::{Index, Letters, Log, SeededClock};

use super::schema;

/// What the server says when a relation cannot grow, whenever a memory is written.
const FULL: &str = "
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = '53100';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON memories FOR EACH ROW EXECUTE FUNCTION full_disk()";
const FREED: &str = "DROP TRIGGER full_disk ON memories";

/// When the projector paused and went on.
#[derive(Default)]
struct Pauses(Mutex<Vec<(Component, bool)>>);

impl Observer for Pauses {
    fn consumed(&self, _: Partition, _: usize) {}
    fn projected(&self, _: Partition, _: Offset, _: &Report) {}
    fn failed(&self, _: Component, _: &Error) {}
    fn paused(&self, component: Component, paused: bool) {
        self.0.lock().expect("nobody panics here").push((component, paused));
    }
    fn halted(&self, _: Partition, error: &Error) {
        panic!("it halted: {error}");
    }
}

#[tokio::test]
async fn a_full_disk_of_the_server_pauses_the_projector_until_there_is_space() {
    let Some(schema) = schema().await else { return };
    let clock: Arc<dyn Clock> = Arc::new(SeededClock::new(5));
    let (records, operator) = (Arc::new(schema.open().await), schema.client().await);
    let (log, letters) = (Arc::new(Log::new("log", 1, Arc::clone(&clock))), Arc::new(Letters::new()));
    let embedder = Arc::new(HashEmbedder::new(64).expect("enough dimensions"));
    let index = Arc::new(Index::new(embedder.identity().clone()));
    let pauses = Arc::new(Pauses::default());
    let projector = Projector {
        name: ProjectorName::memory(),
        log: Arc::clone(&log) as _,
        letters: Arc::clone(&letters) as _,
        store: Arc::clone(&records) as _,
        index: Some(Arc::clone(&index) as _),
        embedder,
        schemas: Arc::new(Any),
        clock,
        observer: Arc::clone(&pauses) as _,
        options: Options::default(),
    };
    let mut worker = Worker::new(projector, 0);
    worker.take().await.expect("there is space");
    log.append(vec![record(&created(1, 1, "before"))]).await.expect("memory does not fail");
    assert!(matches!(worker.step().await, Step::Projected { records: 1 }));

    operator.batch_execute(FULL).await.expect("the test may");
    let more = [updated(1, 2, "while it is full"), created(2, 3, "while it is full")];
    log.append(more.iter().map(record).collect()).await.expect("memory does not fail");
    for _ in 0..3 {
        let step = worker.step().await;
        let Step::Failed { component: Component::KvWriter, error, .. } = step else { panic!("{step:?}") };
        assert_eq!(error.code, Code::StorageFull, "{error}");
        assert!(error.to_string().contains("free space on the disk of the PostgreSQL server"), "{error}");
    }
    assert_eq!(records.counts().await.expect("it can be read").events, 1, "reading goes on, and nothing was written");
    let points = index.points();
    assert_eq!((points.len(), points[0].payload["text"].as_str()), (1, Some("before")));
    assert_eq!(letters.count().await.expect("memory does not fail"), 0, "nothing becomes a dead letter");

    operator.batch_execute(FREED).await.expect("the test may");
    assert!(matches!(worker.step().await, Step::Projected { records: 2 }));
    let paused = pauses.0.lock().expect("nobody panics here").clone();
    assert_eq!(paused, [(Component::KvWriter, true), (Component::KvWriter, false)]);
    assert_eq!(records.counts().await.expect("it can be read").events, 3);
    let states = records.states(&[memory_id(1)]).await.expect("it can be read");
    assert_eq!(
        states[0].content.as_ref().map(|content| content.payload["text"].clone()),
        Some("while it is full".into())
    );
    assert_eq!((index.points().len(), letters.count().await.expect("memory does not fail")), (2, 0));
}
