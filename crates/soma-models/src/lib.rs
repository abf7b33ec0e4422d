//! Embedders that need model files or a network.
