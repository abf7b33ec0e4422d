//! The adapters of this crate through their public doors, against real servers.

mod postgres;
