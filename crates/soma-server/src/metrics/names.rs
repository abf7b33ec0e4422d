//! The names of all metrics, with what they count. Dashboards depend on them: add, never rename.
//!
//! A counter stands here without the `_total` that every exposition appends.

/// Name and help of one metric.
pub(crate) type Name = (&'static str, &'static str);

pub(crate) const MESSAGES_CONSUMED: Name = ("consumer_messages_consumed", "Records read from the log");
pub(crate) const PROCESS_SUCCESS: Name = ("consumer_process_success", "Events applied by a component");
pub(crate) const PROCESS_FAILURE: Name = ("consumer_process_failure", "Events that a component could not apply");
pub(crate) const PROCESSING_LATENCY: Name =
    ("consumer_processing_latency_seconds", "Time that a component took for a batch");
pub(crate) const LAG: Name = ("consumer_lag_messages", "Records of the log that are not yet projected");
pub(crate) const LAG_SECONDS: Name = (
    "consumer_lag_seconds",
    "How long the oldest record that is not yet projected has waited, at most; 0 while none waits",
);
pub(crate) const LOG_RETENTION: Name = (
    "consumer_log_retention_seconds",
    "For how long the log keeps a record, projected or not; -1 for ever, NaN while it is not known",
);
pub(crate) const END_TO_END: Name =
    ("consumer_end_to_end_latency_seconds", "Time from the log's acknowledgement to the commit of both stores");
pub(crate) const BATCH_EVENTS: Name = ("consumer_batch_events", "Records of one batch");
pub(crate) const RETRIES: Name = ("consumer_retries", "Batches tried again because a component was away");
pub(crate) const DEAD_LETTERS: Name = ("consumer_dead_letters", "Records that became dead letters");
pub(crate) const DUPLICATES: Name = ("consumer_duplicates", "Events whose id had taken effect before");
pub(crate) const STALE: Name = ("consumer_stale", "Events behind a newer state or a delete");
pub(crate) const PAUSED: Name = ("consumer_paused", "1 while the projector waits for a component");
pub(crate) const REBALANCES: Name = ("consumer_rebalances", "Changes of the partitions that this process owns");
pub(crate) const EMBEDDINGS_REPLACED: Name =
    ("consumer_embeddings_replaced", "Writers' vectors that did not fit and were made here instead");
pub(crate) const API_REQUESTS: Name = ("api_requests", "Requests answered");
pub(crate) const API_LATENCY: Name = ("api_request_latency_seconds", "Time from a request's head to its answer's head");
pub(crate) const BUILD_INFO: Name = ("soma_build_info", "The version that runs");

/// Component labels of `consumer_process_*` and `consumer_processing_latency_seconds`.
pub(crate) const KV_WRITER: &str = "kv_writer";
/// See [`KV_WRITER`].
pub(crate) const VECTOR_INDEXER: &str = "vector_indexer";
/// See [`KV_WRITER`].
pub(crate) const BOTH: &str = "both";

/// Components that the projector may wait for.
pub(crate) const COMPONENTS: [&str; 3] = [KV_WRITER, VECTOR_INDEXER, BOTH];

/// Buckets of `consumer_processing_latency_seconds` and of the other latencies, in seconds.
pub(crate) const LATENCY_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Buckets of `consumer_batch_events`.
pub(crate) const BATCH_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0];
