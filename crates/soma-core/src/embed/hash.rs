//! The default embedder: deterministic signed feature hashing.
