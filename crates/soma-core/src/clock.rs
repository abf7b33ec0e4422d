//! The only source of time and randomness.
//!
//! Everything that needs the time, a delay or random bytes takes a [`Clock`], so that a simulation
//! can replay a run from its seed.

use std::time::Duration;

use async_trait::async_trait;

use crate::ids::Timestamp;

/// Time and randomness, as a port.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall-clock time, in microseconds since the Unix epoch, UTC.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes backwards.
    fn elapsed(&self) -> Duration;

    /// Sixteen random bytes.
    fn random(&self) -> [u8; 16];

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}
