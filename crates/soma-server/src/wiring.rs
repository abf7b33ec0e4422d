//! Which adapters stand behind the ports: the only module that names them.
//!
//! What is configured is used, and nothing else: a broker for the log, PostgreSQL for the records,
//! Qdrant for the points; whatever is not named lies in the data directory. [`check`] refuses the
//! combinations that make no sense.

pub(crate) mod bare;
mod cluster;
pub(crate) mod embedding;
pub(crate) mod examining;
mod local;
mod no_points;
pub(crate) mod offline;
pub(crate) mod operating;
mod projecting;
pub(crate) mod servers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::language::speaking;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::event::schemas::{Any, Schemas};
use soma_core::index::VectorIndex;
use soma_core::projector::observe::Observer;
use soma_core::projector::{Options, Projector};
use soma_core::pulse::Pulses;
use soma_core::store::{MemoryStore, ProjectorName};
use soma_core::{Error, Result};
use soma_embedded::directory::{self, Published};
use soma_embedded::vectors;

use crate::config::Config;
use crate::metrics::Retention;
use local::Local;
use no_points::NoPoints;
pub(crate) use projecting::{Begun, Change, Changes, Projecting};

/// The projector of a process that keeps records only.
const RECORDS: &str = "records";

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Answers requests and moves events into the stores.
    Up,
    /// Answers requests.
    Api,
    /// Moves events into the stores.
    Consumer,
    /// Moves events into the record store alone, as a projector of its own.
    Records,
    /// Does one thing and ends.
    Command,
}

/// The opened stores and what works on them.
pub(crate) struct Opened {
    /// Remember, recall, forget.
    pub engine: Engine,
    /// How events get into the stores from here.
    pub projecting: Projecting,
    local: Option<Local>,
}

/// Where events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the journal of the data directory.
    Journal,
    /// In a topic.
    Kafka,
}

/// Whether a role is there for the topic, whoever publishes.
const fn reads_topic(role: Role) -> bool {
    match role {
        Role::Consumer | Role::Records => true,
        Role::Up | Role::Api | Role::Command => false,
    }
}

/// Where this process keeps events: `soma consumer` reads the topic whether or not events are published.
pub(crate) fn transport(config: &Config, role: Role) -> Transport {
    if config.kafka.is_some() && (config.events.eventing || reads_topic(role)) {
        Transport::Kafka
    } else {
        Transport::Journal
    }
}

/// Under which name metrics show the log.
pub(crate) fn topic(config: &Config, role: Role) -> String {
    match (transport(config, role), &config.kafka) {
        (Transport::Kafka, Some(kafka)) => kafka.topic.clone(),
        _ => local::JOURNAL_TOPIC.to_owned(),
    }
}

/// For how long the log of this process keeps a record; a journal does so for ever.
///
/// # Errors
/// `unavailable` or `bad_config` when the broker does not tell it.
pub(crate) async fn retention(config: &Config, role: Role, clock: &Arc<dyn Clock>) -> Result<Retention> {
    match (transport(config, role), &config.kafka) {
        (Transport::Kafka, Some(kafka)) => cluster::retention(kafka, clock).await,
        _ => Ok(Retention::Forever),
    }
}

/// Whether this process moves events into the stores.
pub(crate) fn projects(config: &Config, role: Role) -> bool {
    match role {
        Role::Up | Role::Consumer | Role::Records => true,
        Role::Api | Role::Command => transport(config, role) == Transport::Journal,
    }
}

/// Whether everything lies on other servers.
pub(crate) fn is_remote(config: &Config) -> bool {
    config.events.eventing && config.kafka.is_some() && config.postgres.is_some() && config.qdrant.is_some()
}

/// Whether anything lies on another server, which may be away for a while.
pub(crate) fn has_servers(config: &Config) -> bool {
    let stores = config.kafka.is_some() || config.postgres.is_some() || config.qdrant.is_some();
    stores || embedding::is_remote(&config.embedder)
}

/// Under which names readiness shows what a process depends on, and how often that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dependencies {
    /// The log.
    pub log: &'static str,
    /// The record store.
    pub records: &'static str,
    /// The vector index.
    pub index: &'static str,
    /// How often they are looked at.
    pub interval: Duration,
}

/// What this process depends on.
pub(crate) fn dependencies(config: &Config, role: Role) -> Dependencies {
    Dependencies {
        log: if transport(config, role) == Transport::Kafka { "kafka" } else { "journal" },
        records: if config.postgres.is_some() { "postgres" } else { "records" },
        index: if config.qdrant.is_some() { "qdrant" } else { "vector_index" },
        interval: Duration::from_secs(if has_servers(config) { 2 } else { 1 }),
    }
}

/// Refuses what contradicts itself.
///
/// # Errors
/// `bad_config`, which names the variable to set or to unset.
pub(crate) fn check(config: &Config, role: Role) -> Result<()> {
    let refused = |what: &str, remedy: &str| Err(Error::new(Code::BadConfig, what).remedy(remedy));
    let apart = match role {
        Role::Api => "soma api",
        Role::Consumer | Role::Records => "soma consumer",
        Role::Up | Role::Command => return cluster::check(config),
    };
    if reads_topic(role) && config.kafka.is_none() {
        return refused(
            "soma consumer reads events from Kafka, and no broker is named",
            "set KAFKA_BOOTSTRAP_SERVERS, or run `soma up`, which needs none",
        );
    }
    if config.postgres.is_none() || (config.qdrant.is_none() && role != Role::Records) {
        let lacking = if config.postgres.is_none() { "POSTGRES_URL" } else { "QDRANT_URL" };
        return refused(
            &format!(
                "{apart} shares its stores with other processes, and {lacking} is not set: two processes cannot share a data directory"
            ),
            &format!("set {lacking}, or run `soma up`, which does both parts in one process"),
        );
    }
    cluster::check(config)
}

/// Opens everything that the configuration names. Its loops are among `pulses`.
///
/// # Errors
/// `in_use`, `corrupt`, `format_too_new`, `bad_config`, `storage_full`, `unavailable`.
pub(crate) async fn open(
    config: &Config,
    role: Role,
    observer: Arc<dyn Observer>,
    pulses: Pulses,
    clock: Arc<dyn Clock>,
) -> Result<Opened> {
    check(config, role)?;
    let embedder = speaking(embedding::open(&config.embedder).await?, config.language);
    let transport = transport(config, role);
    let has_points = role != Role::Records;
    let lacks_server = config.postgres.is_none() || (config.qdrant.is_none() && has_points);
    let is_local = transport == Transport::Journal || lacks_server;
    let local = match is_local {
        true => Some(Local::open(config, transport, embedder.identity().clone(), Arc::clone(&clock)).await?),
        false => None,
    };
    let name = if has_points { ProjectorName::memory() } else { ProjectorName::new(RECORDS) };
    let (store, generations) = records(config, local.as_ref(), &clock).await?;
    if projects(config, role) {
        refuse_another_projectors(store.as_ref(), &name).await?;
    }
    let (index, filled) = match has_points {
        true => points(config, local.as_ref(), &embedder).await?,
        false => (Arc::new(NoPoints(embedder.identity().clone())) as Arc<dyn VectorIndex>, vectors::Opened::Existing),
    };
    if filled == vectors::Opened::Fresh && projects(config, role) {
        // The points are made anew from the records when a projector takes its partitions.
        store.forget_indexed(&name).await?;
    }
    let logs = match (transport, &config.kafka) {
        (Transport::Kafka, Some(kafka)) => {
            cluster::logs(kafka, role, &generations, &pulses, Arc::clone(&clock)).await?
        }
        _ => local.as_ref().and_then(Local::logs).ok_or_else(|| Error::new(Code::Internal, "there is no log"))?,
    };
    if let (Some(local), Transport::Journal) = (&local, transport) {
        local.refuse_foreign_records().await?;
    }
    let cluster::Logs { log, letters } = logs;
    let (log, schemas) = match transport {
        Transport::Kafka => cluster::schemas(config, role, log).await?,
        Transport::Journal => (log, Arc::new(Any) as Arc<dyn Schemas>),
    };
    let value_bytes_max = config.events.value_bytes_max;
    let engine = Engine {
        log: Arc::clone(&log),
        letters: Arc::clone(&letters),
        store: Arc::clone(&store),
        index: Arc::clone(&index),
        embedder: Arc::clone(&embedder),
        clock: Arc::clone(&clock),
        reranker: None,
        projector: name.clone(),
        value_bytes_max,
    };
    let options = Options { value_bytes_max, ..Options::default() };
    let index = has_points.then_some(index);
    let projector = Projector { name, log, letters, store, index, embedder, schemas, clock, observer, options };
    let projecting = Projecting::of(config, role, transport, projector, pulses);
    Ok(Opened { engine, projecting, local })
}

/// Refuses records that another projector keeps: what it has passed would never get points here, and what is
/// passed here would never get any there.
async fn refuse_another_projectors(store: &dyn MemoryStore, name: &ProjectorName) -> Result<()> {
    let positions = store.positions().await?;
    let Some(other) = positions.iter().find(|position| position.projector != *name) else { return Ok(()) };
    let what = format!("these records are kept by the projector {}, and this one is {name}", other.projector);
    Err(Error::new(Code::BadConfig, what)
        .at("POSTGRES_URL")
        .remedy("give each its own schema: the URL takes ?options=-csearch_path%3DNAME"))
}

type Stores = (Arc<dyn MemoryStore>, cluster::Generations);

/// The record store that is configured, and who knows the generation of a log.
async fn records(config: &Config, local: Option<&Local>, clock: &Arc<dyn Clock>) -> Result<Stores> {
    match (&config.postgres, local.and_then(|local| local.records.clone())) {
        (Some(postgres), _) => cluster::records(postgres, Arc::clone(clock)).await,
        (None, Some(records)) => Ok((records, cluster::Generations::First)),
        (None, None) => Err(Error::new(Code::Internal, "there is no record store")),
    }
}

/// The vector index that is configured, and whether it is new.
async fn points(
    config: &Config,
    local: Option<&Local>,
    embedder: &Arc<dyn Embedder>,
) -> Result<(Arc<dyn VectorIndex>, vectors::Opened)> {
    match (&config.qdrant, local.and_then(|local| local.index.clone())) {
        (Some(qdrant), _) => cluster::points(qdrant, embedder.identity().clone()).await,
        (None, Some(index)) => Ok(index),
        (None, None) => Err(Error::new(Code::Internal, "there is no vector index")),
    }
}

impl Opened {
    /// Writes back what waits to be written back. Nothing is lost without it: the next start takes
    /// longer.
    pub(crate) async fn close(&self) {
        if let Some(local) = &self.local {
            local.close().await;
        }
    }

    /// Tells other processes of this machine where this one listens, until the result is dropped; a
    /// process without a data directory tells nobody.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`.
    pub(crate) fn publish_address(&self, url: &str) -> Result<Option<Published>> {
        self.local.as_ref().map(|local| local.directory.publish_address(url)).transpose()
    }

    /// Appends to the log what was kept in the journal while events were not published.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`, `storage_full`.
    pub(crate) async fn forward_journal(&self, config: &Config, role: Role) -> Result<u64> {
        match (transport(config, role), role) {
            (Transport::Kafka, Role::Up | Role::Api) => {
                local::forward(&config.embedded.data_dir, self.local.as_ref(), &self.engine).await
            }
            (Transport::Kafka | Transport::Journal, _) => Ok(0),
        }
    }

    /// What lies where, for people: no secrets.
    pub(crate) fn places(&self, config: &Config) -> Vec<(&'static str, String)> {
        let log = self.engine.log.id();
        let kafka = config.kafka.as_ref().filter(|_| log.as_str().contains('/'));
        let has_points = self.engine.projector == ProjectorName::memory();
        let servers = [
            kafka.map(|kafka| ("log", format!("{} on {}", kafka.topic, kafka.bootstrap))),
            config.postgres.as_ref().map(|postgres| ("records", cluster::shown(postgres))),
            config
                .qdrant
                .as_ref()
                .filter(|_| has_points)
                .map(|qdrant| ("points", format!("{} on {}", qdrant.collection, qdrant.url))),
            self.local.is_some().then(|| ("data", config.embedded.data_dir.display().to_string())),
        ];
        servers.into_iter().flatten().collect()
    }
}

/// Where the process that owns this data directory listens, if one does.
pub(crate) fn find_server(data_dir: &Path) -> Option<String> {
    directory::find_server(data_dir).map(|running| running.url)
}
