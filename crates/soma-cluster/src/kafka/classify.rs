//! What an error of the client means to its reader. The only place that decides it.
//!
//! Whatever may pass by itself or by an operator's hand is `unavailable` with a remedy: the projector waits,
//! a caller tries again, nothing is lost. Only a record that no broker will ever take is `too_large`.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Kafka};
use soma_core::error::{Code, Error};

struct Class {
    of: &'static [Kafka],
    code: Code,
    remedy: &'static str,
}

const CLASSES: &[Class] = &[
    Class {
        of: &[Kafka::MessageSizeTooLarge, Kafka::InvalidMessageSize, Kafka::MessageBatchTooLarge],
        code: Code::TooLarge,
        remedy: "make the event smaller, or raise the topic's `max.message.bytes`",
    },
    Class {
        of: &[Kafka::InvalidRecord],
        code: Code::StoreRejected,
        remedy: "the broker refuses the record; see its log, and the topic's `cleanup.policy`, which must be `delete`",
    },
    Class {
        of: &[Kafka::UnknownTopicOrPartition, Kafka::UnknownTopic, Kafka::UnknownPartition, Kafka::InvalidTopic],
        code: Code::Unavailable,
        remedy: "create the topic with `soma topics --apply`, or check KAFKA_MEMORY_EVENTS_TOPIC and KAFKA_MEMORY_DLQ_TOPIC",
    },
    Class {
        of: &[Kafka::TopicAuthorizationFailed],
        code: Code::Unavailable,
        remedy: "allow this user Read, Write and Describe on the topic",
    },
    Class {
        of: &[Kafka::GroupAuthorizationFailed],
        code: Code::Unavailable,
        remedy: "allow this user Read on the consumer group",
    },
    Class {
        of: &[Kafka::ClusterAuthorizationFailed, Kafka::TransactionalIdAuthorizationFailed],
        code: Code::Unavailable,
        remedy: "allow this user what it asks of the cluster (IdempotentWrite on old brokers, Create for topics)",
    },
    Class {
        of: &[
            Kafka::Authentication,
            Kafka::SaslAuthenticationFailed,
            Kafka::UnsupportedSASLMechanism,
            Kafka::IllegalSASLState,
        ],
        code: Code::Unavailable,
        remedy: "check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    },
    Class {
        of: &[Kafka::SSL],
        code: Code::Unavailable,
        remedy: "check KAFKA_SSL_CA_LOCATION, the broker's certificate and its host name",
    },
    Class {
        of: &[Kafka::Resolve],
        code: Code::Unavailable,
        remedy: "check the host names in KAFKA_BOOTSTRAP_SERVERS and in the brokers' advertised listeners",
    },
    Class {
        of: &[Kafka::NotEnoughReplicas, Kafka::NotEnoughReplicasAfterAppend, Kafka::ISRInsufficient],
        code: Code::Unavailable,
        remedy: "bring the replicas of the topic back: fewer than `min.insync.replicas` are in sync",
    },
    Class {
        of: &[Kafka::QueueFull],
        code: Code::Unavailable,
        remedy: "the broker takes writes more slowly than they come: try again, and write less at once",
    },
    Class {
        of: &[Kafka::KafkaStorageError, Kafka::LogDirNotFound],
        code: Code::Unavailable,
        remedy: "check the broker's disks",
    },
    Class {
        of: &[Kafka::OffsetOutOfRange, Kafka::AutoOffsetReset, Kafka::LogTruncation],
        code: Code::LogReplaced,
        remedy: "restore the log, or start a new generation with `soma log renew`",
    },
    Class {
        of: &[Kafka::PolicyViolation, Kafka::InvalidReplicationFactor, Kafka::InvalidPartitions, Kafka::InvalidConfig],
        code: Code::BadConfig,
        remedy: "create the topic by hand as the cluster's policy allows, and set KAFKA_CREATE_TOPICS=false",
    },
];

const REMEDY: &str = "check that the brokers run and can be reached, then try again";

/// The error of a client's answer, while doing something (`append to topic memory.events`).
pub(super) fn error(doing: &str, error: &KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(code) => self::code(doing, code),
        None => admin(error).map_or_else(|| other(doing, error), |code| self::code(doing, code)),
    }
}

/// The error of a code.
pub(super) fn code(doing: &str, code: Kafka) -> Error {
    let class = CLASSES.iter().find(|class| class.of.contains(&code));
    let (ours, remedy) = class.map_or((Code::Unavailable, REMEDY), |class| (class.code, class.remedy));
    Error::new(ours, format!("cannot {doing}: {}", sentence(code))).remedy(remedy).because(code)
}

/// Whether the cluster answered that our user may not do this.
#[must_use]
pub fn is_denied(error: &Error) -> bool {
    let denials = [Kafka::TopicAuthorizationFailed, Kafka::GroupAuthorizationFailed, Kafka::ClusterAuthorizationFailed];
    let code = error.source.as_ref().and_then(|source| source.downcast_ref::<Kafka>());
    code.is_some_and(|code| denials.contains(code))
}

/// The code of an administrative answer, which the client does not count among its codes.
fn admin(error: &KafkaError) -> Option<Kafka> {
    if let KafkaError::AdminOp(code) = error { Some(*code) } else { None }
}

fn other(doing: &str, error: &KafkaError) -> Error {
    if let KafkaError::ClientConfig(_, what, key, _) = error {
        // The value may be a secret.
        return Error::new(Code::BadConfig, format!("the Kafka client refuses the setting {key}: {what}"))
            .remedy("check the KAFKA_* variable that sets it");
    }
    if let KafkaError::ClientCreation(what) = error {
        return Error::new(Code::BadConfig, format!("the Kafka client refuses its settings: {what}"))
            .remedy("check KAFKA_SECURITY_PROTOCOL, the KAFKA_SSL_* files and KAFKA_CONFIG_*");
    }
    Error::new(Code::Unavailable, format!("cannot {doing}: {error}")).remedy(REMEDY).because(error.clone())
}

/// What the client's text for the code says, which may have a prefix that helps nobody.
fn sentence(code: Kafka) -> String {
    let text = code.to_string();
    let text = text.split_once(" (").map_or(text.as_str(), |(_, inner)| inner.trim_end_matches(')'));
    text.trim_start_matches("Local: ").trim_start_matches("Broker: ").to_owned()
}
