//! Records to points: which vector a memory gets, and what the index has to do for a state.

use std::collections::HashMap;

use serde_json::Value;

use crate::embed::{Embedder, Identity};
use crate::error::Result;
use crate::event::{Content, Event};
use crate::fold::State;
use crate::ids::{EventId, Timestamp};
use crate::index::{Op, Point};
use crate::point::Worded;

/// Payloads embedded between two chances for other tasks to run.
pub(super) const EMBED_CHUNK: usize = 64;

/// What the index has to do so that it shows these states.
#[derive(Debug, Default)]
pub struct Planned {
    /// One operation per state, in the same order, each under the state's own `rev`.
    pub ops: Vec<Op>,
    /// Writers' own vectors that did not fit and were replaced by ours.
    pub embeddings_replaced: usize,
}

/// Vectors that were made before they were asked for, by the event that brought each payload.
#[derive(Debug, Default)]
pub(super) struct Embedded(HashMap<EventId, Made>);

#[derive(Debug)]
struct Made {
    payload: Value,
    at: Timestamp,
    dense: Vec<f32>,
    worded: Worded,
}

impl Embedded {
    /// Keeps the dense vector of an event's payload, and makes the sparse one. An event id may come twice
    /// with different payloads; one is kept.
    pub(super) fn keep(&mut self, event: &Event, payload: &Value, dense: Vec<f32>) {
        let worded = Worded::of(payload, event.timestamp);
        self.0.insert(event.event_id, Made { payload: payload.clone(), at: event.timestamp, dense, worded });
    }

    fn take(&mut self, state: &State, content: &Content) -> Option<(Vec<f32>, Worded)> {
        let made = self.0.get(&state.event_id)?;
        if made.payload != content.payload || made.at != state.updated_at {
            return None;
        }
        self.0.remove(&state.event_id).map(|made| (made.dense, made.worded))
    }
}

/// Embeds what is live and plans one operation per state.
///
/// # Errors
/// `unavailable` when the embedder is away.
pub async fn plan(embedder: &dyn Embedder, states: &[&State]) -> Result<Planned> {
    plan_with(embedder, states, Embedded::default()).await
}

/// As [`plan`], using vectors that are there already.
pub(super) async fn plan_with(embedder: &dyn Embedder, states: &[&State], mut embedded: Embedded) -> Result<Planned> {
    let mut planned = Planned::default();
    for chunk in states.chunks(EMBED_CHUNK) {
        plan_chunk(embedder, chunk, &mut embedded, &mut planned).await?;
        tokio::task::yield_now().await;
    }
    Ok(planned)
}

/// The writer's own vector, of norm 1, if it may stand in this index: made by the same model
/// revision, of the index's length, finite and not zero.
#[must_use]
pub fn own_vector(content: &Content, identity: &Identity) -> Option<Vec<f32>> {
    let embedding = content.embedding.as_ref()?;
    if embedding.len() != identity.dims || content.model_revision.as_ref() != Some(&identity.revision) {
        return None;
    }
    let largest = embedding.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    // Scaled first, so that neither huge nor tiny numbers lose the norm.
    let norm = embedding.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt();
    if !(largest > 0.0 && norm.is_finite()) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an index holds single precision")]
    let vector: Vec<f32> = embedding.iter().map(|x| (x / largest / norm) as f32).collect();
    Some(vector)
}

async fn plan_chunk(
    embedder: &dyn Embedder,
    states: &[&State],
    embedded: &mut Embedded,
    planned: &mut Planned,
) -> Result<()> {
    let mut there = Vec::with_capacity(states.len());
    let mut payloads = Vec::new();
    for state in states.iter().filter(|state| state.is_live()) {
        let Some(content) = &state.content else { continue };
        let own = own_vector(content, embedder.identity());
        planned.embeddings_replaced += usize::from(own.is_none() && content.embedding.is_some());
        let vectors = match own {
            Some(dense) => Some((dense, Worded::of(&content.payload, state.updated_at))),
            None => embedded.take(state, content),
        };
        if vectors.is_none() {
            payloads.push(&content.payload);
        }
        there.push(vectors);
    }
    let mut made = embedder.documents(&payloads).await?.into_iter();
    let mut there = there.into_iter();
    for state in states {
        let point = match if state.is_live() { there.next() } else { None } {
            Some(Some((dense, worded))) => Point::with(state, dense, worded),
            Some(None) => made.next().and_then(|dense| Point::of(state, dense)),
            None => None,
        };
        planned.ops.push(match point {
            Some(point) => Op::Upsert(Box::new(point)),
            None => Op::Delete { id: state.id, rev: state.rev },
        });
    }
    Ok(())
}
