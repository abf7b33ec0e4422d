//! The event log: the truth, as a port.
//!
//! A log has partitions; a partition is a sequence of records at growing offsets. All events of one
//! memory lie in one partition. The embedded journal has one partition, 0.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::codec;
use crate::ids::{EventId, LogId, MemoryId, Offset, Partition, Place, Timestamp};

/// A record as a writer hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The memory's id in canonical spelling, for events of ours.
    pub key: Option<Vec<u8>>,
    /// The event as JSON; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Name and value, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The event's id, when the writer knows it: a log that can tell refuses to hold it twice and
    /// answers with the first record instead ([`Appended::Existing`]). Records without one are
    /// always appended.
    pub event_id: Option<EventId>,
}

/// A record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub place: Place,
    /// When the log took it, by the log's clock.
    pub timestamp: Timestamp,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Name and value, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// Bytes that count towards a batch: key, value and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }

    /// The value of the last header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }
}

/// What became of one record of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It lies here, durably.
    New(Place),
    /// The log already held a record with its event id; nothing was appended.
    Existing(Box<Record>),
}

/// The offsets that a partition retains: `first ..  next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The partition.
    pub partition: Partition,
    /// The first retained offset.
    pub first: Offset,
    /// The offset that the next record will get, at least.
    pub next: Offset,
}

/// How much one read returns at most.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// Records.
    pub records: usize,
    /// Bytes by [`Record::size_bytes`]; the first record is returned however large it is.
    pub bytes: usize,
}

/// Which of a memory's records in a partition lose their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Those that lie below this offset, and those that first lay below it and were redriven.
    Below(Offset),
    /// The one that lies here.
    At(Offset),
}

impl Erasure {
    /// Whether it covers a record of the memory.
    #[must_use]
    pub fn covers(self, record: &Record) -> bool {
        let at = &record.place;
        match self {
            Self::At(offset) => at.offset == offset,
            Self::Below(below) => {
                let first_lay = || codec::place(record).is_ok_and(|o| o.same_partition(at) && o.offset < below);
                at.offset < below || first_lay()
            }
        }
    }
}

/// The log of memory events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The log's name, which never changes for the same log.
    fn id(&self) -> &LogId;

    /// Appends records in order and returns when they are durable.
    ///
    /// All or nothing where the log can do that (the journal can). An error means that nothing was
    /// acknowledged; the records may be in the log all the same, and repeating the append is safe.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`, `too_large`.
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>>;

    /// Records of one partition from `from` on, in order; empty at the end of the log.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>>;

    /// Forgets what was read of the partition ahead of its readers: something read does not fit, and before
    /// anybody concludes anything from it, the log itself is to be asked again.
    fn forget_ahead(&self, _partition: Partition) {}

    /// The retained offsets of every partition.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn bounds(&self) -> Result<Vec<Bounds>>;

    /// Returns once the partition holds a record at or beyond `from`. Cancel by dropping.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn wait(&self, partition: Partition, from: Offset) -> Result<()>;

    /// Blanks the content of these memories' records in the partition, where the log can (a Kafka topic
    /// cannot and does nothing). What remains is an event without content that keeps
    /// its ids, type and time (see [`crate::event::codec::erase`]). Repeating it changes nothing.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()>;

    /// Whether [`EventLog::append`] and [`EventLog::find`] know every event id that the log holds. Where
    /// they do not (Kafka), the records are asked, as far as they have come, and the projector recognises
    /// the rest.
    fn knows_event_ids(&self) -> bool {
        true
    }

    /// The record with that event id, where the log can tell (`None` otherwise).
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn find(&self, event_id: EventId) -> Result<Option<Record>>;
}

/// A record that cannot be applied, with what is needed to understand and to redrive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Source, key, value and headers as they were; the letter is identified by `record.place`.
    pub record: Record,
    /// The stable code of the refusal.
    pub reason: String,
    /// A sentence: field and reason.
    pub error: String,
    /// Which part refused it (`decoder`, `fold`, `store`, `index`).
    pub component: String,
    /// The event's id, when it could be read.
    pub event_id: Option<EventId>,
    /// When it was first refused.
    pub first_seen: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it has been redriven.
    pub redrives: u32,
}

impl DeadLetter {
    /// Header that counts how often a record was redriven.
    pub const REDRIVES: &str = "soma.dlq.redrives";
    /// Header of a letter: where its record went when it was last redriven.
    pub const REDRIVEN: &str = "soma.dlq.redriven";

    /// Where its record went when it was last redriven.
    #[must_use]
    pub fn redriven_to(&self) -> Option<Place> {
        std::str::from_utf8(self.record.header(Self::REDRIVEN)?).ok().and_then(|text| Place::parse(text).ok())
    }

    /// The letter once its record was redriven to that place.
    #[must_use]
    pub fn redriven(mut self, to: &Place) -> Self {
        self.redrives = self.redrives.saturating_add(1);
        self.note(to.to_string().into_bytes());
        self
    }

    /// What is kept when the source of this letter is put again: the first refusal stands, attempts
    /// are counted up, and so is a redrive that the other one notes.
    #[must_use]
    pub fn merged(mut self, again: &Self) -> Self {
        self.attempts = self.attempts.saturating_add(again.attempts.max(1));
        self.redrives = self.redrives.max(again.redrives);
        if let Some(to) = again.record.header(Self::REDRIVEN) {
            self.note(to.to_vec());
        }
        self
    }

    fn note(&mut self, redriven_to: Vec<u8>) {
        self.record.headers.retain(|(name, _)| name != Self::REDRIVEN);
        self.record.headers.push((Self::REDRIVEN.to_owned(), redriven_to));
    }
}

/// Where dead letters go.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Keeps letters durably; a letter whose source is already known is kept once, as
    /// [`DeadLetter::merged`] says.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `corrupt`.
    async fn put(&self, letters: Vec<DeadLetter>) -> Result<()>;

    /// Letters in the order of their sources, after the given source, at most `limit`.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<DeadLetter>>;

    /// The letter of that source.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn get(&self, source: &Place) -> Result<Option<DeadLetter>>;

    /// How many letters there are.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    async fn count(&self) -> Result<u64>;
}

/// A shared log.
pub type SharedLog = Arc<dyn EventLog>;
