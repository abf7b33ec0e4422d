//! The adapters of this crate through their public doors, on real files.

mod vectors;
