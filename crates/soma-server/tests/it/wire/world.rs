//! Servers for one test: names of its own on a real Kafka and a real PostgreSQL, and a stand-in for Qdrant.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use soma_testkit::qdrant::StandIn;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::Settings;
use crate::harness::{Server, soma, text};

/// What a variable of the test plan says, or `None` with a word that this tier does not run.
pub(super) fn real(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the variables of the test plan are read where its tiers begin")]
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        #[expect(clippy::print_stderr, reason = "a tier that does not run must be seen")]
        {
            eprintln!("SKIPPED: {name} is not set");
        }
    }
    value
}

/// A name that no other test and no other run has.
pub(super) fn unique(name: &str) -> String {
    format!("{name}-{:016x}", RandomState::new().hash_one(name))
}

/// Names on servers, and a folder.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) topic: String,
    pub(super) dlq_topic: String,
    pub(super) group: String,
    pub(super) schema: String,
    pub(super) qdrant: StandIn,
    pub(super) kafka: String,
    postgres: String,
    runtime: Runtime,
}

impl World {
    /// A schema of its own, and no topic yet; `None` without servers.
    pub(super) fn new() -> Option<Self> {
        let (kafka, postgres) = (real("SOMA_TEST_KAFKA")?, real("SOMA_TEST_POSTGRES_URL")?);
        let world = Self {
            folder: tempfile::tempdir().expect("a folder"),
            topic: unique("wire.events"),
            dlq_topic: unique("wire.dlq"),
            group: unique("wire-group"),
            schema: unique("wire").replace('-', "_"),
            qdrant: StandIn::start().expect("a stand-in"),
            kafka,
            postgres,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .worker_threads(1)
                .build()
                .expect("threads"),
        };
        world.sql(&format!("CREATE SCHEMA {}", world.schema));
        Some(world)
    }

    /// What names all servers, without protection.
    pub(super) fn settings(&self) -> Settings {
        let sign = if self.postgres.contains('?') { '&' } else { '?' };
        let mut settings = self.broker(&self.kafka);
        settings.extend([
            ("POSTGRES_URL", format!("{}{sign}options=-csearch_path%3D{}", self.postgres, self.schema)),
            ("QDRANT_URL", self.qdrant.url()),
            ("MEMORY_VECTOR_DIM", "64".to_owned()),
        ]);
        settings
    }

    /// What names a broker and the names on it, and nothing else.
    pub(super) fn broker(&self, bootstrap: &str) -> Settings {
        vec![
            ("KAFKA_BOOTSTRAP_SERVERS", bootstrap.to_owned()),
            ("KAFKA_MEMORY_EVENTS_TOPIC", self.topic.clone()),
            ("KAFKA_MEMORY_DLQ_TOPIC", self.dlq_topic.clone()),
            ("KAFKA_CONSUMER_GROUP", self.group.clone()),
        ]
    }

    /// The data directory, which a process on servers hardly needs.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, args: &[&str], settings: &Settings) -> Ended {
        let mut command = soma(&self.data(), args);
        let output = command.envs(pairs(settings)).output().expect("the binary runs");
        Ended { code: output.status.code(), told: text(&output.stdout), error: text(&output.stderr) }
    }

    /// Starts a role, and waits until it is ready.
    pub(super) fn start(&self, role: &str, settings: &Settings) -> Server {
        let mut command = soma(&self.data(), &[role]);
        command.envs(pairs(settings)).env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0");
        Server::spawned(command)
    }

    /// Speaks to the database as its administrator.
    pub(super) fn sql(&self, statement: &str) {
        self.database(async |client| client.batch_execute(statement).await.expect("the statement is good"));
    }

    /// One number out of the database.
    pub(super) fn number(&self, query: &str) -> i64 {
        self.database(async |client| client.query_one(query, &[]).await.expect("the query is good").get(0))
    }

    fn database<T>(&self, ask: impl AsyncFnOnce(Client) -> T) -> T {
        self.runtime.block_on(async {
            let connected = tokio_postgres::connect(&self.postgres, NoTls).await;
            let (client, connection) = connected.expect("the server of the test plan is there");
            self.runtime.spawn(connection);
            ask(client).await
        })
    }

    /// Makes both topics as an operator would, with these settings.
    pub(super) fn make_topics(&self, partitions: i32, settings: &[(&str, &str)]) {
        let topics = [&self.topic, &self.dlq_topic].map(|name| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
        });
        let made = self.runtime.block_on(self.admin().create_topics(&topics, &AdminOptions::new()));
        assert!(made.expect("topics can be made").iter().all(Result::is_ok));
        self.until_topics_are(true);
    }

    /// Deletes both topics, and waits until their names are free.
    pub(super) fn delete_topics(&self) {
        let names = [self.topic.as_str(), self.dlq_topic.as_str()];
        let deleted = self.runtime.block_on(self.admin().delete_topics(&names, &AdminOptions::new()));
        assert!(deleted.expect("topics can be deleted").iter().all(Result::is_ok));
        self.until_topics_are(false);
    }

    fn until_topics_are(&self, there: bool) {
        let admin = self.admin();
        for name in [&self.topic, &self.dlq_topic] {
            let found = || {
                let asked = admin.inner().fetch_metadata(Some(name), crate::harness::PATIENCE);
                let asked = asked.expect("the broker is there");
                asked.topics().iter().any(|topic| topic.error().is_none() && !topic.partitions().is_empty())
            };
            while found() != there {}
        }
    }

    /// Puts a record into one partition, whatever its key says.
    pub(super) fn put(&self, partition: i32, key: &str, value: &str) {
        let producer: FutureProducer = self.client().create().expect("a client");
        let record = FutureRecord::to(&self.topic).partition(partition).key(key).payload(value);
        let sent = self.runtime.block_on(producer.send(record, Duration::from_secs(20)));
        sent.map_err(|(error, _)| error).expect("the broker takes it");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a client")
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka).set("allow.auto.create.topics", "false");
        config
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.sql(&format!("DROP SCHEMA {} CASCADE", self.schema));
        }
    }
}

fn pairs(settings: &Settings) -> impl Iterator<Item = (&'static str, &str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str()))
}

/// The settings with one of them changed, or added.
pub(super) fn with(mut settings: Settings, name: &'static str, value: impl Into<String>) -> Settings {
    settings.retain(|(known, _)| *known != name);
    settings.push((name, value.into()));
    settings
}

/// A command that came to its end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) told: String,
    pub(super) error: String,
}

impl Ended {
    /// What it told programs.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.told).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}
