//! Ranking: raw scores in, order out. Pure.
