//! The topics: what they should be, what they are, and making one the other.
//!
//! A missing topic is made and settings are altered; a partition count is never changed, because it would
//! move keys to other partitions. Without the right to look or to change, the plan says what it could not read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};

use super::context::Context;
use super::facts::{self, TopicFacts};
use super::producer::Producer;
use super::settings::{Mechanism, Settings};
use super::{classify, client, diagnose};

/// How long one administrative request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a new topic may take to be known to the broker that is asked.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);
const KNOWN_EVERY: Duration = Duration::from_millis(100);
/// Partitions of a new topic.
const PARTITIONS: i32 = 3;
/// Thirty days.
const DLQ_RETENTION_MS: &str = "2592000000";

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// How many partitions a new one gets.
    pub partitions: i32,
    /// Its settings.
    pub settings: BTreeMap<&'static str, String>,
}

/// One setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The setting.
    pub key: &'static str,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub wanted: String,
}

/// What there is to do about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is missing.
    Create(Wanted),
    /// Its settings differ.
    Alter {
        /// The topic.
        name: String,
        /// In the order of their keys.
        differences: Vec<Difference>,
    },
    /// It is as it should be.
    Keep {
        /// The topic.
        name: String,
    },
    /// It is there, but its settings could not be read.
    Unread {
        /// The topic.
        name: String,
        /// Why.
        why: String,
    },
}

/// What there is to do, topic by topic, and what is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Events first, then dead letters.
    pub steps: Vec<Step>,
    /// Sentences for an operator: what changes nothing here and yet matters.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Keep { .. } | Step::Unread { .. }))
    }
}

/// The topics as they should be.
#[must_use]
pub fn wanted(settings: &Settings) -> [Wanted; 2] {
    let topic = |name: &str, retention: &str, bytes: usize| Wanted {
        name: name.to_owned(),
        partitions: PARTITIONS,
        settings: BTreeMap::from([
            ("cleanup.policy", "delete".to_owned()),
            ("max.message.bytes", bytes.to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("retention.ms", retention.to_owned()),
        ]),
    };
    [
        topic(&settings.topic, "-1", client::RECORD_BYTES_MAX),
        topic(&settings.dlq_topic, DLQ_RETENTION_MS, client::LETTER_BYTES_MAX),
    ]
}

/// Compares.
///
/// # Errors
/// `unavailable` or `bad_config` when the cluster cannot be reached.
pub async fn plan(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Plan> {
    let (mut steps, mut notes) = (Vec::new(), Vec::new());
    for wanted in wanted(settings) {
        let found = facts::topic(settings, clock, &wanted.name).await?;
        notes.extend(found.as_ref().map(|found| remarks(settings, found)).unwrap_or_default());
        steps.push(step(wanted, found));
    }
    Ok(Plan { steps, notes })
}

/// For how long the topic of events keeps a record; `None` for ever.
///
/// # Errors
/// `unavailable` or `bad_config` when the cluster or the topic's settings cannot be read.
pub async fn retention(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Option<Duration>> {
    let name = &settings.topic;
    let unread = |why: &str| Error::new(Code::Unavailable, format!("cannot read the retention of topic {name}: {why}"));
    let found = facts::topic(settings, clock, name).await?.ok_or_else(|| unread("there is no such topic"))?;
    let settings = found.settings.map_err(|why| unread(&why))?;
    let ms = settings.get("retention.ms").and_then(|ms| ms.parse::<i64>().ok());
    let ms = ms.ok_or_else(|| unread("the broker does not tell it"))?;
    // -1 is for ever.
    Ok(u64::try_from(ms).ok().map(Duration::from_millis))
}

/// What is to do about a topic.
fn step(wanted: Wanted, found: Option<TopicFacts>) -> Step {
    let Some(found) = found else { return Step::Create(wanted) };
    let is = match found.settings {
        Ok(settings) => settings,
        Err(why) => return Step::Unread { name: wanted.name, why },
    };
    let differs = |(key, wanted): (&'static str, String)| {
        let is = is.get(key).cloned().unwrap_or_default();
        (!enough(key, &is, &wanted)).then_some(Difference { key, is, wanted })
    };
    let differences: Vec<Difference> = wanted.settings.into_iter().filter_map(differs).collect();
    if differences.is_empty() {
        Step::Keep { name: wanted.name }
    } else {
        Step::Alter { name: wanted.name, differences }
    }
}

/// Whether a setting serves as well as the wanted one: more room or a longer life does.
fn enough(key: &str, is: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().ok();
    match (key, number(is), number(wanted)) {
        ("max.message.bytes", Some(is), Some(wanted)) => is >= wanted,
        ("retention.ms" | "retention.bytes", Some(is), Some(wanted)) => is == -1 || (wanted != -1 && is >= wanted),
        (_, _, _) => is == wanted,
    }
}

/// What an operator should know of a topic that is there.
fn remarks(settings: &Settings, found: &TopicFacts) -> Vec<String> {
    let mut remarks = Vec::new();
    let name = &found.name;
    if let Ok(is) = &found.settings {
        let get = |key: &str| is.get(key).map_or("", String::as_str);
        let number = |key: &str| get(key).parse::<i64>().unwrap_or(-1);
        if *name == settings.topic && (number("retention.ms") >= 0 || number("retention.bytes") >= 0) {
            let (ms, bytes) = (get("retention.ms"), get("retention.bytes"));
            remarks.push(format!(
                "topic {name} expires (retention.ms={ms}, retention.bytes={bytes}): the log is the truth, and what \
                 expires cannot be rebuilt; `soma topics --apply` sets both to -1"
            ));
        }
        if get("cleanup.policy").contains("compact") {
            remarks.push(format!(
                "topic {name} is compacted: the history of memories is lost, and records without keys are refused"
            ));
        }
    }
    if !administers(settings) {
        remarks.push(format!(
            "the settings of topic {name} cannot be read with OAUTHBEARER: `kafka-configs.sh --describe --entity-type \
             topics --entity-name {name}` tells whether it expires"
        ));
    }
    let replicas = found.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0);
    let least = found.settings.as_ref().ok().and_then(|is| is.get("min.insync.replicas")?.parse::<usize>().ok());
    if replicas == 1 {
        remarks.push(format!("topic {name} has one replica: an acknowledged event survives a kill of the broker, not the loss of its disk or power"));
    } else if least == Some(1) {
        remarks
            .push(format!("topic {name} has min.insync.replicas=1: an acknowledged event may lie on one broker only"));
    }
    if least.is_some_and(|least| least > replicas) {
        remarks.push(format!("topic {name} wants more replicas in sync than it has: no write can succeed"));
    }
    remarks
}

/// Carries a plan out, and says what was done.
///
/// # Errors
/// `unavailable` or `bad_config` at the first step that fails; those before it are done.
pub async fn apply(settings: &Settings, clock: &Arc<dyn Clock>, plan: &Plan) -> Result<Vec<String>> {
    let mut done = Vec::new();
    if plan.is_done() {
        return Ok(done);
    }
    let admin = Admin::start(settings, clock)?;
    for step in &plan.steps {
        match step {
            Step::Create(wanted) => done.extend(admin.create(wanted).await?),
            Step::Alter { name, differences } => done.push(admin.alter(name, differences).await?),
            Step::Keep { .. } | Step::Unread { .. } => {}
        }
    }
    admin.close().await;
    Ok(done)
}

/// Makes the topics that are missing, unless the settings say not to, and waits until they are known. Answers
/// with what an operator should know; nothing that is there is changed.
///
/// # Errors
/// `unavailable` or `bad_config` when a topic is missing and cannot be made, or the cluster cannot be reached.
pub async fn ensure(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Vec<String>> {
    let plan = plan(settings, clock).await?;
    let missing = |step: &Step| if let Step::Create(wanted) = step { Some(wanted.clone()) } else { None };
    let missing: Vec<Wanted> = plan.steps.iter().filter_map(missing).collect();
    if missing.is_empty() {
        return Ok(plan.notes);
    }
    let names: Vec<&str> = missing.iter().map(|wanted| wanted.name.as_str()).collect();
    if !settings.create_topics || !administers(settings) {
        let code = if settings.create_topics { Code::BadConfig } else { Code::Unavailable };
        return Err(Error::new(code, format!("topic {} is missing", names.join(" and topic ")))
            .remedy(how_to_create(settings, &missing)));
    }
    let admin = Admin::start(settings, clock)?;
    for wanted in &missing {
        if let Some(done) = admin.create(wanted).await? {
            tracing::info!("{done}");
        }
    }
    admin.close().await;
    known(settings, clock, &names).await?;
    Ok(self::plan(settings, clock).await?.notes)
}

/// Whether the client can administer a cluster: with OAUTHBEARER it is never asked for a token, so that every
/// request could only wait until its deadline.
fn administers(settings: &Settings) -> bool {
    !(settings.security.protocol.sasl() && settings.security.mechanism == Mechanism::OauthBearer)
}

/// What an operator does about missing topics.
#[must_use]
pub fn how_to_create(settings: &Settings, missing: &[Wanted]) -> String {
    if administers(settings) {
        return "create it with `soma topics --apply`, or set KAFKA_CREATE_TOPICS=true".to_owned();
    }
    let commands: Vec<String> = missing.iter().map(|wanted| format!("`{}`", by_hand(settings, wanted))).collect();
    format!(
        "the client library cannot administer a cluster with OAUTHBEARER: run {}, with the client's own settings in \
         client.properties, and set KAFKA_CREATE_TOPICS=false",
        commands.join(" and ")
    )
}

/// The command of Kafka that makes a topic as it should be.
fn by_hand(settings: &Settings, wanted: &Wanted) -> String {
    let Wanted { name, partitions, settings: keys } = wanted;
    let keys: String = keys.iter().map(|(key, value)| format!(" --config {key}={value}")).collect();
    let servers = &settings.bootstrap;
    format!(
        "kafka-topics.sh --bootstrap-server {servers} --command-config client.properties --create --topic {name} \
         --partitions {partitions}{keys}"
    )
}

/// Waits until the topics can be asked for.
pub(super) async fn known(settings: &Settings, clock: &Arc<dyn Clock>, names: &[&str]) -> Result<()> {
    let producer = Arc::new(Producer::start(settings, clock)?);
    let start = clock.elapsed();
    for name in names {
        while let Err(error) = producer.partitions(name).await {
            if clock.elapsed().saturating_sub(start) >= KNOWN_WITHIN {
                return Err(error);
            }
            clock.sleep(KNOWN_EVERY).await;
        }
    }
    Ok(())
}

/// The client for administration.
pub(super) struct Admin {
    client: AdminClient<Context>,
    /// What to do instead, where it cannot do anything.
    instead: Option<String>,
}

impl Admin {
    /// # Errors
    /// `bad_config`.
    pub(super) fn start(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let context = client::context(settings, clock);
        let config = client::base(settings)?;
        let client = config.create_with_context(context);
        let client = client.map_err(|e| classify::error("start the administrative client", &e))?;
        let instead = (!administers(settings)).then(|| how_to_create(settings, &wanted(settings)));
        Ok(Self { client, instead })
    }

    fn usable(&self, doing: &str) -> Result<()> {
        let Some(instead) = &self.instead else { return Ok(()) };
        Err(Error::new(Code::BadConfig, format!("cannot {doing}: the client library does not do so with OAUTHBEARER"))
            .remedy(instead.clone()))
    }

    /// Ends the client; it may take a moment.
    pub(super) async fn close(self) {
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }

    /// Makes a topic; `None` when somebody else has just made it.
    pub(super) async fn create(&self, wanted: &Wanted) -> Result<Option<String>> {
        let doing = format!("create topic {}", wanted.name);
        self.usable(&doing)?;
        // The broker's own default of replication.
        let mut topic = NewTopic::new(&wanted.name, wanted.partitions, TopicReplication::Fixed(-1));
        for (key, value) in &wanted.settings {
            topic = topic.set(key, value);
        }
        let denied = |error| needing("Create on the topic or on the cluster", error);
        let made = self.client.create_topics([&topic], &options()).await;
        let made = made.map_err(|e| denied(classify::error(&doing, &e)))?;
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(None),
            Some(Err((_, code))) => Err(denied(classify::code(&doing, code))),
            Some(Ok(_)) | None => {
                Ok(Some(format!("created topic {} with {} partitions", wanted.name, wanted.partitions)))
            }
        }
    }

    /// Removes topics and groups; what is not there is no failure.
    pub(super) async fn remove(&self, names: &[&str], groups: &[&str]) -> Result<()> {
        let doing = format!("remove topic {}", names.join(" and topic "));
        self.usable(&doing)?;
        let gone = [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::GroupIdNotFound];
        let failed = |e| classify::error(&doing, &e);
        let topics = self.client.delete_topics(names, &options()).await.map_err(failed)?;
        let groups = self.client.delete_groups(groups, &options()).await.map_err(failed)?;
        let refused = topics.into_iter().chain(groups).filter_map(Result::err).map(|(_, code)| code);
        refused.into_iter().find(|code| !gone.contains(code)).map_or(Ok(()), |code| Err(classify::code(&doing, code)))
    }

    /// Alters settings. The request replaces all settings of the topic, so those that stay are sent again.
    async fn alter(&self, name: &str, differences: &[Difference]) -> Result<String> {
        let doing = format!("alter topic {name}");
        self.usable(&doing)?;
        let kept = self.own_settings(name).await?;
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in &kept {
            alter = alter.set(key, value);
        }
        for difference in differences {
            alter = alter.set(difference.key, &difference.wanted);
        }
        let denied = |error| needing("AlterConfigs on the topic", error);
        let altered = self.client.alter_configs([&alter], &options()).await;
        let altered = altered.map_err(|e| denied(classify::error(&doing, &e)))?;
        if let Some(Err((_, code))) = altered.into_iter().next() {
            return Err(denied(classify::code(&doing, code)));
        }
        let shown = |d: &Difference| format!("{}={} (was {})", d.key, d.wanted, d.is);
        let shown: Vec<String> = differences.iter().map(shown).collect();
        Ok(format!("altered topic {name}: {}", shown.join(", ")))
    }

    /// The settings that somebody gave to the topic itself.
    async fn own_settings(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let entries = self.entries(name).await?;
        let own = entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        Ok(own.filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    /// Every setting of a topic.
    ///
    /// # Errors
    /// `unavailable`; `bad_config` where this client cannot ask.
    pub(super) async fn settings(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let entries = self.entries(name).await?;
        Ok(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    async fn entries(&self, name: &str) -> Result<Vec<rdkafka::admin::ConfigEntry>> {
        let doing = format!("read the settings of topic {name}");
        self.usable(&doing)?;
        let asked = [ResourceSpecifier::Topic(name)];
        let described = self.client.describe_configs(&asked, &options()).await;
        let denied = |error| needing("DescribeConfigs on the topic", error);
        let described = described.map_err(|e| denied(classify::error(&doing, &e)))?;
        match described.into_iter().next() {
            // A topic has settings; a cluster that shows none does not let us see them.
            Some(Ok(resource)) if resource.entries.is_empty() => {
                Err(denied(classify::code(&doing, RDKafkaErrorCode::TopicAuthorizationFailed)))
            }
            Some(Ok(resource)) => Ok(resource.entries),
            Some(Err(code)) => Err(denied(classify::code(&doing, code))),
            None => Err(classify::code(&doing, RDKafkaErrorCode::UnknownTopicOrPartition)),
        }
    }
}

/// Names the right that an administrative request needs, where it was denied.
fn needing(right: &str, error: Error) -> Error {
    if !classify::is_denied(&error) {
        return error;
    }
    error.remedy(format!("allow this user {right}, or let somebody do it who may and set KAFKA_CREATE_TOPICS=false"))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}

/// Whether the cluster answers, as every other call here needs it.
///
/// # Errors
/// As [`diagnose::diagnose`], without asking for a topic.
pub(super) async fn reachable(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<(Arc<Producer>, String)> {
    let producer = Arc::new(Producer::start(settings, clock)?);
    let cluster = diagnose::cluster(&producer).await?;
    Ok((producer, cluster))
}
