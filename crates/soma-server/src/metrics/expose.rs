//! The two text formats. Which one is asked for decides the `Accept` header.
//!
//! The registry writes OpenMetrics. The older Prometheus text differs in three points: the head of a
//! counter names it with `_total`, there are no units, and nothing marks the end.

use std::fmt::Write as _;

use super::{Metrics, process};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for.
    pub(crate) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// Everything, as text.
    pub(crate) fn text(&self, format: Format) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a string takes everything");
        let body = text.strip_suffix("# EOF\n").unwrap_or(&text);
        let mut out = match format {
            Format::OpenMetrics => body.to_owned(),
            Format::Prometheus => as_prometheus(body),
        };
        process::write(&mut out, format);
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

fn as_prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The help of a metric comes before its type, and the type decides the name in both.
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some((name, words)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = Some((name, words));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take_if(|(named, _)| *named == name) {
                writeln!(out, "# HELP {name}{suffix} {words}").expect("a string takes everything");
            }
            writeln!(out, "# TYPE {name}{suffix} {kind}").expect("a string takes everything");
        } else if !line.starts_with("# UNIT ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
