//! The adapters of this crate through their public doors, on real files.

mod directory;
mod journal;
mod vectors;
mod vectors_filters;
mod vectors_scores;
