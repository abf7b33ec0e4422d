//! The rooms on the servers, and what all parts of the measurement share.

use std::path::PathBuf;
use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::error::Code;
use soma_core::event::build::Draft;
use soma_core::event::{Event, codec};
use soma_core::ids::Namespace;
use soma_core::log::{EventLog, NewRecord};
use soma_core::{Error, Result, limits};
use tokio::runtime::Runtime;

use super::super::super::client::runtime;
use super::super::batches::per_second;
use super::super::texts::{Item, Texts};
use super::Flags;
use crate::config::Config;
use crate::config::embedder;
use crate::wiring::bare;
use crate::wiring::servers::Servers;

/// What every part works with.
pub(super) struct Site {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) runtime: Runtime,
    pub(super) servers: Arc<Servers>,
    pub(super) config: Config,
    /// What is measured.
    pub(super) binary: PathBuf,
    /// What the index is, by its own word.
    pub(super) index: String,
    texts: Texts,
    rooms: Vec<&'static str>,
    has_topics: bool,
}

impl Site {
    /// Makes nothing on the servers yet.
    ///
    /// # Errors
    /// `bad_config` when a server is not named; `unavailable`.
    pub(super) fn new(mut config: Config, flags: &Flags, clock: Arc<dyn Clock>) -> Result<Self> {
        config.embedder = config.embedder.without_model();
        let number: String = clock.random().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let servers = Arc::new(Servers::of(&config, &format!("soma-bench-{number}"), &clock)?);
        let runtime = runtime()?;
        let embedder = runtime.block_on(bare::embedder(&config))?;
        let index = runtime.block_on(servers.index())?;
        let failed = |error| Error::new(Code::Unavailable, "the binary cannot be started again").because(error);
        let binary = flags.binary.clone().map_or_else(|| std::env::current_exe().map_err(failed), Ok)?;
        let texts = Texts::new(flags.seed);
        let (rooms, has_topics) = (Vec::new(), false);
        Ok(Self { clock, embedder, runtime, servers, config, binary, index, texts, rooms, has_topics })
    }

    /// What people should know about the figures.
    pub(super) fn words(&self) -> String {
        format!("The index is {}: its figures are those of that server.", self.index)
    }

    /// The variables that send a process into a room, with an embedder that needs no model.
    pub(super) fn variables(&self, room: &str) -> Vec<(&'static str, String)> {
        let mut variables = self.servers.variables(room);
        if let embedder::Embedder::Hash { dims } = self.config.embedder {
            variables.extend([("SOMA_EMBEDDER", "hash".to_owned()), ("MEMORY_VECTOR_DIM", dims.to_string())]);
        }
        variables
    }

    /// Notes that there is, or soon will be, something to remove there.
    pub(super) fn enter(&mut self, room: &'static str) {
        self.rooms.push(room);
    }

    /// Makes the topics.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn make_topics(&mut self, partitions: u16) -> Result<()> {
        self.has_topics = true;
        self.runtime.block_on(self.servers.make_topics(partitions))
    }

    /// Removes a room.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn leave(&mut self, room: &'static str) -> Result<()> {
        self.rooms.retain(|kept| *kept != room);
        self.runtime.block_on(self.servers.empty(room))
    }

    /// Removes whatever is left.
    ///
    /// # Errors
    /// The first failure; everything is tried.
    pub(super) fn remove(&mut self) -> Result<()> {
        let mut removed = Ok(());
        for room in std::mem::take(&mut self.rooms) {
            removed = removed.and(self.runtime.block_on(self.servers.empty(room)));
        }
        if std::mem::take(&mut self.has_topics) {
            removed = removed.and(self.runtime.block_on(self.servers.remove_topics()));
        }
        removed
    }

    /// The next so many events.
    ///
    /// # Errors
    /// Those of building an event.
    pub(super) fn events(&mut self, count: usize) -> Result<Vec<Event>> {
        let clock = self.clock.as_ref();
        let event =
            |Item { namespace, payload }: Item| Draft::created(Namespace::parse(&namespace)?, payload).build(clock);
        self.texts.items(count).into_iter().map(event).collect()
    }

    /// The next so many payloads, as `POST /v1/memories` takes them.
    pub(super) fn bodies(&mut self, count: usize) -> Vec<Vec<u8>> {
        self.texts.items(count).iter().map(|item| item.body().to_string().into_bytes()).collect()
    }

    /// Appends so many events to the topic.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn fill(&mut self, events: u64) -> Result<()> {
        let log = self.runtime.block_on(self.servers.log())?;
        let mut left = usize::try_from(events).unwrap_or(usize::MAX);
        while left > 0 {
            let some = self.events(left.min(limits::BATCH_ITEMS_MAX))?;
            left -= some.len();
            append(self, &log, &some)?;
        }
        Ok(())
    }

    /// Events a second that a bare consumer reads.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn consume_alone(&self, events: u64) -> Result<f64> {
        let seconds = self.runtime.block_on(self.servers.consume(events))?;
        Ok(per_second(usize::try_from(events).unwrap_or(usize::MAX), seconds * 1e3))
    }
}

fn append(site: &Site, log: &Arc<dyn EventLog>, events: &[Event]) -> Result<()> {
    let records = events.iter().map(record).collect();
    site.runtime.block_on(log.append(records)).map(drop)
}

/// An event as a writer hands it over.
pub(super) fn record(event: &Event) -> NewRecord {
    NewRecord {
        key: Some(event.id.to_string().into_bytes()),
        value: Some(codec::encode(event)),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        event_id: Some(event.event_id),
    }
}
