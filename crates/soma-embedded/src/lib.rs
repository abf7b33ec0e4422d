//! The ports of the core on one local directory: nothing to install, nothing to configure.
//!
//! ```text
//! <data directory>/
//!   lock          held by the one process that owns the directory; names its pid
//!   format        the version of this layout
//!   address       where the owner listens, while it does
//!   journal.db    the truth: every event, and the dead letters       (journal)
//!   journal.tip   how far the journal was acknowledged               (journal::tip)
//!   records.db    the projected memories and positions               (records)
//!   vectors/      the projected points                               (vectors)
//! ```
//!
//! Invariants:
//!
//! - One process owns a directory. Everything below [`directory::DataDir`] relies on its lock.
//! - Journal and records are two files, so appending never waits for projecting.
//! - An append is answered after its `fsync`. Records and vectors may lose their last commits in a
//!   power failure: the projector brings them back from the journal.
//! - A torn, truncated or foreign file is an error that names the file, never an empty answer.
//! - Only `sqlite` knows SQLite's error codes, and classifies them once for all.

pub mod backup;
pub mod directory;
pub mod journal;
pub mod records;
mod sqlite;
pub mod vectors;

pub use directory::DataDir;
