//! The ports on servers: Kafka, PostgreSQL, Qdrant.

use std::sync::Arc;
use std::time::Duration;

use soma_cluster::kafka::rights::Work;
use soma_cluster::kafka::{self, group};
use soma_cluster::registry::{self, FramedLog, Missing, Registry};
use soma_cluster::{postgres, qdrant};
use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::event::schemas::{Any, Schemas};
use soma_core::ids::{Offset, Partition};
use soma_core::index::VectorIndex;
use soma_core::limits;
use soma_core::log::{DeadLetters, EventLog};
use soma_core::projector::observe::{Component, Observer, Report};
use soma_core::projector::{Projector, Worker};
use soma_core::pulse::Pulses;
use soma_core::store::MemoryStore;
use soma_core::{Error, Result};
use soma_embedded::vectors;
use tokio_util::sync::CancellationToken;

use super::Role;
use super::projecting::{Change, Changes};
use crate::config::registry::ValueFormat;
use crate::config::{self, Config, Secret};
use crate::metrics::Retention;

/// How long partitions that are given up may take to finish what they have in hand.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// A log and where refused records of it go.
pub(super) struct Logs {
    pub log: Arc<dyn EventLog>,
    pub letters: Arc<dyn DeadLetters>,
}

/// Who counts the generations of a log.
pub(super) enum Generations {
    /// Nobody: it is the first.
    First,
    /// The record store.
    Kept(Arc<postgres::Records>),
}

/// Refuses settings of the client that would break a promise.
///
/// # Errors
/// `bad_config`, which names every one with the reason.
pub(super) fn check(config: &Config) -> Result<()> {
    let Some(kafka) = &config.kafka else { return Ok(()) };
    let refused: Vec<String> = kafka
        .extra
        .iter()
        .filter_map(|(key, _)| Some((key, kafka::refused_key(key)?)))
        .map(|(key, why)| format!("\n  - KAFKA_CONFIG_{}: {why}", key.to_ascii_uppercase().replace('.', "_")))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::BadConfig, format!("settings of the Kafka client cannot be used:{}", refused.concat()))
        .remedy("unset them"))
}

/// The log on Kafka and its dead letters; makes missing topics.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub(super) async fn logs(
    config: &config::kafka::Kafka,
    role: Role,
    generations: &Generations,
    pulses: &Pulses,
    clock: Arc<dyn Clock>,
) -> Result<Logs> {
    let settings = kafka_settings(config);
    let work =
        Work { appends: matches!(role, Role::Up | Role::Api), projects: matches!(role, Role::Up | Role::Consumer) };
    let warnings = match kafka::topics::ensure(&settings, &clock).await {
        Ok(warnings) => warnings,
        Err(error) => {
            // What is missing altogether says more than what was tried first.
            if kafka::is_denied(&error) {
                kafka::rights::check(&settings, &clock, work).await?;
            }
            return Err(error);
        }
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    kafka::rights::check(&settings, &clock, work).await?;
    let generation = match generations {
        Generations::First => 1,
        Generations::Kept(records) => records.generation(&kafka::base_name(&settings, &clock).await?).await?,
    };
    let log = kafka::Log::connect_watched(&settings, generation, &clock, pulses.clone()).await?;
    let letters = kafka::Letters::beside(&log);
    Ok(Logs { log, letters })
}

/// For how long the topic of events keeps a record.
///
/// # Errors
/// `unavailable`, `bad_config`.
pub(super) async fn retention(config: &config::kafka::Kafka, clock: &Arc<dyn Clock>) -> Result<Retention> {
    let retention = kafka::topics::retention(&kafka_settings(config), clock).await?;
    Ok(retention.map_or(Retention::Forever, Retention::For))
}

/// Who knows which schemas there are, and the log that frames what is written, if that is wanted. The
/// schema of events is registered by processes that stay, not by commands, which only ask for its id.
///
/// # Errors
/// `bad_config` for a schema that is incompatible with its subject; `unavailable`.
pub(super) async fn schemas(
    config: &Config,
    role: Role,
    log: Arc<dyn EventLog>,
) -> Result<(Arc<dyn EventLog>, Arc<dyn Schemas>)> {
    let (Some(kafka), Some(settings)) = (&config.kafka, &config.registry) else { return Ok((log, Arc::new(Any))) };
    let is_framed = settings.format == ValueFormat::Confluent;
    if role == Role::Command && !is_framed {
        return Ok((log, Arc::new(Any)));
    }
    let asked = Arc::new(registry_of(settings)?);
    let subject = format!("{}-value", kafka.topic);
    let registers = settings.auto_register && role != Role::Command;
    let missing = if registers { Missing::Register } else { Missing::Leave };
    match asked.prepare(&subject, registry::EVENT_SCHEMA, missing).await? {
        Some(id) if is_framed => Ok((Arc::new(FramedLog::new(log, id)), asked)),
        None if is_framed => {
            let what = format!("values cannot be framed: the subject {subject} has no schema of memory events");
            Err(Error::new(Code::BadConfig, what)
                .at("KAFKA_VALUE_FORMAT")
                .remedy("register it, or set SCHEMA_REGISTRY_AUTO_REGISTER=true and start soma up or soma api"))
        }
        Some(_) | None => Ok((log, asked)),
    }
}

/// The registry that is configured, not asked anything yet.
///
/// # Errors
/// `bad_config`.
pub(super) fn registry_of(config: &config::registry::Registry) -> Result<Registry> {
    Registry::new(&registry_settings(config))
}

/// The registry as the adapter takes it.
pub(super) fn registry_settings(config: &config::registry::Registry) -> registry::Settings {
    let password = config.password.as_ref().map(|password| password.0.clone()).unwrap_or_default();
    registry::Settings {
        url: config.url.clone(),
        login: config.username.clone().map(|username| (username, password)),
        ca: config.ca.clone(),
    }
}

/// The record store on PostgreSQL.
///
/// # Errors
/// `bad_config`, `format_too_new`, `unavailable`.
pub(super) async fn records(
    config: &config::postgres::Postgres,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn MemoryStore>, Generations)> {
    let records = Arc::new(postgres::Records::connect(&postgres_settings(config)?, clock).await?);
    Ok((records.clone(), Generations::Kept(records)))
}

/// The vector index on Qdrant, and whether it is new.
///
/// # Errors
/// `bad_config`, `format_too_new`, `unavailable`.
pub(super) async fn points(
    config: &config::qdrant::Qdrant,
    identity: Identity,
) -> Result<(Arc<dyn VectorIndex>, vectors::Opened)> {
    let (index, opened) = qdrant::Vectors::connect(&qdrant_settings(config), identity).await?;
    let opened = match opened {
        qdrant::Opened::Fresh => vectors::Opened::Fresh,
        qdrant::Opened::Existing => vectors::Opened::Existing,
    };
    Ok((Arc::new(index), opened))
}

/// How this process gets its partitions.
#[derive(Clone)]
pub(crate) struct Membership {
    settings: kafka::Settings,
    share: group::Share,
    commits: group::Commits,
    pulses: Pulses,
}

/// The membership that the configuration asks for; `alone` takes every partition.
pub(super) fn membership(config: &config::kafka::Kafka, alone: bool, pulses: Pulses) -> Membership {
    let share = if alone { group::Share::All } else { group::Share::Some };
    Membership { settings: kafka_settings(config), share, commits: group::Commits::new(), pulses }
}

impl Membership {
    /// Projects the partitions of this process until `stop`.
    ///
    /// # Errors
    /// What halted a partition.
    pub(super) async fn run(self, mut projector: Projector, changes: Changes, stop: CancellationToken) -> Result<()> {
        let clock = Arc::clone(&projector.clock);
        projector.observer = Arc::new(Committing { inner: projector.observer, commits: self.commits.clone() });
        let worker = move |partition| Worker::new(projector.clone(), partition);
        let on_change = Arc::new(move |change| match change {
            group::Change::Rebalanced { running } => changes(Change::Shares(&running)),
            group::Change::Trouble(error) => {
                tracing::warn!(
                    error.code = error.code.as_str(),
                    "the group's member is in trouble and goes on trying: {error}"
                );
                if kafka::is_denied(&error) {
                    changes(Change::Denied(&error));
                }
            }
        });
        let Self { settings, share, commits, pulses } = self;
        let options = group::Options { share, drain: DRAIN_DEADLINE, commits, clock, pulses, on_change };
        match share {
            group::Share::Some => group::run(&settings, worker, options, stop).await,
            group::Share::All => group::run_all(&settings, worker, options, stop).await,
        }
    }
}

/// Tells the group how far both stores are, for the tools that show a group's lag.
struct Committing {
    inner: Arc<dyn Observer>,
    commits: group::Commits,
}

impl Observer for Committing {
    fn consumed(&self, partition: Partition, records: usize) {
        self.inner.consumed(partition, records);
    }

    fn projected(&self, partition: Partition, next: Offset, report: &Report) {
        self.commits.commit_later(partition, next);
        self.inner.projected(partition, next, report);
    }

    fn failed(&self, component: Component, error: &Error) {
        self.inner.failed(component, error);
    }

    fn paused(&self, component: Component, paused: bool) {
        self.inner.paused(component, paused);
    }

    fn halted(&self, partition: Partition, error: &Error) {
        self.inner.halted(partition, error);
    }
}

/// The broker as the adapter takes it.
pub(super) fn kafka_settings(config: &config::kafka::Kafka) -> kafka::Settings {
    let secret = |secret: &Secret| kafka::Secret::new(secret.0.clone());
    let security = &config.security;
    let oauth = security.oauth.as_ref().map(|oauth| kafka::Oauth {
        token_endpoint_url: oauth.token_url.clone(),
        client_id: oauth.client_id.clone(),
        client_secret: secret(&oauth.client_secret),
        scope: oauth.scope.clone(),
    });
    kafka::Settings {
        bootstrap: config.bootstrap.clone(),
        topic: config.topic.clone(),
        dlq_topic: config.dlq_topic.clone(),
        group: config.group.clone(),
        create_topics: config.create_topics,
        security: kafka::Security {
            protocol: match security.protocol {
                config::kafka::Protocol::Plaintext => kafka::Protocol::Plaintext,
                config::kafka::Protocol::Ssl => kafka::Protocol::Ssl,
                config::kafka::Protocol::SaslPlaintext => kafka::Protocol::SaslPlaintext,
                config::kafka::Protocol::SaslSsl => kafka::Protocol::SaslSsl,
            },
            ca_location: security.ca.clone(),
            certificate_location: security.certificate.clone(),
            key_location: security.key.clone(),
            key_password: security.key_password.as_ref().map(secret),
            mechanism: match security.mechanism {
                config::kafka::Mechanism::Plain => kafka::Mechanism::Plain,
                config::kafka::Mechanism::ScramSha256 => kafka::Mechanism::ScramSha256,
                config::kafka::Mechanism::ScramSha512 => kafka::Mechanism::ScramSha512,
                config::kafka::Mechanism::OauthBearer => kafka::Mechanism::OauthBearer,
            },
            username: security.username.clone(),
            password: security.password.as_ref().map(secret),
            oauth,
        },
        extra: config.extra.clone(),
        append_timeout: limits::APPEND_TIMEOUT,
    }
}

/// The record store as the adapter takes it; a mode that is set beats the one of the address.
///
/// # Errors
/// `bad_config` for a mode that the address names and that is none.
pub(super) fn postgres_settings(config: &config::postgres::Postgres) -> Result<postgres::Settings> {
    let ssl_mode = match &config.ssl_mode {
        Some(mode) => mode.parse()?,
        None => postgres::SslMode::of_url(&config.url.0)?.unwrap_or_default(),
    };
    Ok(postgres::Settings {
        url: config.url.0.clone(),
        ssl_mode,
        ssl_root_cert: config.ssl_root_cert.clone(),
        ssl_cert: config.ssl_cert.clone(),
        ssl_key: config.ssl_key.clone(),
        pool_size: config.pool_size,
    })
}

/// The vector index as the adapter takes it.
pub(super) fn qdrant_settings(config: &config::qdrant::Qdrant) -> qdrant::Settings {
    qdrant::Settings {
        url: config.url.clone(),
        api_key: config.api_key.as_ref().map(|key| key.0.clone()),
        collection: config.collection.clone(),
        ca_location: config.ca.clone(),
        timeout: qdrant::TIMEOUT_DEFAULT,
    }
}

/// Where the records lie, without user and password.
pub(super) fn shown(config: &config::postgres::Postgres) -> String {
    let url = &config.url.0;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    place.split('?').next().unwrap_or_default().to_owned()
}
