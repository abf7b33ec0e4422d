//! How often one caller may ask: a number of requests in each window of time.
//!
//! Windows are the same for everybody, so what is kept is bounded by who calls within one of them.
//! Beyond [`CALLERS_MAX`] callers the rest share one place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use soma_core::clock::Clock;

/// Callers that are told apart within one window.
const CALLERS_MAX: usize = 65_536;

/// By what a caller is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A token, by its hash.
    Token([u8; 32]),
    /// An address, for those without one.
    Address(IpAddr),
    /// Everybody else.
    Others,
}

/// Counts requests.
pub(super) struct Limiter {
    max: u64,
    window: Duration,
    clock: Arc<dyn Clock>,
    counted: Mutex<(u128, HashMap<Who, u64>)>,
}

impl Limiter {
    /// At most `max` requests of one caller in each window.
    pub(super) fn new(max: u64, window: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { max, window, clock, counted: Mutex::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The seconds until the next window, at least 1, when the caller has used this one up.
    pub(super) fn count(&self, who: Who) -> Result<(), u64> {
        let (now, window) = (self.clock.elapsed().as_nanos(), self.window.as_nanos().max(1));
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, callers) = &mut *counted;
        if *current != now / window {
            *current = now / window;
            callers.clear();
        }
        let who = if callers.len() < CALLERS_MAX || callers.contains_key(&who) { who } else { Who::Others };
        let used = callers.entry(who).or_insert(0);
        if *used < self.max {
            *used += 1;
            return Ok(());
        }
        let left = Duration::from_nanos(u64::try_from(window - now % window).unwrap_or(u64::MAX));
        Err(left.as_secs_f64().ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests;
