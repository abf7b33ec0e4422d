//! Dead letters in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::error::Result;
use crate::ids::Place;
use crate::log::{DeadLetter, DeadLetters};

/// A [`DeadLetters`] in memory.
#[derive(Default)]
pub struct Letters(Mutex<BTreeMap<Place, DeadLetter>>);

impl Letters {
    /// No letters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn put(&self, letters: Vec<DeadLetter>) -> Result<()> {
        let mut kept = lock(&self.0);
        for letter in letters {
            match kept.get_mut(&letter.record.place) {
                Some(known) => *known = known.clone().merged(&letter),
                None => {
                    kept.insert(letter.record.place.clone(), letter);
                }
            }
        }
        Ok(())
    }

    async fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<DeadLetter>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(lock(&self.0).range((from, Bound::Unbounded)).take(limit).map(|(_, letter)| letter.clone()).collect())
    }

    async fn get(&self, source: &Place) -> Result<Option<DeadLetter>> {
        Ok(lock(&self.0).get(source).cloned())
    }

    async fn count(&self) -> Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }
}
