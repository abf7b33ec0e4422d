//! What the projector tells, as metrics and as readiness.

use std::sync::Arc;

use soma_core::Error;
use soma_core::ids::{Offset, Partition};
use soma_core::projector::observe::{Component, Observer, Report};

use crate::http::health::Health;
use crate::metrics::Metrics;

/// Passes on what the projector tells.
pub(crate) struct Told {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether the process can do its work.
    pub health: Arc<Health>,
}

impl Observer for Told {
    fn consumed(&self, _: Partition, records: usize) {
        self.metrics.consumed(records);
    }

    fn projected(&self, _: Partition, _: Offset, report: &Report) {
        self.metrics.projected(report);
    }

    fn failed(&self, component: Component, error: &Error) {
        self.metrics.failed(component);
        self.health.report(component.as_str(), Some(error.message.clone()));
    }

    fn paused(&self, component: Component, paused: bool) {
        self.metrics.paused(component, paused);
        if !paused {
            self.health.report(component.as_str(), None);
        }
    }

    fn halted(&self, _: Partition, error: &Error) {
        self.health.report("projector", Some(error.message.clone()));
    }
}
