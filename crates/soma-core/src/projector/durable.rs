//! Since when the index may count as durable, and up to where.
//!
//! An index on a server makes what was flushed durable in its own time. So a flush only notes how far
//! the position had come; `indexed` follows once the note is older than the index needs
//! ([`crate::index::VectorIndex::durability_lag`]). What lies between is written again after a restart.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::Offset;

/// Positions that were flushed and are not yet old enough.
#[derive(Debug, Default)]
pub(super) struct Trail {
    lag: Duration,
    /// When each becomes durable, ascending.
    notes: VecDeque<(Duration, Offset)>,
}

impl Trail {
    pub(super) fn new(lag: Duration) -> Self {
        Self { lag, notes: VecDeque::new() }
    }

    /// Notes that everything below `next` was flushed at `now`.
    pub(super) fn flushed(&mut self, now: Duration, next: Offset) {
        self.notes.push_back((now.saturating_add(self.lag), next));
    }

    /// Below which offset everything is durable at `now`; `None` when nothing has become so.
    pub(super) fn durable(&self, now: Duration) -> Option<Offset> {
        self.notes.iter().take_while(|(at, _)| *at <= now).last().map(|(_, next)| *next)
    }

    /// When the next position becomes durable.
    pub(super) fn due(&self) -> Option<Duration> {
        self.notes.front().map(|(at, _)| *at)
    }

    /// Forgets the positions up to the one that was marked.
    pub(super) fn marked(&mut self, next: Offset) {
        while self.notes.front().is_some_and(|(_, offset)| *offset <= next) {
            self.notes.pop_front();
        }
    }
}
