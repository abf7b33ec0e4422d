//! The ports on Kafka, PostgreSQL and Qdrant.

pub mod registry;
