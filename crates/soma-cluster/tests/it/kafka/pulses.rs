//! The loops around a client: an outage does not silence them, a blocked thread does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use soma_cluster::kafka::group::{self, Change, Commits, Options};
use soma_cluster::kafka::{Log, Settings};
use soma_core::clock::Clock;
use soma_core::error::{Code, Result};
use soma_core::ids::Timestamp;
use soma_core::log::{EventLog, ReadLimit};
use soma_core::projector::Worker;
use soma_core::pulse::Pulses;
use soma_core::store::MemoryStore;
use soma_core::testing::Store;
use soma_core::testing::sample::{created, record};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::world::{RealClock, Watcher, mock, projector, topic, within};

const ALL: ReadLimit = ReadLimit { records: 1_000, bytes: 1 << 20 };
/// Much longer than a loop that is well goes between two beats.
const LONG: Duration = Duration::from_secs(8);

/// A clock that blocks whoever asks it on the thread of that name, once it is told to.
struct Blocking {
    inner: Arc<dyn Clock>,
    thread: &'static str,
    blocks: AtomicBool,
    released: Mutex<bool>,
    changed: Condvar,
}

impl Blocking {
    fn on(thread: &'static str) -> Arc<Self> {
        let (blocks, released) = (AtomicBool::new(false), Mutex::new(false));
        Arc::new(Self { inner: RealClock::shared(), thread, blocks, released, changed: Condvar::new() })
    }

    fn block(&self) {
        self.blocks.store(true, Ordering::Relaxed);
    }

    fn release(&self) {
        *self.released.lock().expect("nobody panics here") = true;
        self.changed.notify_all();
    }
}

#[async_trait]
impl Clock for Blocking {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn elapsed(&self) -> Duration {
        if self.blocks.load(Ordering::Relaxed) && std::thread::current().name() == Some(self.thread) {
            let released = self.released.lock().expect("nobody panics here");
            drop(self.changed.wait_while(released, |released| !*released));
        }
        self.inner.elapsed()
    }

    fn random(&self) -> [u8; 16] {
        self.inner.random()
    }

    async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration).await;
    }
}

/// A member with its log, on a clock of its own; the pulses are on another one.
struct World {
    pulses: Pulses,
    watching: Arc<dyn Clock>,
    log: Arc<Log>,
    watcher: Arc<Watcher>,
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
}

impl World {
    async fn start(settings: &Settings, clock: &Arc<dyn Clock>) -> Self {
        let watching = RealClock::shared();
        let pulses = Pulses::new(Arc::clone(&watching));
        let log = Log::connect_watched(settings, 1, clock, pulses.clone()).await.expect("the cluster is there");
        log.append((0..10).map(|n| record(&created(n, n, "text"))).collect()).await.expect("the broker is there");
        let watcher = Watcher::shared(&Commits::new());
        let store = Arc::new(Store::new()) as Arc<dyn MemoryStore>;
        let projector = projector(Arc::clone(&log), store, Arc::clone(&watcher));
        let (told, mut running) = watch::channel(0);
        let on_change = Arc::new(move |change| {
            if let Change::Rebalanced { running } = change {
                told.send_replace(running.len());
            }
        });
        let options = Options { pulses: pulses.clone(), on_change, ..Options::new(Arc::clone(clock)) };
        let (settings, stop) = (settings.clone(), CancellationToken::new());
        let (worker, token) = (move |partition| Worker::new(projector.clone(), partition), stop.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { group::run(&settings, worker, options, token).await });
        within("joining", running.wait_for(|running| *running == 1)).await.expect("the member lives");
        within("projecting", watcher.reaches(&*log)).await;
        Self { pulses, watching, log, watcher, tasks, stop }
    }

    fn names(&self) -> Vec<String> {
        self.pulses.silences().into_iter().map(|silence| silence.name).collect()
    }

    /// Returns once every loop has beaten since now.
    async fn all_beat(&self) {
        let since = self.watching.elapsed();
        let beaten = async {
            while self.pulses.silences().iter().any(|one| one.lasts >= self.watching.elapsed().saturating_sub(since)) {
                self.watching.sleep(Duration::from_millis(20)).await;
            }
        };
        within("a beat of every loop", beaten).await;
    }

    /// Returns the loops that stand still once one does.
    async fn stuck(&self) -> Vec<String> {
        let stuck = async {
            loop {
                let silences = self.pulses.silences();
                let still: Vec<String> =
                    silences.into_iter().filter(|one| one.lasts > LONG).map(|one| one.name).collect();
                if !still.is_empty() {
                    return still;
                }
                self.watching.sleep(Duration::from_millis(20)).await;
            }
        };
        within("a loop that stands still", stuck).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_silences_no_loop() {
    let mock = mock();
    let mut settings = topic(&mock, 1);
    // The group does not give the partition away meanwhile.
    settings.extra.push(("session.timeout.ms".to_owned(), "60000".to_owned()));
    let mut world = World::start(&settings, &RealClock::shared()).await;
    let all = ["polling the consumer group", "projecting partition 0", "reading the log", "sharing partitions out"];
    assert_eq!(world.names(), all);
    world.all_beat().await;
    mock.broker_down(-1).expect("the mock obeys");
    for _ in 0..2 {
        let refused = within("the append", world.log.append(vec![record(&created(10, 10, "text"))])).await;
        assert_eq!(refused.expect_err("the broker is gone").code, Code::Unavailable);
        world.all_beat().await;
        assert_eq!(world.names(), all, "no loop has ended");
    }
    mock.broker_up(-1).expect("the mock obeys");
    world.log.append(vec![record(&created(11, 11, "text"))]).await.expect("the broker is back");
    within("projecting", world.watcher.reaches(&*world.log)).await;
    world.stop.cancel();
    within("leaving", world.tasks.join_next()).await.expect("it runs").expect("no panic").expect("it ends well");
    assert_eq!(world.names(), ["reading the log"], "what has ended is not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_thread_of_a_client_is_silence() {
    for (thread, name) in [("soma-kafka-read", "reading the log"), ("soma-kafka-group", "polling the consumer group")] {
        let mock = mock();
        let clock = Blocking::on(thread);
        let mut world = World::start(&topic(&mock, 1), &(Arc::clone(&clock) as Arc<dyn Clock>)).await;
        world.all_beat().await;
        clock.block();
        assert_eq!(world.stuck().await, [name]);
        clock.release();
        world.all_beat().await;
        assert!(world.log.read(0, 0, ALL).await.is_ok_and(|read| read.len() == 10));
        world.stop.cancel();
        within("leaving", world.tasks.join_next()).await.expect("it runs").expect("no panic").expect("it ends well");
    }
}
