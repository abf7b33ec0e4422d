//! The adapters of this crate through their public doors, on real files.

mod child;
mod directory;
mod journal;
mod records;
mod vectors;
mod vectors_beside;
mod vectors_dense;
mod vectors_erasure;
mod vectors_filters;
mod vectors_packing;
mod vectors_scores;
