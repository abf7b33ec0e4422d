//! Keys of the client that would break a promise, each with the reason why it is refused.

/// Keys that the settings cover by a name of their own.
const NAMED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is KAFKA_BOOTSTRAP_SERVERS"),
    ("metadata.broker.list", "it is KAFKA_BOOTSTRAP_SERVERS"),
    ("group.id", "it is KAFKA_CONSUMER_GROUP"),
    ("security.protocol", "it is KAFKA_SECURITY_PROTOCOL"),
    ("sasl.mechanism", "it is KAFKA_SASL_MECHANISM"),
    ("sasl.mechanisms", "it is KAFKA_SASL_MECHANISM"),
    ("sasl.username", "it is KAFKA_SASL_USERNAME"),
    ("sasl.password", "it is KAFKA_SASL_PASSWORD"),
    ("ssl.ca.location", "it is KAFKA_SSL_CA_LOCATION"),
    ("ssl.certificate.location", "it is KAFKA_SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "it is KAFKA_SSL_KEY_LOCATION"),
    ("ssl.key.password", "it is KAFKA_SSL_KEY_PASSWORD"),
];

/// Keys whose value is part of a promise.
const PROMISED: &[(&str, &str)] = &[
    ("enable.auto.commit", "positions are committed with the records, never by a timer"),
    ("auto.commit.interval.ms", "positions are committed with the records, never by a timer"),
    ("auto.commit.enable", "positions are committed with the records, never by a timer"),
    ("enable.auto.offset.store", "an offset counts only after both stores have committed"),
    ("auto.offset.reset", "a lost position must halt the projector, not skip or reread the log silently"),
    ("topic.auto.offset.reset", "a lost position must halt the projector, not skip or reread the log silently"),
    ("enable.idempotence", "a retry inside the client must not write an event twice or out of order"),
    ("enable.gapless.guarantee", "a write that failed must not stop the writes after it"),
    ("acks", "a write is acknowledged only when every in-sync replica has it"),
    ("request.required.acks", "a write is acknowledged only when every in-sync replica has it"),
    ("max.in.flight", "more requests in flight would give up the order of events"),
    ("max.in.flight.requests.per.connection", "more requests in flight would give up the order of events"),
    ("message.send.max.retries", "an append is retried until its deadline"),
    ("retries", "an append is retried until its deadline"),
    ("message.timeout.ms", "an append is bounded by its own deadline"),
    ("delivery.timeout.ms", "an append is bounded by its own deadline"),
    ("partitioner", "all events of one memory must share a partition, with every writer"),
    ("partitioner_cb", "all events of one memory must share a partition, with every writer"),
    ("transactional.id", "writes are idempotent, not transactional"),
    ("isolation.level", "what a transaction took back must not become a memory"),
    ("allow.auto.create.topics", "a broker's own creation would keep the truth for seven days"),
    ("partition.assignment.strategy", "partitions move one by one, and all members must agree on how"),
    ("group.protocol", "partitions move one by one, and all members must agree on how"),
    ("group.remote.assignor", "partitions move one by one, and all members must agree on how"),
    ("enable.partition.eof", "reads find the end of the log by it"),
    ("check.crcs", "damaged records must be noticed"),
    ("delivery.report.only.error", "a write is acknowledged by its delivery report"),
    ("dr_cb", "a write is acknowledged by its delivery report"),
    ("dr_msg_cb", "a write is acknowledged by its delivery report"),
    ("consume.callback.max.messages", "records are polled by one thread"),
    ("log.queue", "the client's log is told through this program's"),
    ("test.mock.num.brokers", "it would replace the cluster by one that forgets everything"),
];

/// Why a key of the client may not be set, or `None` if it may.
#[must_use]
pub fn refused_key(key: &str) -> Option<&'static str> {
    let key = key.trim().to_ascii_lowercase();
    let why = |table: &[(&str, &'static str)]| table.iter().find(|(name, _)| *name == key).map(|(_, why)| *why);
    if key.starts_with("sasl.oauthbearer.") {
        return Some("it is KAFKA_SASL_OAUTHBEARER_*");
    }
    why(NAMED).or_else(|| why(PROMISED))
}
