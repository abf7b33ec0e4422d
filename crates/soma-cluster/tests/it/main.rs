//! The adapters of this crate through their public doors, on stand-ins and on real servers.

mod kafka;
mod postgres;
mod qdrant;
mod registry;
