//! Starts the log: text for people, JSON lines for programs, on standard error.

use tracing_subscriber::EnvFilter;

use crate::config::logging::{Format, Logging};

/// What dependencies log that tells their users nothing, or holds what they sent, unless it is asked for by name.
const CHATTY: [&str; 2] = ["qdrant_edge", "rmcp"];

/// Starts it, panics included; a second call changes nothing.
pub(crate) fn start(logging: &Logging) {
    let unasked = CHATTY.iter().filter(|name| !logging.filter.contains(**name));
    let quiet: String = unasked.map(|name| format!(",{name}=error")).collect();
    let filter = EnvFilter::new(format!("{}{quiet}", logging.filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match logging.format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    drop(started);
    std::panic::set_hook(Box::new(panicked));
}

/// One line for a panic, wherever it happens: those of the vector index are answered as errors and the
/// process goes on.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().map(ToString::to_string);
    let said = said.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let name = std::thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(
        panic.at = at,
        panic.said = said,
        thread.name = name,
        "a defect was met; if it goes on, stop, run `soma verify`, and report it with this line"
    );
}
