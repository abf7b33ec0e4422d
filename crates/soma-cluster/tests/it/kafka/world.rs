//! What the tests of Kafka share: a clock, clusters, projectors in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use soma_cluster::kafka::group::Commits;
use soma_cluster::kafka::{Log, Settings};
use soma_core::clock::Clock;
use soma_core::embed::hash::HashEmbedder;
use soma_core::error::{Code, Error};
use soma_core::event::schemas::Any;
use soma_core::ids::{Offset, Partition, Timestamp};
use soma_core::log::{DeadLetters, EventLog};
use soma_core::projector::observe::{Component, Observer, Report};
use soma_core::projector::{Options, Projector};
use soma_core::store::{MemoryStore, ProjectorName};
use soma_core::testing::Letters;
use tokio::sync::watch;

pub(crate) type Mock = MockCluster<'static, DefaultProducerContext>;

/// The machine's clock.
pub(crate) struct RealClock(Instant);

#[expect(clippy::disallowed_methods, reason = "real clients run in real time; this is the tests' adapter of it")]
impl RealClock {
    pub(crate) fn shared() -> Arc<dyn Clock> {
        Arc::new(Self(Instant::now()))
    }
}

#[expect(clippy::disallowed_methods, reason = "real clients run in real time; this is the tests' adapter of it")]
#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is set");
        Timestamp(i64::try_from(since.as_micros()).expect("this century"))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn random(&self) -> [u8; 16] {
        let nanos = self.0.elapsed().as_nanos().to_le_bytes();
        nanos.map(|byte| byte.wrapping_mul(167).rotate_left(3))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A name that no other test and no other run has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is set").as_micros();
    format!("{name}-{since}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A cluster of one broker that lives in this process.
pub(crate) fn mock() -> Mock {
    MockCluster::new(1).expect("a mock cluster starts")
}

/// A topic of its own in a mock cluster.
pub(crate) fn topic(mock: &Mock, partitions: i32) -> Settings {
    let mut settings = Settings::new(mock.bootstrap_servers());
    settings.topic = unique("events");
    settings.dlq_topic = unique("dlq");
    settings.group = unique("group");
    settings.append_timeout = Duration::from_secs(3);
    // A mock cluster's group waits for its members' heartbeats, and for the session of those that went.
    for (key, value) in [("heartbeat.interval.ms", "100"), ("session.timeout.ms", "6000")] {
        settings.extra.push((key.to_owned(), value.to_owned()));
    }
    mock.create_topic(&settings.topic, partitions, 1).expect("the topic is made");
    mock.create_topic(&settings.dlq_topic, partitions, 1).expect("the topic of dead letters is made");
    settings
}

/// A log on a cluster that is there; a topic that was just made may have no leader yet.
pub(crate) async fn connect(settings: &Settings) -> Arc<Log> {
    let clock = RealClock::shared();
    let connecting = async {
        loop {
            match Log::connect(settings, 1, &clock).await {
                Ok(log) => return log,
                Err(error) => assert_eq!(error.code, Code::Unavailable, "the cluster is there: {error}"),
            }
        }
    };
    within("a connection to the cluster", connecting).await
}

/// A setting of the tests, from the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the real tier is switched on by variables, and tests have no configuration"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The real cluster, or a loud word that it is not there.
pub(crate) fn real(variable: &str) -> Option<String> {
    let found = self::variable(variable);
    if found.is_none() {
        #[expect(clippy::print_stderr, reason = "a tier that does not run must be seen")]
        {
            eprintln!("SKIPPED: {variable} is not set");
        }
    }
    found
}

/// Names of its own on a real cluster.
pub(crate) fn on(bootstrap: &str) -> Settings {
    let mut settings = Settings::new(bootstrap);
    settings.topic = unique("test.events");
    settings.dlq_topic = unique("test.dlq");
    settings.group = unique("test-group");
    settings
}

/// How far projectors are, and how it went.
pub(crate) struct Watcher {
    pub(crate) next: watch::Sender<BTreeMap<Partition, Offset>>,
    pub(crate) commits: Commits,
}

impl Watcher {
    pub(crate) fn shared(commits: &Commits) -> Arc<Self> {
        Arc::new(Self { next: watch::Sender::new(BTreeMap::new()), commits: commits.clone() })
    }

    /// Returns when every partition has come to where the log ends.
    pub(crate) async fn reaches(&self, log: &dyn EventLog) {
        let bounds = log.bounds().await.expect("the log is there");
        let there = |next: &BTreeMap<Partition, Offset>| {
            bounds.iter().all(|b| b.next == b.first || next.get(&b.partition).is_some_and(|next| *next >= b.next))
        };
        self.next.subscribe().wait_for(there).await.expect("the watcher lives");
    }
}

impl Observer for Watcher {
    fn consumed(&self, _: Partition, _: usize) {}

    fn projected(&self, partition: Partition, next: Offset, _: &Report) {
        self.commits.commit_later(partition, next);
        self.next.send_modify(|all| {
            all.insert(partition, next);
        });
    }

    fn failed(&self, _: Component, _: &Error) {}

    fn paused(&self, _: Component, _: bool) {}

    fn halted(&self, _: Partition, _: &Error) {}
}

/// A projector of records only.
pub(crate) fn projector(log: Arc<Log>, store: Arc<dyn MemoryStore>, watcher: Arc<Watcher>) -> Projector {
    Projector {
        name: ProjectorName::memory(),
        log,
        letters: Arc::new(Letters::new()) as Arc<dyn DeadLetters>,
        store,
        index: None,
        embedder: Arc::new(HashEmbedder::new(256).expect("enough dimensions")),
        schemas: Arc::new(Any),
        clock: RealClock::shared(),
        observer: watcher,
        options: Options { backoff_max: Duration::from_millis(500), ..Options::default() },
    }
}

/// Ends a test that hangs; what is measured is never how long something takes.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} hangs"),
    }
}
