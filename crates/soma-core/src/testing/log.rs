//! An event log in memory, with as many partitions as a test wants.
//!
//! Behaves as the journal does (event ids once, erase, find) and can be made to look like a topic:
//! gaps between offsets, retention, and being recreated under the same name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::lock;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::event::codec;
use crate::ids::{EventId, LogId, MemoryId, Offset, Partition, Place};
use crate::log::{Appended, Bounds, Erasure, EventLog, NewRecord, ReadLimit, Record};

/// An [`EventLog`] in memory.
pub struct Log {
    id: LogId,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    grown: Notify,
}

struct Inner {
    partitions: Vec<Part>,
    known: HashMap<EventId, (Partition, Offset)>,
}

#[derive(Default)]
struct Part {
    first: Offset,
    next: Offset,
    records: BTreeMap<Offset, Record>,
}

impl Log {
    /// An empty log; records are spread over `partitions` by their keys.
    #[must_use]
    pub fn new(name: &str, partitions: Partition, clock: Arc<dyn Clock>) -> Self {
        let partitions = (0..partitions).map(|_| Part::default()).collect();
        let inner = Mutex::new(Inner { partitions, known: HashMap::new() });
        Self { id: LogId::new(name), clock, inner, grown: Notify::new() }
    }

    /// Leaves a gap: the next record of the partition lies `offsets` further.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn skip(&self, partition: Partition, offsets: u64) {
        lock(&self.inner).partitions[partition as usize].next += offsets;
    }

    /// Drops the records below `first`, as retention does.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn retain_from(&self, partition: Partition, first: Offset) {
        let part = &mut lock(&self.inner).partitions[partition as usize];
        part.records = part.records.split_off(&first);
        part.first = first.min(part.next);
    }

    /// Empties the log under its own name: offsets begin at 0 again.
    pub fn recreate(&self) {
        let mut inner = lock(&self.inner);
        inner.known.clear();
        inner.partitions.iter_mut().for_each(|part| *part = Part::default());
    }

    /// The same records under another name, as those of a topic whose log was renewed.
    #[must_use]
    pub fn renewed(&self, name: &str) -> Self {
        let id = LogId::new(name);
        let inner = lock(&self.inner);
        let named = |record: &Record| {
            let place = Place { log: id.clone(), ..record.place.clone() };
            (place.offset, Record { place, ..record.clone() })
        };
        let part = |part: &Part| Part {
            first: part.first,
            next: part.next,
            records: part.records.values().map(named).collect(),
        };
        let (partitions, known) = (inner.partitions.iter().map(part).collect(), inner.known.clone());
        Self {
            id: id.clone(),
            clock: Arc::clone(&self.clock),
            inner: Mutex::new(Inner { partitions, known }),
            grown: Notify::new(),
        }
    }

    /// Every retained record, by partition and offset.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.inner).partitions.iter().flat_map(|part| part.records.values().cloned()).collect()
    }

    /// The partition that records with this key lie in.
    #[must_use]
    pub fn partition_of(&self, key: Option<&[u8]>) -> Partition {
        let partitions = lock(&self.inner).partitions.len() as u64;
        Partition::try_from(key.map_or(0, xxh3_64) % partitions).expect("below a number of partitions")
    }
}

/// Whether the record's key names this memory, in any spelling of a UUID.
fn is_of(record: &Record, id: MemoryId) -> bool {
    record.key.as_deref().and_then(|key| Uuid::try_parse_ascii(key).ok()) == Some(id.0)
}

fn part_of(inner: &Inner, partition: Partition) -> Result<&Part> {
    inner
        .partitions
        .get(partition as usize)
        .ok_or_else(|| Error::new(Code::Internal, format!("the log has no partition {partition}")))
}

#[async_trait]
impl EventLog for Log {
    fn id(&self) -> &LogId {
        &self.id
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        let mut appended = Vec::with_capacity(records.len());
        for NewRecord { key, value, headers, event_id } in records {
            let partition = self.partition_of(key.as_deref());
            let mut inner = lock(&self.inner);
            if let Some((partition, offset)) = event_id.and_then(|id| inner.known.get(&id).copied())
                && let Some(record) = inner.partitions[partition as usize].records.get(&offset)
            {
                appended.push(Appended::Existing(Box::new(record.clone())));
                continue;
            }
            let part = &mut inner.partitions[partition as usize];
            let place = Place { log: self.id.clone(), partition, offset: part.next };
            let record = Record { place: place.clone(), timestamp: self.clock.now(), key, value, headers };
            part.records.insert(part.next, record);
            part.next += 1;
            if let Some(id) = event_id {
                inner.known.insert(id, (partition, place.offset));
            }
            appended.push(Appended::New(place));
        }
        self.grown.notify_waiters();
        Ok(appended)
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        let inner = lock(&self.inner);
        let mut bytes = 0_usize;
        let mut records = Vec::new();
        for record in part_of(&inner, partition)?.records.range(from..).map(|(_, record)| record) {
            bytes = bytes.saturating_add(record.size_bytes());
            if records.len() >= limit.records || (bytes > limit.bytes && !records.is_empty()) {
                break;
            }
            records.push(record.clone());
        }
        Ok(records)
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        let inner = lock(&self.inner);
        Ok((0..)
            .zip(&inner.partitions)
            .map(|(partition, p)| Bounds { partition, first: p.first, next: p.next })
            .collect())
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        loop {
            let grown = self.grown.notified();
            if part_of(&lock(&self.inner), partition)?.records.range(from..).next().is_some() {
                return Ok(());
            }
            grown.await;
        }
    }

    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        let mut inner = lock(&self.inner);
        part_of(&inner, partition)?;
        let part = &mut inner.partitions[partition as usize];
        for (id, erasure) in items {
            for record in part.records.values_mut().filter(|record| is_of(record, *id) && erasure.covers(record)) {
                if record.header(codec::ERASED).is_none()
                    && let Some(value) = codec::erase(record)
                {
                    record.value = Some(value);
                    record.headers.push((codec::ERASED.to_owned(), b"1".to_vec()));
                }
            }
        }
        Ok(())
    }

    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        let inner = lock(&self.inner);
        let place = inner.known.get(&event_id);
        Ok(place.and_then(|(partition, offset)| inner.partitions[*partition as usize].records.get(offset).cloned()))
    }
}
