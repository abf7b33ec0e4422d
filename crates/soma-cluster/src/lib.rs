//! The ports on Kafka, PostgreSQL and Qdrant.
