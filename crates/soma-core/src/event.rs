//! The event: the one thing that writers publish and everything else follows from.
//!
//! Built strictly ([`build`]), read tolerantly ([`codec`]). What an event *means* is decided in
//! [`crate::fold`] and nowhere else.

pub mod build;
pub mod codec;
pub mod derive;
mod fields;
pub mod frame;
pub mod schemas;

use serde_json::Value;

use crate::ids::{EventId, MemoryId, Namespace, Timestamp};

/// What an event does to its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Sets the whole payload, and brings a deleted memory back.
    Created,
    /// Sets the whole payload of a memory that is not deleted.
    Updated,
    /// Removes the memory.
    Deleted,
}

impl EventType {
    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    /// The type of that spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Updated, Self::Deleted].into_iter().find(|t| t.as_str() == text)
    }
}

/// What a `created` or `updated` event sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Any JSON, canonical (see [`crate::json`]).
    pub payload: Value,
    /// Finite, at least 0.
    pub importance: Option<f64>,
    /// The writer's own vector, as it was sent; whether it is used is decided when embedding.
    pub embedding: Option<Vec<f64>>,
    /// Which model made `embedding`.
    pub model_revision: Option<String>,
}

/// One valid event, however it was spelled on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Takes effect once.
    pub event_id: EventId,
    /// The memory.
    pub id: MemoryId,
    /// The memory's namespace; absent only for a tombstone, which cannot carry one.
    pub namespace: Option<Namespace>,
    /// What it does.
    pub kind: EventType,
    /// When it happened, by its writer's clock.
    pub timestamp: Timestamp,
    /// What it sets; absent for `deleted` and for an event whose content a later delete erased.
    pub content: Option<Content>,
}
