//! The adapters of this crate through their public doors, over real sockets.

mod qdrant;
