//! Records to points: which vector a memory gets, and what the index has to do for a state.

use crate::embed::{Embedder, Identity};
use crate::error::Result;
use crate::event::Content;
use crate::fold::State;
use crate::index::{Op, Point};

/// Payloads embedded between two chances for other tasks to run.
const EMBED_CHUNK: usize = 64;

/// What the index has to do so that it shows these states.
#[derive(Debug, Default)]
pub struct Planned {
    /// One operation per state, in the same order, each under the state's own `rev`.
    pub ops: Vec<Op>,
    /// Writers' own vectors that did not fit and were replaced by ours.
    pub embeddings_replaced: usize,
}

/// Embeds what is live and plans one operation per state.
///
/// # Errors
/// `unavailable` when the embedder is away.
pub async fn plan(embedder: &dyn Embedder, states: &[&State]) -> Result<Planned> {
    let mut planned = Planned::default();
    for chunk in states.chunks(EMBED_CHUNK) {
        plan_chunk(embedder, chunk, &mut planned).await?;
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

async fn plan_chunk(embedder: &dyn Embedder, states: &[&State], planned: &mut Planned) -> Result<()> {
    let mut own = Vec::with_capacity(states.len());
    let mut payloads = Vec::new();
    for content in states.iter().filter(|state| state.is_live()).filter_map(|state| state.content.as_ref()) {
        let vector = own_vector(content, embedder.identity());
        if vector.is_none() {
            payloads.push(&content.payload);
            planned.embeddings_replaced += usize::from(content.embedding.is_some());
        }
        own.push(vector);
    }
    let mut embedded = embedder.documents(&payloads).await?.into_iter();
    let mut own = own.into_iter();
    for state in states {
        let dense = if state.is_live() { own.next().flatten().or_else(|| embedded.next()) } else { None };
        planned.ops.push(match dense.and_then(|dense| Point::of(state, dense)) {
            Some(point) => Op::Upsert(Box::new(point)),
            None => Op::Delete { id: state.id, rev: state.rev },
        });
    }
    Ok(())
}
