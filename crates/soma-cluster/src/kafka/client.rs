//! From settings to clients: one function describes the cluster to all of them alike.

use std::path::Path;
use std::sync::Arc;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::limits;

use super::context::{Context, Signals};
use super::keys::refused_key;
use super::oauth::Source;
use super::settings::{Mechanism, Security, Settings};

/// Room for key, headers and framing beside the largest value.
const ENVELOPE_BYTES: usize = 2 << 20;
/// Bytes that may wait in the producer; beyond that, appends wait.
const PRODUCER_QUEUE_KBYTES: usize = 64 << 10;
/// Records that may wait in the producer.
const PRODUCER_QUEUE_RECORDS: usize = 100_000;
/// Bytes that one reader's client holds beside our own buffers.
const READER_QUEUE_KBYTES: usize = 8 << 10;

/// How many bytes a record may have, as the client counts it.
pub(super) const RECORD_BYTES_MAX: usize = limits::VALUE_BYTES_MAX + ENVELOPE_BYTES;
/// How many bytes a dead letter may have: the record, and what is said about it.
pub(super) const LETTER_BYTES_MAX: usize = RECORD_BYTES_MAX + (1 << 20);

/// The cluster as every client is told it.
///
/// # Errors
/// `bad_config` when the settings contradict themselves.
pub(super) fn base(settings: &Settings) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap)
        .set("client.id", "soma")
        .set("security.protocol", settings.security.protocol.as_str().to_ascii_lowercase())
        .set("socket.keepalive.enable", "true")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("allow.auto.create.topics", "false")
        // Ends and reads alike: an open transaction ends the log for as long as it is open.
        .set("isolation.level", "read_committed")
        .set("log.connection.close", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    secure(&mut config, &settings.security)?;
    for (key, value) in &settings.extra {
        if let Some(why) = refused_key(key) {
            return Err(Error::new(Code::BadConfig, format!("the Kafka client's {key} may not be set: {why}"))
                .at(format!("KAFKA_CONFIG_{}", key.to_uppercase().replace('.', "_")))
                .remedy("remove the variable"));
        }
        config.set(key, value);
    }
    Ok(config)
}

fn secure(config: &mut ClientConfig, security: &Security) -> Result<()> {
    file(config, "ssl.ca.location", security.ca_location.as_deref())?;
    file(config, "ssl.certificate.location", security.certificate_location.as_deref())?;
    file(config, "ssl.key.location", security.key_location.as_deref())?;
    if let Some(password) = &security.key_password {
        config.set("ssl.key.password", password.reveal());
    }
    if !security.protocol.sasl() {
        return Ok(());
    }
    config.set("sasl.mechanisms", security.mechanism.as_str());
    if security.mechanism == Mechanism::OauthBearer {
        return match &security.oauth {
            Some(_) => Ok(()),
            None => Err(missing("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", "the mechanism OAUTHBEARER")),
        };
    }
    let user = security.username.as_deref().ok_or_else(|| missing("KAFKA_SASL_USERNAME", "SASL"))?;
    let password = security.password.as_ref().ok_or_else(|| missing("KAFKA_SASL_PASSWORD", "SASL"))?;
    config.set("sasl.username", user).set("sasl.password", password.reveal());
    Ok(())
}

fn file(config: &mut ClientConfig, key: &str, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let variable = format!("KAFKA_{}", key.to_uppercase().replace('.', "_"));
    let refuse = |why: &str| Error::new(Code::BadConfig, format!("{}: {why}", path.display())).at(variable.clone());
    let text = path.to_str().ok_or_else(|| refuse("the path is not UTF-8"))?;
    if !path.is_file() {
        return Err(refuse("no such file").remedy("name a PEM file that this process can read"));
    }
    config.set(key, text);
    Ok(())
}

fn missing(variable: &str, what: &str) -> Error {
    Error::new(Code::BadConfig, format!("{what} needs {variable}")).at(variable).remedy("set it")
}

/// What tells us about a client, and fetches its tokens.
pub(super) fn context(settings: &Settings, clock: &Arc<dyn Clock>) -> Context {
    let wants = settings.security.protocol.sasl() && settings.security.mechanism == Mechanism::OauthBearer;
    let oauth = settings.security.oauth.clone().filter(|_| wants);
    Context {
        signals: Arc::new(Signals::default()),
        tokens: oauth.map(|oauth| Arc::new(Source::new(oauth, Arc::clone(clock)))),
    }
}

/// A producer whose acknowledgement means that every in-sync replica has the record, once and in order.
///
/// # Errors
/// As [`base`].
pub(super) fn producer(settings: &Settings) -> Result<ClientConfig> {
    let deadline_ms = settings.append_timeout.as_millis().clamp(1_000, 600_000);
    let mut config = defaults(
        settings,
        &[
            ("compression.type", "zstd"),
            ("linger.ms", "2"),
            ("queue.buffering.max.kbytes", &PRODUCER_QUEUE_KBYTES.to_string()),
            ("queue.buffering.max.messages", &PRODUCER_QUEUE_RECORDS.to_string()),
            ("retry.backoff.ms", "50"),
            ("request.timeout.ms", &(deadline_ms / 2).max(1_000).to_string()),
        ],
    )?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.max.bytes", LETTER_BYTES_MAX.to_string())
        .set("message.timeout.ms", deadline_ms.to_string());
    Ok(config)
}

/// A consumer that reads at offsets that we name, and is a member of nothing. It carries the group's name
/// because the client assigns nothing without one.
///
/// # Errors
/// As [`base`].
pub(super) fn reader(settings: &Settings) -> Result<ClientConfig> {
    let mut config = defaults(
        settings,
        &[
            ("queued.max.messages.kbytes", &READER_QUEUE_KBYTES.to_string()),
            ("queued.min.messages", "10000"),
            // Compressed: what comes out may be many times as much.
            ("fetch.message.max.bytes", "524288"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.error.backoff.ms", "100"),
            ("fetch.wait.max.ms", "100"),
        ],
    )?;
    unattended(&mut config, settings);
    config.set("enable.partition.eof", "true").set("message.max.bytes", LETTER_BYTES_MAX.to_string());
    Ok(config)
}

/// A member of the group: it says who projects which partition, and fetches nothing.
///
/// # Errors
/// As [`base`].
pub(super) fn member(settings: &Settings) -> Result<ClientConfig> {
    let mut config = defaults(
        settings,
        &[("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "1000"), ("queued.max.messages.kbytes", "1024")],
    )?;
    unattended(&mut config, settings);
    config.set("partition.assignment.strategy", "cooperative-sticky");
    Ok(config)
}

/// No offset moves by itself.
fn unattended(config: &mut ClientConfig, settings: &Settings) {
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true");
}

/// The cluster with settings that a user may override.
fn defaults(settings: &Settings, ours: &[(&str, &str)]) -> Result<ClientConfig> {
    let mut config = base(settings)?;
    for (key, value) in ours {
        if config.get(key).is_none() {
            config.set(*key, *value);
        }
    }
    Ok(config)
}
