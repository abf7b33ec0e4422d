//! A memory as readers see it.

use serde_json::Value;

use crate::event::EventType;
use crate::ids::{EventId, MemoryId, Namespace, Place, Timestamp};

/// The current state of one memory. A deleted memory has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// Whose it is.
    pub namespace: Namespace,
    /// Any JSON, canonical.
    pub payload: Value,
    /// Finite, at least 0.
    pub importance: Option<f64>,
    /// Which model made the writer's own vector.
    pub model_revision: Option<String>,
    /// Time of the first event that set it since it last came into being.
    pub created_at: Timestamp,
    /// Time of the event that it shows.
    pub updated_at: Timestamp,
    /// How many valid events it has had.
    pub version: u64,
    /// The event that it shows: its ETag.
    pub event_id: EventId,
}

/// One event of a memory's history, as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The event.
    pub event_id: EventId,
    /// What it did.
    pub kind: EventType,
    /// When it happened, by its writer's clock.
    pub timestamp: Timestamp,
    /// Where it lies.
    pub place: Place,
    /// What it set; absent for deletes and for what a delete erased.
    pub payload: Option<Value>,
}
