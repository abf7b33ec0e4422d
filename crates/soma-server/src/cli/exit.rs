//! Exit codes: what a script learns from the end of a command.

use soma_core::error::Kind;

/// The command found what it was asked to find, and it is bad (`verify`, `health`, `import`).
pub(super) const FOUND: u8 = 1;
/// The command line itself is wrong.
pub(super) const USAGE: u8 = 2;

/// The exit code of a failure.
pub(super) const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid => USAGE,
        Kind::NotFound => 3,
        Kind::Conflict => 4,
        Kind::Unavailable => 5,
        Kind::Corrupt => 6,
        Kind::Internal => 70,
    }
}
