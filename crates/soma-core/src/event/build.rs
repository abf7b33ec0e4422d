//! Builds events strictly.
