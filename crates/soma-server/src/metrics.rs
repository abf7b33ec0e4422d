//! What the process counts, in the formats of Prometheus and OpenMetrics.
//!
//! All series exist from the start, at zero: a dashboard can tell "nothing happened" from "nobody
//! looked".

pub(crate) mod expose;
pub(crate) mod names;
mod process;
mod waiting;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::ids::Timestamp;
use soma_core::projector::observe::{self as projector, Report};

use names::{BATCH_BUCKETS, COMPONENTS, LATENCY_BUCKETS, Name};
use waiting::Waiting;

/// Label of `consumer_messages_consumed_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Topic {
    topic: String,
}

/// Labels of `consumer_lag_messages`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TopicPartition {
    topic: String,
    partition: u32,
}

/// Label of everything that is counted by component.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Component {
    component: &'static str,
}

/// Label of `consumer_dead_letters_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: String,
}

/// Labels of `api_request_latency_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Endpoint {
    endpoint: String,
    method: String,
}

/// Labels of `api_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EndpointStatus {
    endpoint: String,
    method: String,
    status: u16,
}

/// For how long a log keeps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retention {
    /// Nothing expires.
    Forever,
    /// So long, projected or not.
    For(Duration),
}

type Seconds = Gauge<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every metric of the process.
pub(crate) struct Metrics {
    /// What requests are timed by.
    pub clock: Arc<dyn Clock>,
    registry: Registry,
    topic: String,
    consumed: Family<Topic, Counter>,
    success: Family<Component, Counter>,
    failure: Family<Component, Counter>,
    processing: Histograms<Component>,
    lag: Family<TopicPartition, Gauge>,
    lag_seconds: Family<TopicPartition, Seconds>,
    waiting: Waiting,
    retention: Family<Topic, Seconds>,
    /// The partitions whose lag is shown.
    shown: Mutex<Vec<u32>>,
    end_to_end: Histogram,
    batch_events: Histogram,
    retries: Family<Component, Counter>,
    dead_letters: Family<Reason, Counter>,
    duplicates: Counter,
    stale: Counter,
    paused: Family<Component, Gauge>,
    rebalances: Counter,
    embeddings_replaced: Counter,
    requests: Family<EndpointStatus, Counter>,
    latency: Histograms<Endpoint>,
}

/// Reason codes of dead letters, so that their series exist from the start.
const DEAD_LETTER_REASONS: [Code; 12] = [
    Code::NotJson,
    Code::Schema,
    Code::TypeUnknown,
    Code::BadKey,
    Code::TooLarge,
    Code::TooDeep,
    Code::NulCharacter,
    Code::NumberRange,
    Code::DuplicateKey,
    Code::NamespaceMismatch,
    Code::SchemaUnknown,
    Code::StoreRejected,
];

fn latencies() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

impl Metrics {
    /// All series at zero. `topic` labels what is read from the log.
    pub(crate) fn new(topic: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        let mut metrics = Self {
            clock,
            registry: Registry::default(),
            topic: topic.to_owned(),
            consumed: Family::default(),
            success: Family::default(),
            failure: Family::default(),
            processing: Family::new_with_constructor(latencies as fn() -> Histogram),
            lag: Family::default(),
            lag_seconds: Family::default(),
            waiting: Waiting::default(),
            retention: Family::default(),
            shown: Mutex::new(vec![0]),
            end_to_end: latencies(),
            batch_events: Histogram::new(BATCH_BUCKETS),
            retries: Family::default(),
            dead_letters: Family::default(),
            duplicates: Counter::default(),
            stale: Counter::default(),
            paused: Family::default(),
            rebalances: Counter::default(),
            embeddings_replaced: Counter::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(latencies as fn() -> Histogram),
        };
        metrics.register();
        metrics.start_at_zero();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        macro_rules! register {
            ($($name:ident: $metric:expr),+ $(,)?) => {$({
                let (name, help): Name = names::$name;
                registry.register(name, help, $metric.clone());
            })+};
        }
        register! {
            MESSAGES_CONSUMED: self.consumed, PROCESS_SUCCESS: self.success, PROCESS_FAILURE: self.failure,
            PROCESSING_LATENCY: self.processing, LAG: self.lag, LAG_SECONDS: self.lag_seconds,
            LOG_RETENTION: self.retention, END_TO_END: self.end_to_end,
            BATCH_EVENTS: self.batch_events, RETRIES: self.retries, DEAD_LETTERS: self.dead_letters,
            DUPLICATES: self.duplicates, STALE: self.stale, PAUSED: self.paused, REBALANCES: self.rebalances,
            EMBEDDINGS_REPLACED: self.embeddings_replaced, API_REQUESTS: self.requests, API_LATENCY: self.latency,
        }
        // The crate appends `_info` itself.
        let (build, help) = names::BUILD_INFO;
        let build = build.strip_suffix("_info").expect("the name of an info metric ends so");
        registry.register(build, help, Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
    }

    fn start_at_zero(&self) {
        drop(self.consumed.get_or_create(&Topic { topic: self.topic.clone() }));
        drop(self.lag.get_or_create(&TopicPartition { topic: self.topic.clone(), partition: 0 }));
        drop(self.lag_seconds.get_or_create(&TopicPartition { topic: self.topic.clone(), partition: 0 }));
        self.retention(None);
        for component in COMPONENTS.map(|component| Component { component }) {
            drop(self.success.get_or_create(&component));
            drop(self.failure.get_or_create(&component));
            drop(self.processing.get_or_create(&component));
        }
        for component in projector::Component::ALL {
            let component = Component { component: component.as_str() };
            drop(self.retries.get_or_create(&component));
            drop(self.paused.get_or_create(&component));
        }
        for code in DEAD_LETTER_REASONS {
            drop(self.dead_letters.get_or_create(&Reason { reason: code.as_str().to_owned() }));
        }
    }

    /// Counts records that were read from the log.
    pub(crate) fn consumed(&self, records: usize) {
        self.consumed.get_or_create(&Topic { topic: self.topic.clone() }).inc_by(records as u64);
    }

    /// Counts one committed batch.
    pub(crate) fn projected(&self, report: &Report) {
        let good = (report.applied + report.stale + report.duplicates) as u64;
        let times = [
            (names::KV_WRITER, report.records_took),
            (names::VECTOR_INDEXER, report.index_took),
            (names::BOTH, report.both_took),
        ];
        for (component, took) in times {
            self.success.get_or_create(&Component { component }).inc_by(good);
            self.processing.get_or_create(&Component { component }).observe(took.as_secs_f64());
        }
        for took in &report.end_to_end {
            self.end_to_end.observe(took.as_secs_f64());
        }
        for reason in &report.letters {
            self.dead_letters.get_or_create(&Reason { reason: reason.clone() }).inc();
            self.failure.get_or_create(&Component { component: names::BOTH }).inc();
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most some thousand records")]
        self.batch_events.observe(report.records as f64);
        self.stale.inc_by(report.stale as u64);
        self.duplicates.inc_by(report.duplicates as u64);
        self.embeddings_replaced.inc_by(report.embeddings_replaced as u64);
    }

    /// Counts a batch that will be tried again.
    pub(crate) fn failed(&self, component: projector::Component) {
        let component = Component { component: component.as_str() };
        self.retries.get_or_create(&component).inc();
        self.failure.get_or_create(&component).inc();
    }

    /// Shows whether the projector waits for a component.
    pub(crate) fn paused(&self, component: projector::Component, paused: bool) {
        self.paused.get_or_create(&Component { component: component.as_str() }).set(paused.into());
    }

    /// Shows which partitions are this process's: their lag, and nobody else's.
    pub(crate) fn owned(&self, partitions: &[u32]) {
        self.rebalances.inc();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = |partition| TopicPartition { topic: self.topic.clone(), partition };
        for partition in shown.iter().filter(|partition| !partitions.contains(partition)) {
            self.lag.remove(&labels(*partition));
            self.lag_seconds.remove(&labels(*partition));
            self.waiting.forget(*partition);
        }
        for partition in partitions {
            drop(self.lag.get_or_create(&labels(*partition)));
            drop(self.lag_seconds.get_or_create(&labels(*partition)));
        }
        partitions.clone_into(&mut shown);
    }

    /// Shows how many records a partition holds that are not yet projected, and how long the oldest has waited.
    /// `false` while nobody knows how long that is: [`Self::waits_since`].
    pub(crate) fn lag(&self, partition: u32, records: u64) -> bool {
        let labels = TopicPartition { topic: self.topic.clone(), partition };
        self.lag.get_or_create(&labels).set(i64::try_from(records).unwrap_or(i64::MAX));
        let waits = self.waiting.lag(partition, records, self.clock.now());
        self.lag_seconds.get_or_create(&labels).set(waits.map_or(f64::NAN, |waits| waits.as_secs_f64()));
        waits.is_some()
    }

    /// Takes note that no record of the partition that waits is older than that.
    pub(crate) fn waits_since(&self, partition: u32, since: Timestamp) {
        self.waiting.since(partition, since);
    }

    /// Shows for how long the log keeps a record.
    pub(crate) fn retention(&self, retention: Option<Retention>) {
        let seconds = match retention {
            None => f64::NAN,
            Some(Retention::Forever) => -1.0,
            Some(Retention::For(time)) => time.as_secs_f64(),
        };
        self.retention.get_or_create(&Topic { topic: self.topic.clone() }).set(seconds);
    }

    /// Makes the series of a route exist.
    pub(crate) fn expect_route(&self, endpoint: &str, method: &str, status: u16) {
        drop(self.latency.get_or_create(&Endpoint { endpoint: endpoint.into(), method: method.into() }));
        let labels = EndpointStatus { endpoint: endpoint.into(), method: method.into(), status };
        drop(self.requests.get_or_create(&labels));
    }

    /// Counts one answered request; `endpoint` is the route's template.
    pub(crate) fn answered(&self, endpoint: &str, method: &str, status: u16, took: Duration) {
        let labels = Endpoint { endpoint: endpoint.into(), method: method.into() };
        self.latency.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = EndpointStatus { endpoint: endpoint.into(), method: method.into(), status };
        self.requests.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests;
