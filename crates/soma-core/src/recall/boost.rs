//! What a question may ask for beside words and meaning: memories of importance, and recent ones.
//!
//! Both are summands of the hybrid score, in which words count at most 1, and neither takes part
//! unless it is asked for. Only additions, multiplications and divisions, so the bits are the same on
//! every platform.

use std::time::Duration;

use crate::ids::Timestamp;
use crate::memory::Memory;

/// What recency adds at most: as much as naming the actor.
const RECENCY: f64 = 0.2;

/// What counts beside words and meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Boost {
    /// What a memory of boundless importance gains, 0 to 1; one of importance i gains i ÷ (1 + i) of it.
    pub importance: f64,
    /// The age at which a memory has lost half of what recency adds, above 0; `None` adds nothing.
    pub recency_half_life: Option<Duration>,
}

impl Boost {
    /// The named summands of a memory at this moment; none that adds nothing by its request.
    pub(super) fn parts(&self, memory: &Memory, now: Timestamp) -> Vec<(&'static str, f64)> {
        let mut parts = Vec::new();
        if self.importance > 0.0 {
            let importance = memory.importance.unwrap_or(0.0).max(0.0);
            parts.push(("importance", self.importance * (importance / (1.0 + importance))));
        }
        if let Some(half_life) = self.recency_half_life {
            let age = now.0.saturating_sub(memory.updated_at.0).max(0) as f64 / 1e6;
            parts.push(("recency", RECENCY / (1.0 + age / half_life.as_secs_f64())));
        }
        parts
    }

    /// The most that they can sum to.
    pub(super) fn most(&self) -> f64 {
        self.importance.max(0.0) + if self.recency_half_life.is_some() { RECENCY } else { 0.0 }
    }
}

#[cfg(test)]
mod tests;
