//! Kafka and the schema registry.

use std::sync::Arc;

use soma_cluster::kafka::facts::{Facts, Placement, TopicFacts, placement};
use soma_cluster::kafka::rights::Work;
use soma_cluster::kafka::topics::{self, Step};
use soma_cluster::kafka::{self, Mechanism, Settings};
use soma_cluster::registry::{EVENT_SCHEMA, Missing};
use soma_core::clock::Clock;
use soma_core::{Error, Result};

use super::Seen;
use crate::config::Config;
use crate::config::registry::ValueFormat;
use crate::wiring::cluster::{kafka_settings, registry_of};

/// The cluster, who we are there, topics, how events are partitioned, and the group.
pub(super) async fn broker(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    const CHECK: &str = "kafka";
    let Some(kafka) = &config.kafka else { return Vec::new() };
    let settings = kafka_settings(kafka);
    let facts = match kafka::facts::facts(&settings, clock).await {
        Ok(facts) => facts,
        Err(error) if kafka::is_denied(&error) => {
            return vec![Seen::of_error(CHECK, &error), rights(&settings, clock).await];
        }
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let protocol = settings.security.protocol.as_str();
    let mut seen = vec![
        Seen::ok(CHECK, format!("cluster {}, {} brokers, {protocol}", facts.cluster, facts.brokers.len())),
        Seen::ok("authentication", who(&settings)),
        rights(&settings, clock).await,
    ];
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
    if facts.topics.first().is_some_and(|(_, found)| found.is_some()) {
        seen.push(partitioner(placement(&settings, clock).await));
        seen.push(group(&facts));
    }
    seen
}

/// As whom the brokers know us.
fn who(settings: &Settings) -> String {
    let security = &settings.security;
    let user = security.username.as_deref().unwrap_or_default();
    match (security.protocol.sasl(), security.mechanism) {
        (true, Mechanism::OauthBearer) => {
            let client = security.oauth.as_ref().map_or("", |oauth| oauth.client_id.as_str());
            format!("OAUTHBEARER, with a token of {client}")
        }
        (true, mechanism) => format!("{} as {user}", mechanism.as_str()),
        (false, _) if security.certificate_location.is_some() => "by the client's certificate".to_owned(),
        (false, _) => "none: everybody is let in".to_owned(),
    }
}

/// What our user may do to topics and group.
async fn rights(settings: &Settings, clock: &Arc<dyn Clock>) -> Seen {
    const CHECK: &str = "rights";
    match kafka::rights::lacking(settings, clock, Work::ALL).await {
        Ok(Some(lacking)) if lacking.is_empty() => {
            Seen::ok(CHECK, "Read and Write on the events, Write on the dead letters, Read on the group")
        }
        Ok(Some(lacking)) => Seen::of_error(CHECK, &kafka::rights::refusal(settings, &lacking)),
        Ok(None) => Seen::ok(CHECK, "the cluster does not tell, or there are no topics yet"),
        Err(error) => Seen::of_error(CHECK, &error),
    }
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

/// Whether every writer of the log partitions as we do, by the records that came last.
fn partitioner(found: Result<Placement>) -> Seen {
    const CHECK: &str = "partitioner";
    let found = match found {
        Ok(found) => found,
        Err(error) => return Seen::of_error(CHECK, &error),
    };
    let Placement { seen, astray } = found;
    if astray == 0 {
        return Seen::ok(CHECK, format!("murmur2_random; the latest {seen} records lie where it puts them"));
    }
    let remedy = "let every writer use murmur2_random, as Java's client does: two events of one memory may be in \
                  two partitions, where only their times order them; after partitions were added this is so, too";
    Seen::odd(CHECK, format!("{astray} of the latest {seen} records lie where another partitioner put them"), remedy)
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

/// The registry, and whether it has the schema of events.
pub(super) async fn registry(config: &Config) -> Vec<Seen> {
    const CHECK: &str = "schema registry";
    const SCHEMA: &str = "schema";
    let (Some(settings), Some(kafka)) = (&config.registry, &config.kafka) else { return Vec::new() };
    let subject = format!("{}-value", kafka.topic);
    let asked = async {
        let registry = registry_of(settings)?;
        registry.ping().await?;
        Ok::<_, Error>(registry)
    };
    let registry = match asked.await {
        Ok(registry) => registry,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let is_needed = settings.format == ValueFormat::Confluent && !settings.auto_register;
    let schema = match registry.prepare(&subject, EVENT_SCHEMA, Missing::Leave).await {
        Ok(Some(id)) => Seen::ok(SCHEMA, format!("{subject} has the schema of memory events, as number {id}")),
        Ok(None) if is_needed => {
            let what = format!("{subject} lacks the schema of memory events, and values cannot be framed without it");
            Seen::failed(SCHEMA, what, "register it, or set SCHEMA_REGISTRY_AUTO_REGISTER=true")
        }
        Ok(None) => {
            let what = format!("{subject} lacks the schema of memory events, which is compatible with what is there");
            Seen::odd(SCHEMA, what, "start soma, which registers it unless SCHEMA_REGISTRY_AUTO_REGISTER=false")
        }
        Err(error) => Seen::of_error(SCHEMA, &error),
    };
    vec![Seen::ok(CHECK, format!("answers at {}", shown(&settings.url))), schema]
}

/// An address without what may be a secret in it.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    format!("{scheme}://{place}")
}
