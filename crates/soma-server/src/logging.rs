//! Starts the log: text for people, JSON lines for programs, on standard error.

use tracing_subscriber::EnvFilter;

use crate::config::logging::{Format, Logging};

/// What a dependency logs that tells its users nothing, unless it is asked for by name.
const CHATTY: &str = "qdrant_edge";

/// Starts it; a second call changes nothing.
pub(crate) fn start(logging: &Logging) {
    let quiet = if logging.filter.contains(CHATTY) { String::new() } else { format!(",{CHATTY}=error") };
    let filter = EnvFilter::new(format!("{}{quiet}", logging.filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match logging.format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    drop(started);
}
