//! Remember, recall, forget: what HTTP, the command line and every other surface call.
//!
//! The engine appends events and reads stores; it never writes a store.

mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::embed::Embedder;
use crate::error::Result;
use crate::event::Event;
use crate::ids::{EventId, MemoryId, Place, Position};
use crate::index::VectorIndex;
use crate::log::{DeadLetters, EventLog};
use crate::memory::Memory;
use crate::recall;
use crate::store::{MemoryStore, ProjectorName};

/// The ports that the engine works on.
#[derive(Clone)]
pub struct Engine {
    /// Where events go.
    pub log: Arc<dyn EventLog>,
    /// Where refused events went.
    pub letters: Arc<dyn DeadLetters>,
    /// What readers see.
    pub store: Arc<dyn MemoryStore>,
    /// What recall searches.
    pub index: Arc<dyn VectorIndex>,
    /// What turns queries into vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// The projector that fills `store` and `index`.
    pub projector: ProjectorName,
    /// The largest event value, in bytes.
    pub value_bytes_max: usize,
}

/// What became of one event that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The memory.
    pub id: MemoryId,
    /// The event.
    pub event_id: EventId,
    /// Where it lies.
    pub place: Place,
    /// Whether the log had it already: the first answer again.
    pub repeated: bool,
}

/// What became of a durable write when the caller asked for it to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Both stores have it.
    Yes,
    /// Not in time; it is durable in the log and will be projected.
    NotYet,
}

impl Engine {
    /// Appends events, durably, in order. An event whose id the log already holds is answered with
    /// its first place.
    ///
    /// # Errors
    /// Per item: `too_large`; `idempotency_conflict` when the log holds another event under the same
    /// event id (timestamps aside). For the whole call: `unavailable` (also when the log took longer than
    /// [`crate::limits::APPEND_TIMEOUT`]), `storage_full`, `corrupt`.
    pub async fn append(&self, events: Vec<Event>, traceparent: Option<&str>) -> Result<Vec<Result<Written>>> {
        write::append(self, events, traceparent).await
    }

    /// Returns when both stores have passed `position`.
    ///
    /// # Errors
    /// `position_not_reached` after `bound`; `bad_position` when it names a log or partition that
    /// this system has not; `unavailable`.
    pub async fn wait(&self, position: &Position, bound: Duration) -> Result<()> {
        read::wait(self, position, bound).await
    }

    /// Waits until a write is stored.
    ///
    /// # Errors
    /// `dead_lettered`, with the reason, when it became a dead letter; `unavailable`.
    pub async fn stored(&self, written: &Written, bound: Duration) -> Result<Stored> {
        read::stored(self, written, bound).await
    }

    /// The memory of that id.
    ///
    /// # Errors
    /// `not_found` when there is none or it is deleted; `unavailable`, `corrupt`.
    pub async fn get(&self, id: MemoryId) -> Result<Memory> {
        read::get(self, id).await
    }

    /// What the stores have passed.
    ///
    /// # Errors
    /// `unavailable`, `corrupt`.
    pub async fn position(&self) -> Result<Position> {
        read::position(self).await
    }

    /// Answers a question.
    ///
    /// # Errors
    /// `bad_request` for an empty question, a vector of the wrong length, a `top_k` out of bounds;
    /// `position_not_reached`; `unavailable`, `corrupt`.
    pub async fn recall(&self, request: &recall::Request) -> Result<recall::Answer> {
        recall::recall(self, request).await
    }
}
