//! Why a cluster cannot be reached, in one sentence with its remedy.
//!
//! The call that fails says only that nobody answered; the reason is in what the client told beside it. A
//! reason that waiting cannot mend (a wrong password, a foreign certificate) is reported within seconds. Of a
//! certificate the client says only that it is not good, so the certificate is looked at once more.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Kafka;
use rdkafka::producer::Producer as _;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::Partition;

use super::classify;
use super::context::Sentence;
use super::producer::{Producer, blocking, partitions};
use super::settings::{Protocol, Settings};
use crate::reach::{self, Authorities, Endpoint};

/// How long a cluster may take to answer at the start.
const PATIENCE: Duration = Duration::from_secs(8);
/// A reason that waiting cannot mend counts after so long: another broker may do better.
const DECIDED: Duration = Duration::from_millis(1_500);
/// How long one attempt takes.
const ATTEMPT: Duration = Duration::from_millis(500);

/// What was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The cluster's own id.
    pub cluster: String,
    /// The partitions of the topic of events.
    pub partitions: Vec<Partition>,
}

/// Connects as every client of ours does, and asks for the topic of events.
///
/// # Errors
/// Why it cannot: `unavailable` or `bad_config`, with a remedy.
pub async fn diagnose(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Reached> {
    let producer = Arc::new(Producer::start(settings, clock)?);
    reach(&producer, &settings.topic).await
}

/// Waits until the cluster answers, or says why it does not.
///
/// # Errors
/// As [`diagnose`].
pub(super) async fn reach(producer: &Arc<Producer>, topic: &str) -> Result<Reached> {
    let cluster = cluster(producer).await?;
    let (asking, topic) = (Arc::clone(producer), topic.to_owned());
    let partitions = blocking(move || attempts(&asking, |p, t| partitions(&p.client(), &topic, t))).await?;
    Ok(Reached { cluster, partitions })
}

/// The cluster's id, once any broker answers.
///
/// # Errors
/// As [`diagnose`].
pub(super) async fn cluster(producer: &Arc<Producer>) -> Result<String> {
    let asking = Arc::clone(producer);
    blocking(move || {
        attempts(&asking, |producer, timeout| {
            let client = producer.client();
            let client = client.client();
            // Asking for the id alone would hide why there is none.
            client.fetch_metadata(Some(&producer.settings().topic), timeout).map_err(|e| classify::error(DOING, &e))?;
            client.fetch_cluster_id(timeout).ok_or_else(|| {
                Error::new(Code::Unavailable, format!("cannot {DOING}: the brokers name no cluster id"))
                    .remedy("use brokers that speak Kafka's protocol of 0.11 or later")
            })
        })
    })
    .await
}

const DOING: &str = "reach the Kafka cluster";

fn attempts<T>(producer: &Producer, ask: impl Fn(&Producer, Duration) -> Result<T>) -> Result<T> {
    let clock = producer.clock();
    let start = clock.elapsed();
    loop {
        let error = match ask(producer, ATTEMPT) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let waited = clock.elapsed().saturating_sub(start);
        let servers = &producer.settings().bootstrap;
        let reason = reason(servers, &producer.signals().all());
        let decided = reason.as_ref().is_some_and(|reason| reason.lasting) && waited >= DECIDED;
        if decided || waited >= PATIENCE || lasting(&error) {
            return Err(reason.filter(|_| !lasting(&error)).map_or(error, |reason| told(producer, reason)));
        }
    }
}

/// Why a cluster that was reached before does not answer now; the error itself, if the client did not say.
pub(super) async fn named(producer: &Arc<Producer>, error: Error) -> Error {
    let code = error.source.as_ref().and_then(|source| source.downcast_ref::<Kafka>());
    if !code.is_some_and(|code| UNANSWERED.contains(code)) {
        return error;
    }
    let asking = Arc::clone(producer);
    let named = blocking(move || {
        let reason = reason(&asking.settings().bootstrap, &asking.signals().all());
        Ok(reason.map(|reason| told(&asking, reason)))
    });
    named.await.ok().flatten().unwrap_or(error)
}

/// Nobody answered; these codes do not say why.
const UNANSWERED: &[Kafka] = &[
    Kafka::BrokerTransportFailure,
    Kafka::AllBrokersDown,
    Kafka::OperationTimedOut,
    Kafka::Resolve,
    Kafka::SSL,
    Kafka::Authentication,
];

/// The reason as it is told: a fault of the certificate by what the certificate says. Blocks.
fn told(producer: &Producer, reason: Reason) -> Error {
    let settings = producer.settings();
    if reason.about == About::Other || checks_otherwise(settings) {
        return reason.error;
    }
    let Some(place) = place(&reason.sentence).or_else(|| places(settings).into_iter().next()) else {
        return reason.error;
    };
    let look = reach::look_blocking(&place, Some(&authorities(settings)), producer.clock().now());
    match look.certificate {
        _ if reason.about == About::Silence => {
            if !look.speaks_tls || trusted(settings).is_some() {
                return reason.error;
            }
            let (servers, protocol) = (&settings.bootstrap, settings.security.protocol.as_str());
            let text = format!("the listener at {place} speaks TLS, and KAFKA_SECURITY_PROTOCOL is {protocol}");
            Error::new(Code::Unavailable, format!("cannot {DOING} at {servers}: {text}"))
                .remedy("set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL, or name the port of a listener without TLS")
        }
        Some(Err(fault)) => {
            let text = format!("cannot {DOING} at {}: {}", settings.bootstrap, fault.message);
            Error { message: text, code: Code::Unavailable, ..fault }
        }
        Some(Ok(_)) | None => reason.error,
    }
}

/// Whether the client was told to check certificates in another way than we look at them.
fn checks_otherwise(settings: &Settings) -> bool {
    let ours = ["ssl.ca.", "ssl.endpoint.", "enable.ssl."];
    settings.extra.iter().any(|(key, _)| ours.iter().any(|ours| key.starts_with(ours)))
}

/// The broker that a sentence is about: `sasl_ssl://host:port/bootstrap: …`.
fn place(sentence: &str) -> Option<Endpoint> {
    let (_, rest) = sentence.split_once("ssl://")?;
    let end = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
    Endpoint::parse(rest[..end].trim_end_matches(':'), PORT)
}

/// The port of a broker that names none.
const PORT: u16 = 9092;

/// The brokers to begin with.
#[must_use]
pub fn places(settings: &Settings) -> Vec<Endpoint> {
    settings.bootstrap.split(',').filter_map(|broker| Endpoint::parse(broker, PORT)).collect()
}

/// Whose signature on a broker's certificate is taken; `None` without TLS.
#[must_use]
pub fn trusted(settings: &Settings) -> Option<Authorities> {
    let encrypts = matches!(settings.security.protocol, Protocol::Ssl | Protocol::SaslSsl);
    encrypts.then(|| authorities(settings))
}

fn authorities(settings: &Settings) -> Authorities {
    let file = settings.security.ca_location.clone();
    Authorities { file, variable: "KAFKA_SSL_CA_LOCATION", switch: "KAFKA_SECURITY_PROTOCOL" }
}

/// The cluster answered; asking again changes nothing.
fn lasting(error: &Error) -> bool {
    let codes =
        [Kafka::UnknownTopicOrPartition, Kafka::UnknownTopic, Kafka::TopicAuthorizationFailed, Kafka::InvalidTopic];
    let code = error.source.as_ref().and_then(|source| source.downcast_ref::<Kafka>());
    code.is_some_and(|code| codes.contains(code))
}

/// A reason that the client gave.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) error: Error,
    /// Whether waiting cannot mend it.
    pub(super) lasting: bool,
    about: About,
    sentence: String,
}

/// What a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The broker's certificate, or whether it has one.
    Tls,
    /// Nothing that the client could name.
    Silence,
    /// Something that the client says clearly enough.
    Other,
}

struct Clue {
    codes: &'static [Kafka],
    words: &'static [&'static str],
    says: &'static str,
    remedy: &'static str,
    lasting: bool,
    about: About,
}

/// The most telling first. A clue fits a sentence by its code or by a word in it.
const CLUES: &[Clue] = &[
    Clue {
        codes: &[],
        words: &["cannot fetch a token"],
        says: "no token for OAUTHBEARER",
        remedy: "check KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, the client id, its secret and the scope",
        lasting: true,
        about: About::Other,
    },
    Clue {
        codes: &[Kafka::Authentication, Kafka::SaslAuthenticationFailed, Kafka::UnsupportedSASLMechanism],
        words: &[],
        says: "the broker does not accept who we say we are",
        remedy: "check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
        lasting: true,
        about: About::Other,
    },
    Clue {
        codes: &[],
        words: &["hostname mismatch", "IP address mismatch", "Hostname mismatch"],
        says: "the broker's certificate is for another host name",
        remedy: "name the broker in KAFKA_BOOTSTRAP_SERVERS as its certificate does, or issue one for this name",
        lasting: true,
        about: About::Tls,
    },
    Clue {
        codes: &[],
        words: &["certificate has expired", "certificate is not yet valid"],
        says: "the broker's certificate is out of its time",
        remedy: "renew the broker's certificate, or set this machine's clock",
        lasting: true,
        about: About::Tls,
    },
    Clue {
        codes: &[],
        words: &["certificate verify failed", "unable to get local issuer", "self-signed", "self signed"],
        says: "the broker's certificate is not signed by an authority that we trust",
        remedy: "name the authority's certificate in KAFKA_SSL_CA_LOCATION",
        lasting: true,
        about: About::Tls,
    },
    Clue {
        codes: &[],
        words: &["bad certificate", "certificate required", "unknown ca", "certificate unknown"],
        says: "the broker does not accept our certificate, or wants one",
        remedy: "set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION to a pair that the broker trusts",
        lasting: true,
        about: About::Other,
    },
    Clue {
        codes: &[Kafka::SSL],
        words: &["connecting to a PLAINTEXT broker listener", "wrong version number", "SSL handshake failed"],
        says: "the listener does not speak TLS as we do",
        remedy: "check KAFKA_SECURITY_PROTOCOL and the port in KAFKA_BOOTSTRAP_SERVERS",
        lasting: true,
        about: About::Tls,
    },
    Clue {
        codes: &[],
        // What TLS answers to something else reads as a length without measure.
        words: &[
            "incorrect security.protocol configuration",
            "connecting to a SSL listener",
            "Invalid response size",
            "SASL",
        ],
        says: "the listener closes the connection: it expects TLS or SASL",
        remedy: "check KAFKA_SECURITY_PROTOCOL and the port in KAFKA_BOOTSTRAP_SERVERS",
        lasting: true,
        about: About::Other,
    },
    Clue {
        codes: &[Kafka::Resolve],
        words: &[],
        says: "a host name does not resolve",
        remedy: "check KAFKA_BOOTSTRAP_SERVERS and the brokers' advertised listeners",
        lasting: false,
        about: About::Other,
    },
    Clue {
        codes: &[],
        words: &["Connection refused", "Connect to", "setup timed out", "Network is unreachable"],
        says: "nobody answers there",
        remedy: "start the broker, or check KAFKA_BOOTSTRAP_SERVERS and the brokers' advertised listeners",
        lasting: false,
        about: About::Other,
    },
    Clue {
        codes: &[Kafka::BrokerTransportFailure, Kafka::AllBrokersDown, Kafka::OperationTimedOut],
        words: &[],
        says: "connections break",
        remedy: "check that the brokers of KAFKA_BOOTSTRAP_SERVERS run, and that KAFKA_SECURITY_PROTOCOL fits the port",
        lasting: false,
        about: About::Silence,
    },
];

/// The most telling of what a client said.
pub(super) fn reason(servers: &str, sentences: &[Sentence]) -> Option<Reason> {
    let fits = |clue: &Clue, sentence: &Sentence| {
        sentence.code.is_some_and(|code| clue.codes.contains(&code))
            || clue.words.iter().any(|word| sentence.text.contains(word))
    };
    CLUES.iter().find_map(|clue| {
        let sentence = sentences.iter().rev().find(|sentence| fits(clue, sentence))?;
        let text = format!("cannot {DOING} at {servers}: {} ({})", clue.says, sentence.text);
        let error = Error::new(Code::Unavailable, text).remedy(clue.remedy);
        Some(Reason { error, lasting: clue.lasting, about: clue.about, sentence: sentence.text.clone() })
    })
}
