//! What the projector tells, as metrics, as readiness and as traces.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use soma_core::Error;
use soma_core::ids::{Offset, Partition, Timestamp};
use soma_core::projector::observe::{Component, Observer, Report};

use crate::http::health::Health;
use crate::metrics::Metrics;
use crate::traces::Traces;

/// Passes on what the projector tells.
pub(crate) struct Told {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    traces: Option<Arc<Traces>>,
    /// Why the last step failed, until it is known whether the projector waits because of it.
    failure: Mutex<Option<String>>,
    /// How many partitions wait for a component.
    waiting: Mutex<BTreeMap<&'static str, usize>>,
}

impl Told {
    /// Tells all of them.
    pub(crate) fn new(metrics: &Arc<Metrics>, health: &Arc<Health>, traces: Option<Arc<Traces>>) -> Arc<Self> {
        let (metrics, health) = (Arc::clone(metrics), Arc::clone(health));
        Arc::new(Self { metrics, health, traces, failure: Mutex::new(None), waiting: Mutex::default() })
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Told {
    fn consumed(&self, _: Partition, records: usize) {
        self.metrics.consumed(records);
    }

    fn projected(&self, partition: Partition, _: Offset, report: &Report) {
        self.metrics.projected(report);
        if let Some(age) = report.end_to_end.last() {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            self.metrics.waits_since(partition, Timestamp(self.metrics.clock.now().0.saturating_sub(age)));
        }
        if let Some(traces) = &self.traces {
            traces.projected(report, self.metrics.clock.now());
        }
    }

    fn failed(&self, component: Component, error: &Error) {
        self.metrics.failed(component);
        *self.failure() = Some(error.to_string());
    }

    fn paused(&self, component: Component, paused: bool) {
        let waits = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let partitions = waiting.entry(component.as_str()).or_default();
            *partitions = if paused { *partitions + 1 } else { partitions.saturating_sub(1) };
            *partitions > 0
        };
        self.metrics.paused(component, waits);
        let why = waits.then(|| self.failure().clone().unwrap_or_default());
        self.health.report(component.as_str(), why);
    }

    fn halted(&self, _: Partition, error: &Error) {
        self.health.report("projector", Some(error.to_string()));
    }
}

#[cfg(test)]
mod tests;
