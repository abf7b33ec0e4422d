//! How rare terms are, remembered while the index stays as it is.
//!
//! The library tells it only as a factor of a score, so each term takes a search ([`search::rarities`]). Questions
//! share their words, and most of them meet an index that nobody has changed since the last one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use qdrant_edge::{EdgeShard, OperationResult};
use soma_core::point::Holders;

use super::search;

/// Beyond so many terms all are forgotten.
const TERMS_MAX: usize = 1 << 16;

/// What is remembered of one index.
#[derive(Default)]
pub(super) struct Rarities {
    /// A point for each term, whatever has changed.
    holders: Holders,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// How often all was forgotten: what was asked before that is not remembered after it.
    times: u64,
    terms: HashMap<u32, Option<f32>>,
}

impl Rarities {
    /// Forgets all: the index has changed.
    pub(super) fn forget(&self) {
        let mut known = self.lock();
        known.times += 1;
        known.terms.clear();
    }

    /// Those of these terms, if all of them are known; `None` for a term that no point holds.
    pub(super) fn of(&self, terms: &[u32]) -> Option<Vec<Option<f32>>> {
        let known = self.lock();
        terms.iter().map(|term| known.terms.get(term).copied()).collect()
    }

    /// Those of these terms, asked of the index where they are not known.
    pub(super) fn ask(&self, shard: &EdgeShard, terms: &[u32]) -> OperationResult<Vec<Option<f32>>> {
        let (times, known) = {
            let known = self.lock();
            (known.times, terms.iter().map(|term| known.terms.get(term).copied()).collect::<Vec<_>>())
        };
        let unknown: Vec<u32> =
            terms.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(term, _)| *term).collect();
        let mut told = search::rarities(shard, &unknown, &self.holders)?.into_iter();
        let all = known.into_iter().map(|known| known.unwrap_or_else(|| told.next().flatten())).collect::<Vec<_>>();
        self.note(times, terms, &all);
        Ok(all)
    }

    fn note(&self, times: u64, terms: &[u32], rarities: &[Option<f32>]) {
        let mut known = self.lock();
        if known.times != times {
            return;
        }
        if known.terms.len() + terms.len() > TERMS_MAX {
            known.terms.clear();
        }
        known.terms.extend(terms.iter().copied().zip(rarities.iter().copied()));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
