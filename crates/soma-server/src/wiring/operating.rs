//! What operators ask of the servers: how they are, whether topics are as they should be, and a new
//! generation of the log.

use std::sync::Arc;

use soma_cluster::kafka::facts::{Facts, TopicFacts};
use soma_cluster::kafka::topics::{self, Plan, Step};
use soma_cluster::{kafka, postgres, qdrant};
use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::cluster::{kafka_settings, postgres_settings, qdrant_settings, registry_of};
use crate::config::Config;

/// Clocks that differ by more than this order events of several writers wrongly.
const SKEW_MS_MAX: i64 = 5_000;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work, or will not for long.
    Failed,
}

/// What was seen of a server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was measured.
    pub measured: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Seen {
    fn ok(check: &'static str, measured: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, measured: measured.into(), remedy: None }
    }

    fn odd(check: &'static str, measured: impl Into<String>, remedy: &str) -> Self {
        Self { check, verdict: Verdict::Warning, measured: measured.into(), remedy: Some(remedy.to_owned()) }
    }

    fn failed(check: &'static str, measured: impl Into<String>, remedy: &str) -> Self {
        Self { check, verdict: Verdict::Failed, measured: measured.into(), remedy: Some(remedy.to_owned()) }
    }

    fn of_error(check: &'static str, error: &Error) -> Self {
        let (measured, remedy) = (error.message.clone(), error.remedy.clone());
        Self { check, verdict: Verdict::Failed, measured, remedy }
    }
}

/// Looks at every server that is configured; changes nothing.
pub(crate) async fn examine(config: &Config, identity: &Identity, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    let (kafka, postgres, qdrant, registry) = tokio::join!(
        broker(config, clock),
        record_server(config, clock),
        point_server(config, identity),
        schema_registry(config)
    );
    [kafka, postgres, qdrant, registry].concat()
}

async fn broker(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    const CHECK: &str = "kafka";
    let Some(kafka) = &config.kafka else { return Vec::new() };
    let settings = kafka_settings(kafka);
    let facts = match kafka::facts::facts(&settings, clock).await {
        Ok(facts) => facts,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let protocol = settings.security.protocol.as_str();
    let mut seen =
        vec![Seen::ok(CHECK, format!("cluster {}, {} brokers, {protocol}", facts.cluster, facts.brokers.len()))];
    for ((name, found), wanted) in facts.topics.iter().zip(topics::wanted(&settings)) {
        seen.extend(topic(name, found.as_ref(), || topics::how_to_create(&settings, &[wanted])));
    }
    if let Ok(plan) = topics::plan(&settings, clock).await {
        seen.extend(plan.notes.iter().map(|note| Seen::odd("topic", note, "see docs/operations/kafka.md")));
        let differs = plan.steps.iter().any(|step| matches!(step, Step::Alter { .. }));
        if differs {
            let remedy = "look at `soma topics`, and apply it with --apply";
            seen.push(Seen::odd("topic", "settings differ from those that are meant", remedy));
        }
    }
    seen.push(group(&facts));
    seen
}

fn topic(name: &str, found: Option<&TopicFacts>, how_to_create: impl FnOnce() -> String) -> Vec<Seen> {
    const CHECK: &str = "topic";
    let Some(topic) = found else {
        return vec![Seen::failed(CHECK, format!("{name} is not there"), &how_to_create())];
    };
    let leaderless = topic.partitions.iter().filter(|partition| !partition.led).count();
    let lagging = topic.partitions.iter().filter(|partition| partition.in_sync < partition.replicas).count();
    let replicas = topic.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0);
    let setting =
        |key: &str| topic.settings.as_ref().ok().and_then(|all| all.get(key)).map_or("unknown", String::as_str);
    let what = format!(
        "{name}: {} partitions, {replicas} replicas, min.insync.replicas {}, retention.ms {}",
        topic.partitions.len(),
        setting("min.insync.replicas"),
        setting("retention.ms"),
    );
    if leaderless > 0 {
        let remedy = "start the brokers that hold them";
        return vec![Seen::failed(CHECK, format!("{what}; {leaderless} partitions have no leader"), remedy)];
    }
    if lagging > 0 {
        return vec![Seen::odd(CHECK, format!("{what}; {lagging} partitions lack replicas"), "look at the brokers")];
    }
    vec![Seen::ok(CHECK, what)]
}

fn group(facts: &Facts) -> Seen {
    const CHECK: &str = "consumer group";
    match &facts.group {
        Ok(group) if group.members.is_empty() => {
            let what = format!("no member, {} records behind", group.lag());
            Seen::odd(CHECK, what, "start `soma consumer`")
        }
        Ok(group) => Seen::ok(CHECK, format!("{} members, {} records behind", group.members.len(), group.lag())),
        Err(why) => Seen::odd(CHECK, why, "allow this user to describe the group"),
    }
}

async fn record_server(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    const CHECK: &str = "postgres";
    let Some(settings) = &config.postgres else { return Vec::new() };
    let facts = async {
        let records = postgres::Records::connect(&postgres_settings(settings)?, Arc::clone(clock)).await?;
        records.facts().await
    };
    let facts = match facts.await {
        Ok(facts) => facts,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let tls = facts.tls.as_deref().unwrap_or("no TLS");
    let (found, ours) = facts.tables;
    let what = format!("PostgreSQL {}, schema {}, tables {found} of {ours}, {tls}", facts.server_version, facts.schema);
    let mut seen = vec![Seen::ok(CHECK, what)];
    if facts.in_recovery {
        seen.push(Seen::failed(CHECK, "it is a standby, which takes no writes", "name the primary in POSTGRES_URL"));
    }
    if !facts.fsync || facts.synchronous_commit == "off" {
        let what = format!("fsync {}, synchronous_commit {}", facts.fsync, facts.synchronous_commit);
        let remedy = "switch both on: what a crash of the server takes is projected again, but nothing says so";
        seen.push(Seen::odd(CHECK, what, remedy));
    }
    if !facts.may_create {
        seen.push(Seen::odd(CHECK, "this user may not make tables", "grant CREATE on the schema before an upgrade"));
    }
    let (most, open) = facts.connections;
    if open * 10 >= i64::from(most) * 9 {
        let what = format!("{open} of {most} connections are open");
        seen.push(Seen::odd(CHECK, what, "raise max_connections, or lower POSTGRES_POOL_SIZE"));
    }
    let skew = facts.clock_skew_ms;
    seen.push(match skew.abs() > SKEW_MS_MAX {
        true => Seen::odd("clock skew", format!("{skew} ms against PostgreSQL"), "let both follow a time server"),
        false => Seen::ok("clock skew", format!("{skew} ms against PostgreSQL")),
    });
    seen
}

async fn point_server(config: &Config, identity: &Identity) -> Vec<Seen> {
    const CHECK: &str = "qdrant";
    let Some(settings) = &config.qdrant else { return Vec::new() };
    let facts = match qdrant::facts(&qdrant_settings(settings)).await {
        Ok(facts) => facts,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    if !facts.supported {
        let what = format!("Qdrant {} at {}", facts.version, facts.url);
        return vec![Seen::failed(
            CHECK,
            what,
            "upgrade it to 1.17 or later: an older one ignores conditions of writes",
        )];
    }
    let mut seen = vec![Seen::ok(CHECK, format!("Qdrant {} at {}", facts.version, facts.url))];
    let Some(collection) = facts.collection else {
        let what = format!("{} is not there", settings.collection);
        seen.push(Seen::odd("collection", what, "start soma, or run `soma migrate`: it is made and filled"));
        return seen;
    };
    let what = format!("{}: {}, {} points", collection.name, collection.status, collection.points);
    seen.push(match (&collection.embedder, &collection.failure) {
        (_, Some(failure)) => Seen::failed("collection", format!("{what}; {failure}"), "look at the server's log"),
        (Some(found), None) if found != identity => {
            let what = format!("{what}; filled by {found}, configured is {identity}");
            Seen::failed("collection", what, "set SOMA_EMBEDDER as it was, or name another QDRANT_COLLECTION")
        }
        (None, None) => {
            Seen::failed("collection", format!("{what}; it is not one of ours"), "name another QDRANT_COLLECTION")
        }
        (Some(found), None) => Seen::ok("collection", format!("{what}, {found}")),
    });
    seen
}

async fn schema_registry(config: &Config) -> Vec<Seen> {
    const CHECK: &str = "schema registry";
    let Some(settings) = &config.registry else { return Vec::new() };
    let asked = async { registry_of(settings)?.ping().await };
    match asked.await {
        Ok(()) => vec![Seen::ok(CHECK, format!("answers at {}", settings.url))],
        Err(error) => vec![Seen::of_error(CHECK, &error)],
    }
}

/// What topics are like and what there is to do, as lines for people.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// One a topic, or one a setting that differs.
    pub lines: Vec<String>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
    /// What was done.
    pub done: Vec<String>,
    /// Whether nothing is left to do.
    pub is_done: bool,
}

/// Compares the topics with what they should be, and makes them so if that is wanted.
///
/// # Errors
/// `bad_config` when no broker is named; `unavailable`.
pub(crate) async fn topics(config: &Config, apply: Apply, clock: &Arc<dyn Clock>) -> Result<Planned> {
    let settings = kafka_settings(broker_of(config)?);
    let plan = topics::plan(&settings, clock).await?;
    let lines = plan.steps.iter().flat_map(lines).collect();
    let done = match apply {
        Apply::Nothing => Vec::new(),
        Apply::Everything => topics::apply(&settings, clock, &plan).await?,
    };
    let Plan { notes, .. } = &plan;
    let is_done = plan.is_done() || apply == Apply::Everything;
    Ok(Planned { lines, notes: notes.clone(), done, is_done })
}

/// What is made so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apply {
    /// Nothing: it is only shown.
    Nothing,
    /// Whatever differs, except the number of partitions.
    Everything,
}

fn lines(step: &Step) -> Vec<String> {
    match step {
        Step::Create(wanted) => {
            let settings: Vec<String> = wanted.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
            vec![format!("create {} with {} partitions, {}", wanted.name, wanted.partitions, settings.join(", "))]
        }
        Step::Alter { name, differences } => differences
            .iter()
            .map(|found| format!("alter {name}: {} is {}, should be {}", found.key, found.is, found.wanted))
            .collect(),
        Step::Keep { name } => vec![format!("keep {name}: it is as it should be")],
        Step::Unread { name, why } => vec![format!("keep {name}: its settings could not be read ({why})")],
    }
}

/// Begins a new generation of the log: for a topic that was made anew or lost records. Answers with the
/// name of the log and its generation.
///
/// # Errors
/// `bad_config` when no broker or no PostgreSQL is named; `unavailable`.
pub(crate) async fn renew(config: &Config, clock: &Arc<dyn Clock>) -> Result<(String, u64)> {
    let settings = kafka_settings(broker_of(config)?);
    let Some(postgres) = &config.postgres else {
        return Err(Error::new(Code::BadConfig, "the generations of a log are kept in PostgreSQL, and none is named")
            .remedy("set POSTGRES_URL; with records in the data directory, begin with an empty directory instead"));
    };
    let records = postgres::Records::connect(&postgres_settings(postgres)?, Arc::clone(clock)).await?;
    let base = kafka::base_name(&settings, clock).await?;
    let generation = records.renew(&base).await?;
    Ok((base, generation))
}

fn broker_of(config: &Config) -> Result<&crate::config::kafka::Kafka> {
    config.kafka.as_ref().ok_or_else(|| {
        Error::new(Code::BadConfig, "there are topics on a broker only, and none is named")
            .remedy("set KAFKA_BOOTSTRAP_SERVERS")
    })
}
