//! The pulse of a projector: an outage never silences it, a port that neither answers nor fails does.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::error::{Code, Error};
use soma_core::event::schemas::Any;
use soma_core::ids::{Offset, Partition};
use soma_core::log::EventLog;
use soma_core::projector::observe::{Component, Nobody, Observer, Report};
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::pulse::{EVERY, Pulses};
use soma_core::store::{ProjectorName, Reading};
use soma_core::testing::sample::{created, record};
use soma_core::testing::{Index, Letters, Log, SeededClock, Store};
use soma_testkit::faults::{self, Fate, Faults};
use tokio_util::sync::CancellationToken;

/// How long a loop may stand still before anybody takes it for stuck; the server says 120 seconds.
const BOUND: Duration = Duration::from_secs(120);

/// A projector whose ports fare as a script says, run as a runtime does it: polled when it was woken.
struct World {
    clock: Arc<SeededClock>,
    pulses: Pulses,
    log: Arc<Log>,
    store: Arc<Store>,
    projector: Projector,
    stop: CancellationToken,
}

impl World {
    fn new(script: impl FnMut(&'static str) -> Fate + Send + 'static) -> Self {
        let clock = Arc::new(SeededClock::waiting(3));
        let log = Arc::new(Log::new("test", 1, Arc::clone(&clock) as Arc<dyn Clock>));
        let (store, embedder) = (Arc::new(Store::new()), Arc::new(HashEmbedder::new(64).expect("enough dimensions")));
        let index = Arc::new(Index::new(embedder.identity().clone()));
        let faults = Faults::new(Box::new(script), Arc::new(Mutex::new(BTreeSet::new())));
        let projector = Projector {
            name: ProjectorName::memory(),
            log: Arc::new(faults::Log { inner: Arc::clone(&log) as _, faults: Arc::clone(&faults) }),
            letters: Arc::new(Letters::new()),
            store: Arc::new(faults::Store { inner: Arc::clone(&store) as _, faults: Arc::clone(&faults) }),
            index: Some(Arc::new(faults::Index { inner: index, faults: Arc::clone(&faults) })),
            embedder: Arc::new(faults::Embedding { inner: embedder, faults }),
            schemas: Arc::new(Any),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            observer: Arc::new(Nobody),
            options: Options::default(),
        };
        let (pulses, stop) = (Pulses::new(Arc::clone(&clock) as _), CancellationToken::new());
        Self { clock, pulses, log, store, projector, stop }
    }

    fn append(&self, number: u64) {
        let appended = self.clock.block_on(self.log.append(vec![record(&created(number, number, "text"))]));
        appended.expect("memory does not fail");
    }

    /// Runs the projector for so long, `also` at every second; the longest that it stood still.
    fn longest_silence(&self, lasts: Duration, mut also: impl FnMut(&Self, u64)) -> Duration {
        let run = Worker::new(self.projector.clone(), 0).run(self.stop.clone());
        let mut run = pin!(self.pulses.begin("projecting partition 0").keep(run));
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut longest = Duration::ZERO;
        for second in 0..lasts.as_secs() {
            also(self, second);
            while woken.0.swap(false, Ordering::Relaxed) {
                assert!(
                    run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(),
                    "it runs until it is stopped"
                );
            }
            self.clock.advance(Duration::from_secs(1));
            longest = longest.max(self.pulses.silences()[0].lasts);
        }
        longest
    }

    fn stored(&self) -> u64 {
        self.clock.block_on(self.store.counts()).expect("memory does not fail").events
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
/// A beat while it waits, and the second in which the test looks.
const REGULAR: Duration = Duration::from_secs(EVERY.as_secs() + 1);

#[test]
fn waiting_for_records_is_no_silence() {
    let world = World::new(|_| Fate::Pass);
    world.append(1);
    assert!(world.longest_silence(HOUR, |_, _| {}) <= REGULAR);
    assert_eq!(world.stored(), 1);
}

#[test]
fn an_outage_of_any_port_is_no_silence() {
    for port in ["store.", "index.", "log.", "embedder."] {
        let down = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&down);
        let world = World::new(move |call| {
            if fails.load(Ordering::Relaxed) && call.starts_with(port) {
                Fate::FailBefore(Code::Unavailable)
            } else {
                Fate::Pass
            }
        });
        world.append(1);
        let longest = world.longest_silence(HOUR, |world, second| match second {
            60 => {
                down.store(true, Ordering::Relaxed);
                world.append(2);
            }
            3_000 => {
                assert_eq!(world.stored(), 1, "{port} was away");
                down.store(false, Ordering::Relaxed);
            }
            _ => {}
        });
        assert!(longest <= REGULAR, "{port} was away, and the projector stood still for {longest:?}");
        assert_eq!(world.stored(), 2, "{port} came back");
    }
}

#[test]
fn a_port_that_neither_answers_nor_fails_is_silence() {
    for call in ["store.begin", "store.commit", "index.write", "embedder.documents", "log.read", "index.flush"] {
        let stuck = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&stuck);
        let world = World::new(move |now| {
            // A call that is suspended is never woken: only a new start would mend it.
            if holds.load(Ordering::Relaxed) && now == call { Fate::Suspend } else { Fate::Pass }
        });
        world.append(1);
        let longest = world.longest_silence(BOUND * 3, |world, second| {
            if second == 60 {
                stuck.store(true, Ordering::Relaxed);
                world.append(2);
            }
        });
        assert!(longest > BOUND, "{call} hangs, and the projector seems to move: {longest:?}");
        assert_eq!(world.stored(), if call == "index.flush" { 2 } else { 1 }, "{call}");
    }
}

/// Which components are waited for, as a projector tells it.
#[derive(Default)]
struct Waits(Mutex<Vec<(Component, bool)>>);

impl Observer for Waits {
    fn consumed(&self, _: Partition, _: usize) {}
    fn projected(&self, _: Partition, _: Offset, _: &Report) {}
    fn failed(&self, _: Component, _: &Error) {}
    fn paused(&self, component: Component, paused: bool) {
        self.0.lock().expect("nobody panics here").push((component, paused));
    }
    fn halted(&self, _: Partition, _: &Error) {}
}

/// A partition may go elsewhere in the middle of an outage: nobody tells its end, and it is not waited for.
#[test]
fn a_worker_that_goes_while_it_waits_does_not_wait_any_more() {
    let world = World::new(|call| if call == "index.write" { Fate::FailBefore(Code::Unavailable) } else { Fate::Pass });
    let waits = Arc::new(Waits::default());
    world.append(1);
    let observer = Arc::clone(&waits) as Arc<dyn Observer>;
    let mut worker = Worker::new(Projector { observer, ..world.projector.clone() }, 0);
    world.clock.block_on(worker.take()).expect("the partition is there");
    let step = world.clock.block_on(worker.step());
    assert!(matches!(step, Step::Failed { component: Component::VectorIndexer, .. }), "{step:?}");
    drop(worker);
    let told = waits.0.lock().expect("nobody panics here").clone();
    assert_eq!(told, [(Component::VectorIndexer, true), (Component::VectorIndexer, false)]);
}
