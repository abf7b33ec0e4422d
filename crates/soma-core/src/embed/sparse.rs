//! Sparse BM25 vectors.
