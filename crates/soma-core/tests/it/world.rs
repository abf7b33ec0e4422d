//! A whole system in memory: the ports, a projector and an engine, on one seeded clock.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::engine::{Context, Engine, Target, Written};
use soma_core::error::Result;
use soma_core::event::build::Draft;
use soma_core::event::schemas::{Any, Schemas};
use soma_core::ids::{MemoryId, Namespace};
use soma_core::index::VectorIndex;
use soma_core::limits;
use soma_core::log::EventLog;
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::recall::{Boost, Mode, Probe, Request, Scope};
use soma_core::store::{MemoryStore, ProjectorName};
use soma_core::testing::{Index, Letters, Log, SeededClock, Store};
use uuid::Uuid;

/// Dimensions of the vectors: enough to tell texts apart, few enough to search quickly.
pub(crate) const DIMS: usize = 256;

/// Everything that a test looks at.
pub(crate) struct World {
    pub(crate) clock: Arc<SeededClock>,
    pub(crate) index: Arc<Index>,
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Engine,
    workers: Vec<Worker>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(HashEmbedder::new(DIMS).expect("enough dimensions")), 2)
    }

    pub(crate) fn with(embedder: Arc<dyn Embedder>, partitions: u32) -> Self {
        Self::under(Arc::new(Any), embedder, partitions)
    }

    /// A world with a schema registry.
    pub(crate) fn with_schemas(schemas: Arc<dyn Schemas>) -> Self {
        Self::under(schemas, Arc::new(HashEmbedder::new(DIMS).expect("enough dimensions")), 2)
    }

    fn under(schemas: Arc<dyn Schemas>, embedder: Arc<dyn Embedder>, partitions: u32) -> Self {
        let clock = Arc::new(SeededClock::waiting(7));
        let log = Arc::new(Log::new("test", partitions, Arc::clone(&clock) as Arc<dyn Clock>));
        let index = Arc::new(Index::new(embedder.identity().clone()));
        let store = Arc::new(Store::new());
        let projector = Projector {
            name: ProjectorName::memory(),
            log,
            letters: Arc::new(Letters::new()),
            store: Arc::clone(&store) as Arc<dyn MemoryStore>,
            index: Some(Arc::clone(&index) as Arc<dyn VectorIndex>),
            embedder,
            schemas,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            observer: Arc::new(Nobody),
            options: Options { value_bytes_max: limits::VALUE_BYTES_MAX, ..Options::default() },
        };
        let engine = Engine {
            log: Arc::clone(&projector.log),
            letters: Arc::clone(&projector.letters),
            store: Arc::clone(&projector.store),
            index: Arc::clone(&index) as Arc<dyn VectorIndex>,
            embedder: Arc::clone(&projector.embedder),
            reranker: None,
            clock: Arc::clone(&projector.clock),
            projector: projector.name.clone(),
            value_bytes_max: limits::VALUE_BYTES_DEFAULT,
        };
        let workers = (0..partitions).map(|partition| Worker::new(projector.clone(), partition)).collect();
        Self { clock, index, store, engine, workers }
    }

    /// The same system behind another log.
    pub(crate) fn engine_on(&self, log: Arc<dyn EventLog>) -> Engine {
        Engine { log, ..self.engine.clone() }
    }

    /// Runs a future to its end; when it can go no further, the time moves.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.clock.block_on(future)
    }

    /// Projects everything that the log holds.
    pub(crate) fn project(&mut self) {
        for worker in &mut self.workers {
            loop {
                match self.clock.block_on(worker.step()) {
                    Step::Idle => break,
                    Step::Claimed { .. } | Step::Projected { .. } | Step::Flushed => {}
                    Step::Failed { error, .. } | Step::Released(error) | Step::Halted(error) => {
                        panic!("the projector stopped: {error}")
                    }
                }
            }
        }
    }

    /// One step of every partition that is claimed, or the claim and one step.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        let clock = Arc::clone(&self.clock);
        self.workers
            .iter_mut()
            .flat_map(|worker| [clock.block_on(worker.step()), clock.block_on(worker.step())])
            .collect()
    }

    /// Runs a future to its end while the projector works beside it.
    pub(crate) fn run_projecting<T>(&mut self, future: impl Future<Output = T>) -> T {
        let (clock, workers) = (Arc::clone(&self.clock), &mut self.workers);
        let project = async {
            loop {
                for worker in &mut *workers {
                    worker.step().await;
                }
                self.clock.sleep(Duration::from_millis(1)).await;
            }
        };
        clock.block_on(async {
            tokio::select! {
                done = future => done,
                () = project => unreachable!("the projector goes on"),
            }
        })
    }

    /// Writes drafts that must succeed.
    pub(crate) fn remember(&self, drafts: Vec<Draft>) -> Vec<Written> {
        let answers = self.run(self.engine.remember(drafts, Context::default())).expect("the log is there");
        answers.into_iter().collect::<Result<_>>().expect("the drafts are valid")
    }
}

/// A namespace.
pub(crate) fn namespace(text: &str) -> Namespace {
    Namespace::parse(text).expect("tests name valid namespaces")
}

/// The memory of that number; ids sort as numbers do.
pub(crate) fn id(number: u64) -> MemoryId {
    MemoryId(Uuid::from_u128((0x8 << 76) | (0x2 << 62) | u128::from(number)))
}

/// The number of a memory.
pub(crate) fn number(id: MemoryId) -> u64 {
    u64::try_from(id.0.as_u128() & 0xffff_ffff).expect("32 bits")
}

/// A memory of that number in the namespace `demo`.
pub(crate) fn draft(number: u64, payload: Value) -> Draft {
    Draft { id: Some(id(number)), ..Draft::created(namespace("demo"), payload) }
}

/// That memory, its namespace left out.
pub(crate) fn target(number: u64) -> Target {
    Target { id: id(number), namespace: None }
}

/// A question in the namespace `demo`.
pub(crate) fn question(text: &str, mode: Mode, top_k: usize) -> Request {
    Request {
        scope: Scope::Namespaces(vec![namespace("demo")]),
        probe: Probe::Text(text.to_owned()),
        top_k,
        filter: None,
        mode,
        boost: Boost::default(),
        after: None,
        wait: Duration::ZERO,
        explain: false,
    }
}
