//! The ports on servers: Kafka, PostgreSQL, Qdrant.

use std::sync::Arc;

use soma_cluster::{kafka, postgres, qdrant};
use soma_core::clock::Clock;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::index::VectorIndex;
use soma_core::log::{DeadLetters, EventLog};
use soma_core::projector::{Projector, Worker};
use soma_core::store::MemoryStore;
use soma_core::{Error, Result};
use soma_embedded::vectors;
use tokio_util::sync::CancellationToken;

use super::projecting::Changes;
use crate::config::{Config, Secret, kafka as settings, postgres as record_settings, qdrant as point_settings};

/// A log and where refused records of it go.
pub(super) struct Logs {
    pub log: Arc<dyn EventLog>,
    pub letters: Arc<dyn DeadLetters>,
}

/// Who knows the generation of a log.
pub(super) enum Generations {
    /// Nobody counts: it is the first.
    First,
    /// The record store does.
    Kept(Arc<postgres::Records>),
}
