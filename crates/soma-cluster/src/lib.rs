//! The ports on Kafka, PostgreSQL and Qdrant, and the schema registry.

pub mod kafka;
pub mod postgres;
pub mod qdrant;
pub mod reach;
pub mod registry;
mod tls;
