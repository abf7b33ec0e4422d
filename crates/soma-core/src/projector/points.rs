//! Records to points: which vector a memory gets, and what the index has to do for a state.

use std::collections::HashMap;

use serde_json::Value;

use super::vectors::Vectors;
use crate::context::{AROUND, Subject};
use crate::embed::language::Language;
use crate::embed::sparse::Lexicon;
use crate::embed::{Embedder, Identity};
use crate::error::Result;
use crate::event::{Content, Event};
use crate::fold::State;
use crate::ids::{EventId, MemoryId, Namespace, Timestamp};
use crate::index::{Op, Point};
use crate::point::{Lent, Worded};

/// Payloads embedded between two chances for other tasks to run.
pub(super) const EMBED_CHUNK: usize = 64;

/// Vectors that were made before they were asked for, by the event that brought each payload.
#[derive(Debug, Default)]
pub(super) struct Embedded(HashMap<EventId, Made>);

#[derive(Debug)]
struct Made {
    namespace: Namespace,
    payload: Value,
    at: Timestamp,
    dense: Vec<f32>,
    worded: Worded,
}

impl Embedded {
    /// Keeps the dense vector of an event's payload, and reads its words. An event id may come twice
    /// with different payloads; one is kept.
    pub(super) fn keep(&mut self, event: &Event, payload: &Value, dense: Vec<f32>, language: Language) {
        let Event { namespace: Some(namespace), timestamp: at, .. } = event else { return };
        let worded = Worded::of(payload, *at, &Lexicon::of(namespace, language));
        let made = Made { namespace: namespace.clone(), payload: payload.clone(), at: *at, dense, worded };
        self.0.insert(event.event_id, made);
    }

    fn take(&mut self, state: &State, content: &Content) -> Option<(Vec<f32>, Worded)> {
        let made = self.0.get(&state.event_id)?;
        let theirs = state.namespace.as_ref() == Some(&made.namespace);
        if !theirs || made.payload != content.payload || made.at != state.updated_at {
            return None;
        }
        self.0.remove(&state.event_id).map(|made| (made.dense, made.worded))
    }
}

/// Embeds what is live and plans one operation per subject, in the same order, each under the `rev`
/// of its state.
///
/// # Errors
/// `unavailable` when the embedder is away.
pub async fn plan(embedder: &dyn Embedder, subjects: &[Subject<'_>]) -> Result<Vec<Op>> {
    Planner::new(embedder, &mut Vectors::default(), Embedded::default()).plan(subjects).await
}

/// Puts operations under a `rev` that was drawn for them.
pub(super) fn set_rev(ops: &mut [Op], drawn: u64) {
    for op in ops {
        match op {
            Op::Upsert(point) => point.rev = drawn,
            Op::Delete { rev, .. } => *rev = drawn,
        }
    }
}

/// Whether the writer's own vector of a memory cannot stand in this index.
pub(super) fn replaces_own(state: &State, identity: &Identity) -> bool {
    let content = state.content.as_ref().filter(|content| state.is_live() && content.embedding.is_some());
    content.is_some_and(|content| own_vector(content, identity).is_none())
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

/// What one memory lends to points; each is read once, however many points it lends to.
struct Told {
    worded: Worded,
    dense: Option<Vec<f32>>,
}

/// Makes the operations of one plan.
pub(super) struct Planner<'a> {
    embedder: &'a dyn Embedder,
    /// Vectors of earlier batches.
    vectors: &'a mut Vectors,
    embedded: Embedded,
    told: HashMap<MemoryId, Told>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(embedder: &'a dyn Embedder, vectors: &'a mut Vectors, embedded: Embedded) -> Self {
        Self { embedder, vectors, embedded, told: HashMap::new() }
    }

    pub(super) async fn plan(mut self, subjects: &[Subject<'_>]) -> Result<Vec<Op>> {
        let mut ops = Vec::with_capacity(subjects.len());
        for chunk in subjects.chunks(EMBED_CHUNK) {
            self.tell(chunk).await?;
            ops.extend(chunk.iter().map(|subject| self.op(subject)));
            tokio::task::yield_now().await;
        }
        Ok(ops)
    }

    fn op(&self, subject: &Subject<'_>) -> Op {
        let state = subject.state;
        let lent = |state: &State| {
            let told = self.told.get(&state.id)?;
            Some(Lent { worded: &told.worded, dense: told.dense.as_deref() })
        };
        let own = if state.is_live() { lent(state) } else { None };
        let around = || {
            let mut around: [Option<Lent<'_>>; AROUND.len()] = Default::default();
            for (to, beside) in around.iter_mut().zip(&subject.around) {
                *to = beside.and_then(lent);
                if let Some(lent) = to.as_mut().filter(|_| !self.embedder.mixes_neighbours()) {
                    lent.dense = None;
                }
            }
            around
        };
        match own.and_then(|own| Point::among(state, &own, &around())) {
            Some(point) => Op::Upsert(Box::new(point)),
            None => Op::Delete { id: state.id, rev: state.rev },
        }
    }

    /// Reads what these subjects and the turns around them say, and embeds what has no vector.
    async fn tell(&mut self, subjects: &[Subject<'_>]) -> Result<()> {
        let mut missing: Vec<&State> = Vec::new();
        for Subject { state, around } in subjects {
            if self.hear(state, Wanted::Dense) {
                missing.push(state);
            }
            for (beside, state) in AROUND.iter().zip(around) {
                let Some(state) = state else { continue };
                let mixed = beside.meaning > 0.0 && self.embedder.mixes_neighbours();
                if self.hear(state, if mixed { Wanted::Dense } else { Wanted::Words }) {
                    missing.push(state);
                }
            }
        }
        missing.sort_unstable_by_key(|state| state.id);
        missing.dedup_by_key(|state| state.id);
        for chunk in missing.chunks(EMBED_CHUNK) {
            let live = chunk.iter().filter_map(|state| Some((state.id, &state.content.as_ref()?.payload)));
            let (ids, payloads): (Vec<MemoryId>, Vec<&Value>) = live.unzip();
            let made = self.embedder.documents(&payloads).await?;
            for ((id, payload), dense) in ids.into_iter().zip(payloads).zip(made) {
                if self.embedder.mixes_neighbours() {
                    self.vectors.keep(payload, &dense);
                }
                if let Some(told) = self.told.get_mut(&id) {
                    told.dense = Some(dense);
                }
            }
        }
        Ok(())
    }

    /// Reads a memory, as far as it is at hand; whether it has to be embedded.
    fn hear(&mut self, state: &State, wanted: Wanted) -> bool {
        let live = || Some((state.content.as_ref().filter(|_| state.is_live())?, state.namespace.as_ref()?));
        let Some((content, namespace)) = live() else { return false };
        let (embedder, vectors, embedded) = (self.embedder, &mut *self.vectors, &mut self.embedded);
        let told = self.told.entry(state.id).or_insert_with(|| match embedded.take(state, content) {
            Some((dense, worded)) => {
                if embedder.mixes_neighbours() {
                    vectors.keep(&content.payload, &dense);
                }
                Told { worded, dense: Some(dense) }
            }
            None => {
                let lexicon = Lexicon::of(namespace, embedder.language());
                Told { worded: Worded::of(&content.payload, state.updated_at, &lexicon), dense: None }
            }
        });
        if told.dense.is_none() && wanted == Wanted::Dense {
            told.dense = own_vector(content, embedder.identity());
            if told.dense.is_none() && embedder.mixes_neighbours() {
                told.dense = vectors.of(&content.payload);
            }
            return told.dense.is_none();
        }
        false
    }
}

/// What is taken from a memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Words,
    Dense,
}
