//! Decides what one failure means for the position in the log.
//!
//! The position may pass an event only if replaying it could never help. This is the only retry
//! policy of the projector; adapters classify errors, they never retry on their own.

use crate::error::{Code, Error, Kind};

/// What the projector does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep the position, back off, try the same batch again.
    Retry,
    /// Move the event to the dead-letter log, then pass it: replaying cannot help.
    DeadLetter,
    /// Give the partition up: another projector owns it.
    Release,
    /// Stop: going on could corrupt or hide what is stored.
    Halt,
}

/// The verdict on an error that a port answered with.
#[must_use]
pub fn of(error: &Error) -> Verdict {
    if error.code == Code::StoreRejected {
        return Verdict::DeadLetter;
    }
    if error.code == Code::Fenced {
        return Verdict::Release;
    }
    match error.kind() {
        Kind::Unavailable | Kind::Conflict => Verdict::Retry,
        Kind::Invalid | Kind::NotFound | Kind::Corrupt | Kind::Internal => Verdict::Halt,
    }
}
