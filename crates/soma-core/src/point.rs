//! From record to point: what the index holds of a memory is made of its state and its vector alone.
//!
//! The projector, a repair and a verification all make points here, so they cannot disagree. How an
//! index of Qdrant's kind holds a point ([`stored`]) and checks a search's conditions on it
//! ([`condition`]) is here too, as data: in process and on a server it is the same.

pub mod condition;
mod facts;
mod fields;
pub mod stored;

pub use facts::FACTS;

use serde_json::Value;

use crate::embed::sparse;
use crate::fold::State;
use crate::ids::Timestamp;
use crate::index::{Point, Sparse};
use crate::turn::Turn;

/// What a point takes from the words of a payload, and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worded {
    thread: Option<String>,
    sparse: Sparse,
}

impl Worded {
    /// Of a payload that was set at this time.
    pub(crate) fn of(payload: &Value, set_at: Timestamp) -> Self {
        let turn = Turn::of(payload);
        Self { sparse: sparse::memory(&turn, set_at), thread: turn.thread }
    }
}

impl Point {
    /// The point of a live state; `None` when readers do not see the memory.
    #[must_use]
    pub fn of(state: &State, dense: Vec<f32>) -> Option<Self> {
        let worded = Worded::of(&state.content.as_ref()?.payload, state.updated_at);
        Self::with(state, dense, worded)
    }

    /// As [`Self::of`], with the words of the state's payload and time.
    pub(crate) fn with(state: &State, dense: Vec<f32>, worded: Worded) -> Option<Self> {
        let content = state.content.as_ref()?;
        let Worded { thread, sparse } = worded;
        Some(Self {
            id: state.id,
            rev: state.rev,
            event_id: state.event_id,
            kind: state.kind,
            namespace: state.namespace.clone()?,
            created_at: state.created_at,
            updated_at: state.updated_at,
            importance: content.importance,
            model_revision: content.model_revision.clone(),
            thread,
            payload: content.payload.clone(),
            dense,
            sparse,
        })
    }
}
