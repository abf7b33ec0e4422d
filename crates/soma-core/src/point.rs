//! From record to point: what the index holds of a memory is made of its state, its neighbours and
//! their vectors alone.
//!
//! The projector, a repair and a verification all make points here, so they cannot disagree. How an
//! index of Qdrant's kind holds a point ([`stored`]) and checks a search's conditions on it
//! ([`condition`]) is here too, as data: in process and on a server it is the same.

pub mod condition;
mod facts;
mod fields;
mod holders;
pub mod stored;

pub use facts::FACTS;
pub use holders::Holders;

use serde_json::Value;

use crate::context::{AROUND, share};
use crate::embed::language::Language;
use crate::embed::sparse::{Lexicon, Said, Section};
use crate::fold::State;
use crate::ids::Timestamp;
use crate::index::Point;
use crate::turn::Turn;

/// What a point takes from the words of a payload, and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worded {
    thread: Option<String>,
    said: Said,
}

impl Worded {
    /// Of a payload that was set at this time, in the words of its namespace.
    pub(crate) fn of(payload: &Value, set_at: Timestamp, lexicon: &Lexicon) -> Self {
        let turn = Turn::of(payload);
        Self { said: Said::by(&turn, set_at, lexicon), thread: turn.thread }
    }
}

/// What a memory lends to points: its words, and its own vector where that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) worded: &'a Worded,
    pub(crate) dense: Option<&'a [f32]>,
}

impl Point {
    /// The point of a live state that stands alone, in English; `None` when readers do not see the memory.
    #[must_use]
    pub fn of(state: &State, dense: Vec<f32>) -> Option<Self> {
        let lexicon = Lexicon::of(state.namespace.as_ref()?, Language::English);
        let worded = Worded::of(&state.content.as_ref()?.payload, state.updated_at, &lexicon);
        let own = Lent { worded: &worded, dense: Some(&dense) };
        Self::among(state, &own, &Default::default())
    }

    /// The point of a live state among the turns at [`AROUND`]. `None` when readers do not see the
    /// memory or it lends no vector.
    pub(crate) fn among(state: &State, own: &Lent<'_>, around: &[Option<Lent<'_>>; AROUND.len()]) -> Option<Self> {
        let content = state.content.as_ref()?;
        let share = share(own.worded.said.text.len());
        let beside = || AROUND.iter().zip(around).filter_map(|(beside, lent)| Some((beside, lent.as_ref()?)));
        let words = beside().map(|(beside, lent)| {
            let terms = &lent.worded.said.text;
            Section { terms, weight: beside.words * share }
        });
        let meanings = beside().filter_map(|(beside, lent)| Some((lent.dense?, beside.meaning * share)));
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
            thread: own.worded.thread.clone(),
            payload: content.payload.clone(),
            dense: mixed(own.dense?, meanings),
            sparse: own.worded.said.among(words),
        })
    }
}

/// The sum of a vector and its neighbours, of norm 1. Without neighbours, the vector to the bit.
fn mixed<'a>(own: &[f32], around: impl Iterator<Item = (&'a [f32], f64)>) -> Vec<f32> {
    let mut sum: Option<Vec<f64>> = None;
    for (vector, weight) in around.filter(|(_, weight)| *weight > 0.0) {
        let sum = sum.get_or_insert_with(|| own.iter().map(|x| f64::from(*x)).collect());
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * f64::from(*x));
    }
    let Some(sum) = sum else { return own.to_vec() };
    let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    // Neighbours that cancel a vector out leave nothing to search by.
    if norm > f64::from(f32::EPSILON) { sum.into_iter().map(|x| (x / norm) as f32).collect() } else { own.to_vec() }
}

#[cfg(test)]
mod tests;
