//! The servers of the cluster profile: whether they answer, and are as they should be.

use std::sync::Arc;

use soma_core::clock::Clock;

use super::Subject;
use super::finding::Finding;
use crate::cli::client::runtime;
use crate::clock::SystemClock;
use crate::wiring::examining::{self, Verdict};
use crate::wiring::{self, offline};

/// Kafka, PostgreSQL, Qdrant and the registry, as far as they are configured.
pub(super) fn all(subject: &Subject<'_>) -> Vec<Finding> {
    if !wiring::has_servers(subject.config) {
        return Vec::new();
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let identity = match offline::identity(subject.config) {
        Ok(identity) => identity,
        Err(error) => return vec![Finding::of_error("embedder", &error)],
    };
    let seen = match runtime() {
        Ok(runtime) => runtime.block_on(examining::examine(subject.config, &identity, &clock)),
        Err(error) => return vec![Finding::of_error("servers", &error)],
    };
    seen.into_iter()
        .map(|seen| {
            let remedy = seen.remedy.unwrap_or_default();
            match seen.verdict {
                Verdict::Ok => Finding::ok(seen.check, seen.measured),
                Verdict::Warning => Finding::warning(seen.check, seen.measured, remedy),
                Verdict::Failed => Finding::failed(seen.check, seen.measured, remedy),
            }
        })
        .collect()
}
