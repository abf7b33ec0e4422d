//! What operators ask of the servers: whether topics are as they should be, and a new generation of the log.

use std::sync::Arc;

use soma_cluster::kafka::topics::{self, Plan, Step};
use soma_cluster::{kafka, postgres};
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::cluster::{kafka_settings, postgres_settings};
use crate::config::Config;

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
