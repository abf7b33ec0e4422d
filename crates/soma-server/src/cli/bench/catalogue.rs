//! Every figure: its name, what it is compared with, and what limits it.
//!
//! The one list that the table, the JSON, `--only` and the tests go by. A figure that is measured is
//! here; one that is here is measured, with every equivalent that it names.

mod servers;

use clap::ValueEnum;

use super::stats::Better;

/// Figures that are measured together; what `--only` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Group {
    /// Starting on an empty directory, and what an idle server holds.
    Start,
    /// Batches of 1000.
    Batches,
    /// Questions, one and eight at once.
    Recall,
    /// One durable write by one client.
    Write,
    /// A write, then a read that sees it.
    Read,
    /// 64 clients at once.
    Clients,
    /// Starting again with what is stored.
    Restart,
    /// Memory and disk.
    Space,
    /// A backlog through the consumer of the cluster profile.
    #[value(skip)]
    Backlog,
    /// A backlog into the record store alone.
    #[value(skip)]
    Records,
    /// Reading events.
    #[value(skip)]
    Decode,
    /// A steady stream of events.
    #[value(skip)]
    Steady,
    /// Durable writes over HTTP into Kafka.
    #[value(skip)]
    Api,
}

impl Group {
    /// The name on the command line and in the answer.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Batches => "batches",
            Self::Recall => "recall",
            Self::Write => "write",
            Self::Read => "read",
            Self::Clients => "clients",
            Self::Restart => "restart",
            Self::Space => "space",
            Self::Backlog => "backlog",
            Self::Records => "records",
            Self::Decode => "decode",
            Self::Steady => "steady",
            Self::Api => "api",
        }
    }
}

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    EventsPerSecond,
    Mebibytes,
    BytesPerMemory,
    CpuSeconds,
}

impl Unit {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::EventsPerSecond => "events/s",
            Self::Mebibytes => "MiB",
            Self::BytesPerMemory => "bytes/memory",
            Self::CpuSeconds => "CPU s/1000 events",
        }
    }

    pub(super) const fn better(self) -> Better {
        match self {
            Self::EventsPerSecond => Better::Higher,
            Self::Milliseconds | Self::Mebibytes | Self::BytesPerMemory | Self::CpuSeconds => Better::Lower,
        }
    }
}

/// What a figure is.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) group: Group,
    pub(super) unit: Unit,
    /// What was measured, for people.
    pub(super) title: &'static str,
    /// The bare equivalents, for people; in JSON with underscores for spaces.
    pub(super) bare: &'static [&'static str],
    /// What it costs more of, when memories grow.
    pub(super) growth: &'static str,
}

const fn kind(
    (name, title): (&'static str, &'static str),
    group: Group,
    unit: Unit,
    bare: &'static [&'static str],
    growth: &'static str,
) -> Kind {
    Kind { name, group, unit, title, bare, growth }
}

const NOT: &str = "does not depend on the memories";
const LOOKUP: &str = "lookups by key in trees that deepen slowly";
const LISTS: &str = "the posting lists of the question's words, which grow with the memories";
const PACK: &str = "segments of the index are packed in the background while it grows";

use Group::{Batches, Clients, Read, Recall, Restart, Space, Start, Write};
use Unit::{BytesPerMemory, EventsPerSecond, Mebibytes, Milliseconds};

/// The figures of one machine, in the order in which they are shown.
pub(super) static KINDS: &[Kind] = &[
    kind(("start", "start to ready, empty"), Start, Milliseconds, &["process that prints its version"], NOT),
    kind(("idle_memory", "resident memory, idle"), Start, Mebibytes, &["process that only runs this"], NOT),
    kind(("batch_accepted", "batches of 1000, accepted"), Batches, EventsPerSecond, &["SQLite inserts"], LOOKUP),
    kind(
        ("batch_stored", "batches of 1000, in both stores"),
        Batches,
        EventsPerSecond,
        &["index upserts", "SQLite inserts", "embedding"],
        PACK,
    ),
    kind(("recall_lexical", "recall, lexical"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("recall_hybrid", "recall, hybrid"), Recall, Milliseconds, &["index search"], LISTS),
    kind(
        ("recall_dense", "recall, dense"),
        Recall,
        Milliseconds,
        &["index search"],
        "every vector is compared: the index is flat, its answers exact",
    ),
    kind(("recall_namespace", "recall in one namespace of ten"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("recall_filter", "recall with a payload filter, 1 in 100"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("recall_hybrid_8", "recall, hybrid, 8 at once"), Recall, Milliseconds, &["index search"], LISTS),
    kind(
        ("recall_dense_8", "recall, dense, 8 at once"),
        Recall,
        Milliseconds,
        &["index search"],
        "as alone, and questions share the processors",
    ),
    kind(("recall_lexical_8", "recall, lexical, 8 at once"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("recall_namespace_8", "one namespace, 8 at once"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("recall_filter_8", "payload filter, 8 at once"), Recall, Milliseconds, &["index search"], LISTS),
    kind(("write_http", "one durable write, HTTP"), Write, Milliseconds, &["SQLite commit", "HTTP GET /livez"], LOOKUP),
    kind(("write_engine", "one durable write, in process"), Write, Milliseconds, &["SQLite commit"], LOOKUP),
    kind(
        ("write_then_read", "write, then read it"),
        Read,
        Milliseconds,
        &["commit, upsert and select"],
        "one batch of the projector: an upsert and a record transaction",
    ),
    kind(
        ("clients_accepted", "64 clients, accepted"),
        Clients,
        EventsPerSecond,
        &["SQLite commits, one by one", "HTTP GET /livez, 64 clients"],
        LOOKUP,
    ),
    kind(("clients_stored", "64 clients, in both stores"), Clients, EventsPerSecond, &["index upserts"], PACK),
    kind(
        ("restart", "start to ready, with the memories"),
        Restart,
        Milliseconds,
        &["opening table and index"],
        "the index is loaded and its postings read",
    ),
    kind(
        ("memory_anonymous", "resident memory, anonymous"),
        Space,
        Mebibytes,
        &["dense vectors alone"],
        "posting lists, ids and payload indexes of every memory",
    ),
    kind(
        ("memory_files", "resident memory, file pages"),
        Space,
        Mebibytes,
        &["dense vectors alone"],
        "vectors and payloads are mapped; the system keeps what it has room for",
    ),
    kind(("disk_journal", "disk, journal"), Space, BytesPerMemory, &["SQLite table"], NOT),
    kind(("disk_records", "disk, records"), Space, BytesPerMemory, &["SQLite table"], NOT),
    kind(("disk_vectors", "disk, vectors"), Space, BytesPerMemory, &["dense vectors alone"], NOT),
];

/// All figures: those of one machine, then those of the consumer on its servers.
pub(super) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(servers::KINDS)
}

/// The figure of a name.
///
/// # Panics
/// When the catalogue does not have it; a test runs every measurement.
pub(super) fn of(name: &str) -> &'static Kind {
    all().find(|kind| kind.name == name).expect("every figure that is measured stands in the catalogue")
}
