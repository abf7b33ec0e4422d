//! Which records a question reads: those of candidates that may still be among the first.
//!
//! The lists yield many more candidates than hits are wanted, and reading a record costs more than finding
//! its point. What a record can add to a score is bounded ([`rank::priors_most`], [`super::Boost`]), so the most
//! promising records are read first, until no other candidate can come before the last that is wanted: the
//! threshold algorithm (Fagin, Lotem and Naor 2003). The answer is the one that reading all of them gives, but
//! for the first turn of somebody whom the question names, stored after those who speak were looked up.

use std::collections::{BTreeMap, HashMap};

use super::question::Plan;
use super::rank::{self, Candidate, Score, Weighing};
use super::{Mode, Request, Scope};
use crate::engine::Engine;
use crate::error::Result;
use crate::fold::State;
use crate::ids::{MemoryId, Timestamp};
use crate::memory::Memory;
use crate::turn::Turn;

/// Records read at first, at least.
const FIRST_MIN: usize = 16;

/// What the lists say of each candidate: its BM25 sum and its cosine.
pub(super) type Scores = BTreeMap<MemoryId, (Option<f64>, Option<f64>)>;

/// The records of one question, as far as they were read.
pub(super) struct Finalists<'a> {
    engine: &'a Engine,
    request: &'a Request,
    plan: &'a Plan,
    now: Timestamp,
    /// `None` for a record that is gone or does not match.
    known: HashMap<MemoryId, Option<Known>>,
}

struct Known {
    memory: Memory,
    /// What it adds to its score.
    given: Vec<(&'static str, f64)>,
}

impl<'a> Finalists<'a> {
    pub(super) fn new(engine: &'a Engine, request: &'a Request, plan: &'a Plan) -> Self {
        Self { engine, request, plan, now: engine.clock.now(), known: HashMap::new() }
    }

    /// The candidates that were read, in order, best first: the first `wanted` are those of all.
    pub(super) async fn rank(&mut self, scores: &Scores, wanted: usize) -> Result<Vec<(Candidate, Score)>> {
        loop {
            let all: Vec<Candidate> = scores.iter().filter_map(|(id, scores)| self.candidate(*id, *scores)).collect();
            let weighing = Weighing::of(self.plan.mode, self.plan.dense_weight, &all);
            let (read, unread): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| self.known.contains_key(&one.id));
            let ranked = rank::rank(&weighing, read);
            let last = ranked.get(wanted.saturating_sub(1)).map(|(_, score)| score.total);
            let next = self.next(&weighing, &unread, last, wanted);
            if next.is_empty() {
                return Ok(ranked);
            }
            self.read(&next).await?;
        }
    }

    /// One that is not known to be gone.
    fn candidate(&self, id: MemoryId, (bm25, cosine): (Option<f64>, Option<f64>)) -> Option<Candidate> {
        let given = match self.known.get(&id) {
            Some(known) => known.as_ref()?.given.clone(),
            None => Vec::new(),
        };
        Some(Candidate { id, bm25, cosine, given })
    }

    /// Whose records are read next, when the last that is wanted has this score so far.
    fn next(&self, weighing: &Weighing, unread: &[Candidate], last: Option<f64>, wanted: usize) -> Vec<MemoryId> {
        let given = self.given_most();
        // Scores are shares of the best ones, which do not count before their records are known to be there.
        let leads = |candidate: &Candidate| weighing.is_led_by(candidate);
        let last = last.filter(|_| !unread.iter().any(leads));
        let mut next: Vec<(bool, f64, MemoryId)> = unread
            .iter()
            .map(|one| (leads(one), weighing.most(one, given), one.id))
            .filter(|(_, most, _)| last.is_none_or(|last| *most >= last))
            .collect();
        if last.is_none() {
            next.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1.total_cmp(&a.1)));
            next.truncate((2 * wanted).max(FIRST_MIN));
        }
        next.into_iter().map(|(.., id)| id).collect()
    }

    /// The most that a record can add.
    fn given_most(&self) -> f64 {
        let priors = match self.plan.mode {
            Mode::Hybrid => rank::priors_most(self.plan.may_name_actor),
            Mode::Dense | Mode::Lexical => 0.0,
        };
        priors + self.request.boost.most()
    }

    async fn read(&mut self, ids: &[MemoryId]) -> Result<()> {
        let states = self.engine.store.states(ids).await?;
        self.known.extend(ids.iter().map(|id| (*id, None)));
        for memory in states.into_iter().filter_map(State::into_memory) {
            if self.in_scope(&memory) && self.request.filter.as_ref().is_none_or(|filter| filter.matches(&memory)) {
                let given = self.given(&memory);
                self.known.insert(memory.id, Some(Known { memory, given }));
            }
        }
        Ok(())
    }

    fn in_scope(&self, memory: &Memory) -> bool {
        match &self.request.scope {
            Scope::Namespaces(names) => names.contains(&memory.namespace),
            Scope::Prefix(prefix) => memory.namespace.as_str().starts_with(prefix.as_str()),
        }
    }

    fn given(&self, memory: &Memory) -> Vec<(&'static str, f64)> {
        let mut given = match self.plan.mode {
            Mode::Hybrid => {
                let asked = rank::Asked { words: &self.plan.words, language: self.plan.language };
                rank::priors(&asked, &Turn::of(&memory.payload))
            }
            Mode::Dense | Mode::Lexical => Vec::new(),
        };
        given.extend(self.request.boost.parts(memory, self.now));
        given
    }

    /// Whether the record of one of these candidates was read and is gone, or does not match.
    pub(super) fn misses_any(&self, scores: &Scores) -> bool {
        scores.keys().any(|id| self.known.get(id).is_some_and(Option::is_none))
    }

    /// The memory of one that was read.
    pub(super) fn memory(&self, id: MemoryId) -> Option<&Memory> {
        Some(&self.known.get(&id)?.as_ref()?.memory)
    }

    /// Takes the memory of one that was read.
    pub(super) fn take(&mut self, id: MemoryId) -> Option<Memory> {
        Some(self.known.remove(&id)??.memory)
    }
}
