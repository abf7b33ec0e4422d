//! The event log on a topic.
//!
//! Kafka cannot find an event by its id and cannot erase: every record is new, `find` knows nothing and
//! `erase` does nothing. Deleted content ends with the topic's retention, or stays.

use std::sync::Arc;

use async_trait::async_trait;
use soma_core::clock::Clock;
use soma_core::error::Result;
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Place};
use soma_core::log::{Appended, Bounds, Erasure, EventLog, NewRecord, ReadLimit, Record};
use soma_core::pulse::Pulses;

use super::diagnose;
use super::producer::{Outgoing, Producer};
use super::reader::Reader;
use super::settings::Settings;

/// An [`EventLog`] on Kafka.
pub struct Log {
    id: LogId,
    topic: String,
    producer: Arc<Producer>,
    reader: Reader,
}

/// What the topic of events is called everywhere: `<cluster id>/<topic>`. A log's name adds the generation.
///
/// # Errors
/// As [`Log::connect`].
pub async fn base_name(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<String> {
    let producer = Arc::new(Producer::start(settings, clock)?);
    let cluster = diagnose::cluster(&producer).await?;
    Ok(format!("{cluster}/{}", settings.topic))
}

impl Log {
    /// Connects to the cluster and to the leaders of the topic, so that the first append is quick.
    ///
    /// # Errors
    /// `unavailable` or `bad_config` with the cause and its remedy, within seconds.
    pub async fn connect(settings: &Settings, generation: u64, clock: &Arc<dyn Clock>) -> Result<Arc<Self>> {
        Self::connect_watched(settings, generation, clock, Pulses::new(Arc::clone(clock))).await
    }

    /// The same, with the threads that read among these loops.
    ///
    /// # Errors
    /// As [`Log::connect`].
    pub async fn connect_watched(
        settings: &Settings,
        generation: u64,
        clock: &Arc<dyn Clock>,
        pulses: Pulses,
    ) -> Result<Arc<Self>> {
        let producer = Arc::new(Producer::start(settings, clock)?);
        let reached = diagnose::reach(&producer, &settings.topic).await?;
        let id = LogId::new(&format!("{}/{}#{generation}", reached.cluster, settings.topic));
        let reader = Reader::new(id.clone(), &settings.topic, reached.partitions.len(), Arc::clone(&producer), pulses);
        let log = Self { id, topic: settings.topic.clone(), producer, reader };
        // Asking every leader for its ends connects to it.
        log.bounds().await?;
        Ok(Arc::new(log))
    }

    /// The client that others of this module share.
    pub(super) fn producer(&self) -> &Arc<Producer> {
        &self.producer
    }
}

#[async_trait]
impl EventLog for Log {
    fn id(&self) -> &LogId {
        &self.id
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        let outgoing: Vec<Outgoing> = records
            .into_iter()
            .map(|NewRecord { key, value, headers, event_id: _ }| Outgoing { key, value, headers, partition: None })
            .collect();
        let places = self.producer.append(&self.topic, &outgoing).await?;
        let appended = places.into_iter().map(|(partition, offset)| {
            self.reader.written(partition, offset + 1);
            Appended::New(Place { log: self.id.clone(), partition, offset })
        });
        Ok(appended.collect())
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        self.reader.read(partition, from, limit).await
    }

    fn forget_ahead(&self, partition: Partition) {
        self.reader.forget(partition);
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        let told = self.reader.told();
        let ends = match self.producer.all_ends(&self.topic).await {
            Ok(ends) => ends,
            Err(error) => return Err(diagnose::named(&self.producer, error).await),
        };
        self.producer.signals().clear();
        let bounds = ends.into_iter().map(|(partition, ends)| {
            self.reader.ends_at(&told, partition, ends.high)?;
            Ok(Bounds { partition, first: ends.low, next: ends.high })
        });
        bounds.collect()
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        self.reader.wait(partition, from).await
    }

    async fn erase(&self, _: Partition, _: &[(MemoryId, Erasure)]) -> Result<()> {
        Ok(())
    }

    fn knows_event_ids(&self) -> bool {
        false
    }

    async fn find(&self, _: EventId) -> Result<Option<Record>> {
        Ok(None)
    }
}
