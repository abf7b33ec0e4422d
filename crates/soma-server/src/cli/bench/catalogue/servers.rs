//! The figures of `soma bench consumer`.

use super::Group::{Api, Backlog, Decode, Records, Steady};
use super::Unit::{CpuSeconds, EventsPerSecond, Mebibytes, Milliseconds};
use super::{Kind, NOT, kind};

const SERVERS: &str = "the servers' indexes grow with what they hold";

/// In the order in which they are shown.
pub(super) static KINDS: &[Kind] = &[
    kind(
        ("consumer_backlog", "backlog to both stores"),
        Backlog,
        EventsPerSecond,
        &[
            "one loop, both stores, no Kafka",
            "a loop a partition, both stores, no Kafka",
            "PostgreSQL alone",
            "the index alone",
            "consuming alone",
            "making vectors and words, one core",
            "one message at a time, Python",
        ],
        SERVERS,
    ),
    kind(
        ("consumer_backlog_whole", "the same from end to end"),
        Backlog,
        EventsPerSecond,
        &["one loop, both stores, no Kafka"],
        SERVERS,
    ),
    kind(
        ("consumer_memory", "resident memory of the consumer at it"),
        Backlog,
        Mebibytes,
        &["before its first event"],
        NOT,
    ),
    kind(("consumer_memory_peak", "the most it held"), Backlog, Mebibytes, &["before its first event"], NOT),
    kind(
        ("consumer_cpu", "processor time of the consumer"),
        Backlog,
        CpuSeconds,
        &["one loop, both stores, no Kafka"],
        NOT,
    ),
    kind(
        ("records_only", "backlog to PostgreSQL, records only"),
        Records,
        EventsPerSecond,
        &["PostgreSQL alone", "consuming alone"],
        SERVERS,
    ),
    kind(
        ("records_only_cpu", "processor time, records only"),
        Records,
        CpuSeconds,
        &["one loop, both stores, no Kafka"],
        NOT,
    ),
    kind(
        ("decode", "decoding and validating, one core"),
        Decode,
        EventsPerSecond,
        &["parsing the same JSON alone"],
        NOT,
    ),
    kind(
        ("steady", "event to both stores at 1,000/s"),
        Steady,
        Milliseconds,
        &["acknowledged by Kafka", "one event to both stores, no Kafka"],
        SERVERS,
    ),
    kind(
        ("api_writes", "64 clients, durable writes over HTTP"),
        Api,
        EventsPerSecond,
        &["producing alone, 64 in flight", "HTTP GET /livez, 64 clients"],
        NOT,
    ),
];
