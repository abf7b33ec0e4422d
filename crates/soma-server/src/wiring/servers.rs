//! The servers of the cluster profile, for `soma bench consumer`: rooms of its own on each of them, which
//! it removes at the end, and what each does alone.

use std::sync::Arc;
use std::time::Duration;

use soma_cluster::{kafka, postgres, qdrant};
use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::log::EventLog;
use soma_core::store::MemoryStore;
use soma_core::{Error, Result};

pub(crate) use kafka::bare::Sender;
pub(crate) use postgres::bare::{Row, Table};
pub(crate) use qdrant::bare::{Points, Prepared};

use super::cluster::{kafka_settings, postgres_settings, qdrant_settings};
use crate::config::Config;

/// How long the index may take for one request: what is measured here is not the bound of the consumer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The servers that the configuration names, and the name under which rooms are made on them.
pub(crate) struct Servers {
    kafka: kafka::Settings,
    postgres: postgres::Settings,
    qdrant: qdrant::Settings,
    clock: Arc<dyn Clock>,
    name: String,
}

impl Servers {
    /// # Errors
    /// `bad_config` when one of them is not named.
    pub(crate) fn of(config: &Config, name: &str, clock: &Arc<dyn Clock>) -> Result<Self> {
        let lacking = |variable: &str| {
            Error::new(Code::BadConfig, format!("the consumer is measured on three servers, and {variable} is not set"))
                .at(variable)
                .remedy("set KAFKA_BOOTSTRAP_SERVERS, POSTGRES_URL and QDRANT_URL")
        };
        let kafka = config.kafka.as_ref().ok_or_else(|| lacking("KAFKA_BOOTSTRAP_SERVERS"))?;
        let postgres = config.postgres.as_ref().ok_or_else(|| lacking("POSTGRES_URL"))?;
        let qdrant = config.qdrant.as_ref().ok_or_else(|| lacking("QDRANT_URL"))?;
        let mut kafka = kafka_settings(kafka);
        kafka.topic = name.to_owned();
        kafka.dlq_topic = format!("{name}-dlq");
        kafka.group = name.to_owned();
        let postgres = postgres_settings(postgres)?;
        let qdrant = qdrant::Settings { timeout: PATIENCE, ..qdrant_settings(qdrant) };
        Ok(Self { kafka, postgres, qdrant, clock: Arc::clone(clock), name: name.to_owned() })
    }

    /// Makes the topics.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn make_topics(&self, partitions: u16) -> Result<()> {
        kafka::bare::make_topics(&self.kafka, partitions.into(), &self.clock).await
    }

    /// Makes a schema for one room.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn make_schema(&self, room: &str) -> Result<()> {
        postgres::bare::make_schema(&self.postgres, &self.schema(room)).await
    }

    /// Removes the schema and the collection of a room.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`; both are tried.
    pub(crate) async fn empty(&self, room: &str) -> Result<()> {
        let collection = qdrant::bare::remove(&self.points_of(room)).await;
        postgres::bare::drop_schema(&self.postgres, &self.schema(room)).await.and(collection)
    }

    /// Removes the topics and the groups.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn remove_topics(&self) -> Result<()> {
        let group = &self.kafka.group;
        let groups = [group.clone(), format!("{group}-records"), self.plain_group()];
        kafka::bare::remove(&self.kafka, &groups, &self.clock).await
    }

    /// A group of its own for a consumer that is not ours.
    pub(crate) fn plain_group(&self) -> String {
        format!("{}-plain", self.kafka.group)
    }

    /// What the index says that it is.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) async fn index(&self) -> Result<String> {
        let facts = qdrant::facts(&self.qdrant).await?;
        Ok(format!("what answers as Qdrant {} at {}", facts.version, facts.url))
    }

    /// The log on the topic.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn log(&self) -> Result<Arc<dyn EventLog>> {
        Ok(kafka::Log::connect(&self.kafka, 1, &self.clock).await?)
    }

    /// The record store of a room.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn store(&self, room: &str) -> Result<Arc<dyn MemoryStore>> {
        Ok(Arc::new(postgres::Records::connect(&self.records_of(room), Arc::clone(&self.clock)).await?))
    }

    /// Plain tables in a room of their own.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn table(&self, room: &str) -> Result<Table> {
        self.make_schema(room).await?;
        Table::make(&self.records_of(room)).await
    }

    /// A plain collection in a room of its own.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub(crate) async fn points(&self, room: &str, identity: &Identity) -> Result<Points> {
        Points::make(&self.points_of(room), identity).await
    }

    /// A bare producer on the topic.
    ///
    /// # Errors
    /// `bad_config`.
    pub(crate) fn sender(&self) -> Result<Sender> {
        Sender::start(&self.kafka, &self.clock)
    }

    /// Reads so many records of the topic with a bare consumer: the seconds that it took.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) async fn consume(&self, records: u64) -> Result<f64> {
        Ok(kafka::bare::consume(&self.kafka, records, &self.clock).await?.as_secs_f64())
    }

    /// The variables that send a process into a room.
    pub(crate) fn variables(&self, room: &str) -> Vec<(&'static str, String)> {
        vec![
            ("KAFKA_MEMORY_EVENTS_TOPIC", self.kafka.topic.clone()),
            ("KAFKA_MEMORY_DLQ_TOPIC", self.kafka.dlq_topic.clone()),
            ("KAFKA_CONSUMER_GROUP", self.kafka.group.clone()),
            ("POSTGRES_URL", self.records_of(room).url),
            ("QDRANT_COLLECTION", self.points_of(room).collection),
        ]
    }

    /// The brokers, the record server's address in the room, and the point server's.
    pub(crate) fn addresses(&self, room: &str) -> [String; 3] {
        [self.kafka.bootstrap.clone(), self.records_of(room).url, self.qdrant.url.clone()]
    }

    fn schema(&self, room: &str) -> String {
        format!("{}_{room}", self.name.replace('-', "_"))
    }

    fn records_of(&self, room: &str) -> postgres::Settings {
        let mut settings = self.postgres.clone();
        let sign = if settings.url.contains('?') { '&' } else { '?' };
        settings.url = format!("{}{sign}options=-csearch_path%3D{}", settings.url, self.schema(room));
        settings
    }

    fn points_of(&self, room: &str) -> qdrant::Settings {
        qdrant::Settings { collection: format!("{}-{room}", self.name), ..self.qdrant.clone() }
    }
}
