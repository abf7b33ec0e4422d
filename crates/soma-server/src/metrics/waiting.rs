//! How long the oldest record of a partition has waited to be projected.
//!
//! Records lie in the order of their times, so none that waits is older than the last that was projected,
//! nor older than the moment at which none waited. Before either is known, somebody has to read one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use soma_core::ids::Timestamp;

/// By partition: no record that waits is older.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<BTreeMap<u32, Timestamp>>);

impl Waiting {
    /// Takes note that no record that waits is older than that.
    pub(super) fn since(&self, partition: u32, since: Timestamp) {
        let mut all = self.all();
        let known = all.entry(partition).or_insert(since);
        *known = (*known).max(since);
    }

    /// How long the oldest of so many has waited, at most; `None` while that is not known.
    pub(super) fn lag(&self, partition: u32, records: u64, now: Timestamp) -> Option<Duration> {
        if records == 0 {
            self.since(partition, now);
            return Some(Duration::ZERO);
        }
        let since = self.all().get(&partition).copied()?;
        Some(Duration::from_micros(u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0)))
    }

    /// Somebody else has the partition.
    pub(super) fn forget(&self, partition: u32) {
        self.all().remove(&partition);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u32, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
