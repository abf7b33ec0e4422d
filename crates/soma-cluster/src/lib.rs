//! The ports on Kafka, PostgreSQL and Qdrant.

pub mod kafka;
pub mod postgres;
pub mod qdrant;
