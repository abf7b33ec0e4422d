//! The vector index, in process.
