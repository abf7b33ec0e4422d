//! Embedders that need model files or a network, behind [`soma_core::embed::Embedder`].
//!
//! Each is named by its module. What they share: the text of a payload ([`text`]), vectors of norm 1
//! that are never zero ([`mod@unit`]), and model files whose revision is a digest of the weights ([`files`]).

mod files;
pub mod given;
pub mod http;
pub mod minilm;
pub mod package;
mod text;
mod unit;
pub mod word_vectors;

pub use files::known_words;

#[cfg(test)]
mod testing;
