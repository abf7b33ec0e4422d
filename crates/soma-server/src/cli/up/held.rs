//! A start that meets a command at work on the data directory.

use std::sync::Arc;
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::{Error, Result};

use crate::config::Config;
use crate::wiring;

/// How long the start waits for a command that works on the data directory, and how often it looks.
const HELD_PATIENCE: Duration = Duration::from_secs(5);
/// See [`HELD_PATIENCE`].
const HELD_LOOK: Duration = Duration::from_millis(50);

/// A data directory that somebody else has.
pub(super) struct Held {
    since: Option<Duration>,
    clock: Arc<dyn Clock>,
}

impl Held {
    pub(super) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { since: None, clock }
    }

    /// Waits for a moment.
    ///
    /// # Errors
    /// `in_use` when a server has it, or whoever has it keeps it for long.
    pub(super) async fn wait_on(&mut self, error: Error, config: &Config) -> Result<()> {
        let now = self.clock.elapsed();
        let for_long = self.since.is_some_and(|since| now.saturating_sub(since) >= HELD_PATIENCE);
        if for_long || wiring::find_server(&config.embedded.data_dir).is_some() {
            return Err(error);
        }
        if self.since.is_none() {
            self.since = Some(now);
            let patience_ms = u64::try_from(HELD_PATIENCE.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(error.code = error.code.as_str(), patience_ms, "waiting for the other process: {error}");
        }
        self.clock.sleep(HELD_LOOK).await;
        Ok(())
    }
}
