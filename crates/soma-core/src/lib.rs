//! What a memory is, and the two flows over it: events into stores, and questions into answers.
//!
//! The modules stand in the order in which data flows; each is a page. This crate does no I/O and
//! reads no clock, no environment and no source of randomness: everything of that kind comes in
//! through a port ([`log::EventLog`], [`store::MemoryStore`], [`index::VectorIndex`],
//! [`embed::Embedder`], [`clock::Clock`]), which is why the whole of it runs under a seeded
//! simulation.
#![warn(missing_docs)]

pub mod clock;
pub mod context;
pub mod embed;
pub mod engine;
pub mod error;
pub mod event;
pub mod filter;
pub mod fold;
pub mod forward;
pub mod ids;
pub mod index;
pub mod json;
pub mod limits;
pub mod log;
pub mod memory;
pub mod point;
pub mod projector;
pub mod pulse;
pub mod recall;
pub mod redrive;
pub mod store;
pub mod testing;
pub mod thread;
pub mod turn;
pub mod verify;

pub use error::{Error, Result};
