//! The event log, the dead letters and the work that is shared out, on Kafka or what speaks its protocol.
//!
//! Producing, reading and membership of the group are three clients (`docs/decisions/0015-kafka.md`):
//!
//! - [`Log`] appends by an idempotent producer and reads by consumers of its own, at offsets that the caller names.
//! - [`Letters`] keeps dead letters in a topic of their own.
//! - [`group`] is a member of the consumer group: it says who projects which partition, and fetches nothing.
//! - [`bare`] is the broker alone, for benchmarks.
//! - [`topics`] makes and compares topics, [`facts`] tells how a cluster is, [`diagnose`] why it cannot be reached,
//!   [`rights`] what our user may not do there.
//!
//! Invariants:
//! - Offsets are explicit everywhere; the client's own reset policy is `error`, and the group's committed
//!   offsets are a hint for monitoring.
//! - Every record of ours is keyed and partitioned as Java's client does it.
//! - Nothing waits without a bound, and no hook of the client ever waits.

pub mod bare;
mod classify;
mod client;
mod context;
pub mod diagnose;
pub mod facts;
pub mod group;
mod keys;
mod letters;
mod log;
mod message;
mod oauth;
mod producer;
mod reader;
pub mod rights;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
pub mod topics;

pub use classify::is_denied;
pub use keys::refused_key;
pub use letters::Letters;
pub use log::{Log, base_name};
pub use settings::{Mechanism, Oauth, Protocol, Secret, Security, Settings};
