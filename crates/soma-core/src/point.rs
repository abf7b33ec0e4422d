//! From record to point: what the index holds of a memory is made of its state and its vector alone.
//!
//! The projector, a repair and a verification all make points here, so they cannot disagree.

use crate::embed::sparse;
use crate::fold::State;
use crate::index::Point;
use crate::turn::Turn;

impl Point {
    /// The point of a live state; `None` when readers do not see the memory.
    #[must_use]
    pub fn of(state: &State, dense: Vec<f32>) -> Option<Self> {
        let content = state.content.as_ref()?;
        let turn = Turn::of(&content.payload);
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
            sparse: sparse::memory(&turn, state.updated_at),
            thread: turn.thread,
            payload: content.payload.clone(),
            dense,
        })
    }
}
