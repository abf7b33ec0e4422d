//! Why a hit is one: which of the question's words it holds, and which the turns around it lend.

use std::collections::{BTreeMap, HashMap};

use super::question::Plan;
use crate::context::{self, REACH};
use crate::embed::sparse::{self, Lexicon, Terms};
use crate::engine::Engine;
use crate::error::Result;
use crate::fold::State;
use crate::ids::MemoryId;
use crate::memory::Memory;
use crate::thread::{Placed, Thread, TurnKey};
use crate::turn::Turn;

/// The words of a question, as they are indexed, that find one memory; in the order of the question.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Those that it holds.
    pub(super) own: Vec<String>,
    /// Those that turns around it hold and it does not.
    pub(super) lent: Vec<String>,
}

/// The words that find each of these memories. Asks the store once for each thread among them.
///
/// # Errors
/// Those of [`crate::store::Reading::turns`].
pub(super) async fn words(engine: &Engine, plan: &Plan, memories: &[&Memory]) -> Result<HashMap<MemoryId, Words>> {
    let stems = sparse::question(&plan.words, plan.language);
    let mut found: HashMap<MemoryId, Words> = HashMap::new();
    let mut threads: BTreeMap<Thread, Vec<TurnKey>> = BTreeMap::new();
    for memory in memories {
        let lexicon = Lexicon::of(&memory.namespace, plan.language);
        let own = sparse::memory(&Turn::of(&memory.payload), memory.updated_at, &lexicon);
        let holds = |stem: &&String| own.indices.binary_search(&lexicon.number(stem)).is_ok();
        found.entry(memory.id).or_default().own = stems.iter().filter(holds).cloned().collect();
        if let Some(placed) = Placed::at(memory.id, &memory.namespace, &memory.payload, memory.created_at) {
            threads.entry(placed.thread).or_default().push(placed.key);
        }
    }
    for (thread, mut keys) in threads {
        keys.sort_unstable();
        let lexicon = Lexicon::of(&thread.namespace, plan.language);
        let turns = engine.store.turns(&thread, &keys, REACH).await?;
        for subject in context::standing(&turns, &keys) {
            let around: Vec<Terms> = subject.around.iter().flatten().filter_map(|turn| lends(turn, &lexicon)).collect();
            let Some(words) = found.get_mut(&subject.state.id) else { continue };
            let lent = |stem: &&String| {
                !words.own.contains(stem) && around.iter().any(|terms| terms.holds(lexicon.number(stem)))
            };
            words.lent = stems.iter().filter(lent).cloned().collect();
        }
    }
    Ok(found)
}

/// The words that a turn lends to those around it: those of its text.
fn lends(turn: &State, lexicon: &Lexicon) -> Option<Terms> {
    Some(Terms::of(&Turn::of(&turn.content.as_ref()?.payload).text, lexicon))
}
