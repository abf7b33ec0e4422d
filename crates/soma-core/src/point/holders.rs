//! Which point holds a term, as far as it is known.
//!
//! An index of Qdrant's kind tells how rare a term is only as a factor of a score. To ask about one point
//! that holds the term costs nothing beside looking for the best of all that do, which reads the whole
//! posting list. What is remembered may have become wrong: the answer shows what the point holds now.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::MemoryId;

/// Beyond so many all is forgotten.
const HOLDERS_MAX: usize = 1 << 17;

/// One point for each term that was asked about.
#[derive(Debug, Default)]
pub struct Holders(Mutex<HashMap<u32, MemoryId>>);

impl Holders {
    /// A point that held each of these terms once.
    #[must_use]
    pub fn of(&self, terms: &[u32]) -> Vec<Option<MemoryId>> {
        let known = self.lock();
        terms.iter().map(|term| known.get(term).copied()).collect()
    }

    /// Takes note that these points hold these terms.
    pub fn note(&self, found: impl IntoIterator<Item = (u32, MemoryId)>) {
        let mut known = self.lock();
        for (term, id) in found {
            if known.len() >= HOLDERS_MAX && !known.contains_key(&term) {
                known.clear();
            }
            known.insert(term, id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, MemoryId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
