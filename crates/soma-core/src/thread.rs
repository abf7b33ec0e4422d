//! Threads: which conversation a memory is a turn of, and where in it.
//!
//! Turns of one thread are each other's context, so their order has to be the same for everybody
//! who derives it: stores keep it in columns of their own, the projector and a verification ask
//! them for neighbours, and all of them derive it here.

use std::cmp::Ordering;

use serde_json::Value;

use crate::fold::State;
use crate::ids::{MemoryId, Namespace, Timestamp};
use crate::turn::{self, Occurred};

/// One conversation of a namespace. In order: by namespace, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thread {
    /// Whose conversation.
    pub namespace: Namespace,
    /// Its name: at most [`crate::limits::NAME_BYTES_MAX`] bytes, without control characters.
    pub name: String,
}

/// The place of a turn in its thread. In order: by `seq`, those without one last; then by the moment,
/// then by id.
#[derive(Clone, Copy, Debug)]
pub struct TurnKey {
    /// The place that the payload gives; finite, and never −0.
    pub seq: Option<f64>,
    /// The moment that the payload gives, else the time of the event that created the memory: an
    /// update that says nothing about it leaves a turn where it stood.
    pub occurred_at: Timestamp,
    /// The memory.
    pub id: MemoryId,
}

impl Ord for TurnKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |key: &Self| (key.occurred_at, key.id);
        let seq = |key: &Self| key.seq.unwrap_or(0.0);
        let last = |key: &Self| key.seq.is_none();
        last(self)
            .cmp(&last(other))
            .then_with(|| seq(self).total_cmp(&seq(other)))
            .then_with(|| place(self).cmp(&place(other)))
    }
}

impl PartialOrd for TurnKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for TurnKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for TurnKey {}

/// What a store keeps of a turn beside its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The conversation.
    pub thread: Thread,
    /// The place in it.
    pub key: TurnKey,
    /// Who speaks; bounded as [`Thread::name`].
    pub actor: Option<String>,
}

impl Placed {
    /// Of a memory; `None` when readers do not see it or it is no turn of a thread.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let (content, namespace) = (state.content.as_ref()?, state.namespace.as_ref()?);
        Self::at(state.id, namespace, &content.payload, state.created_at)
    }

    /// Of a payload, set for a memory that came into being at this time.
    pub(crate) fn at(id: MemoryId, namespace: &Namespace, payload: &Value, created_at: Timestamp) -> Option<Self> {
        let place = turn::Place::of(payload)?;
        let occurred_at = match place.occurred {
            Some(Occurred::At { moment, .. }) => moment,
            Some(Occurred::Words(_)) | None => created_at,
        };
        Some(Self {
            thread: Thread { namespace: namespace.clone(), name: place.thread },
            // Adding 0 turns −0 into 0, which databases do not tell apart.
            key: TurnKey { seq: place.seq.map(|seq| seq + 0.0), occurred_at, id },
            actor: place.actor,
        })
    }
}

#[cfg(test)]
mod tests;
