//! `CONSUMER_METRICS_HOST`, `CONSUMER_METRICS_PORT`, `OTEL_EXPORTER_OTLP_ENDPOINT`.
//!
//! The port for Prometheus and for probes. It serves numbers only, so any address is allowed.

use super::port;
use super::source::{Reader, Variable};

const HOST: Variable = Variable::new("CONSUMER_METRICS_HOST", "127.0.0.1", "address of the metrics server");
const PORT: Variable = Variable::new("CONSUMER_METRICS_PORT", "8001", "port of the metrics server; 0 takes a free one");
const OTLP: Variable = Variable::new("OTEL_EXPORTER_OTLP_ENDPOINT", "", "where traces go, by OTLP over gRPC");

/// The metrics server.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Where it listens.
    pub host: String,
    /// On which port; 0 takes a free one.
    pub port: u16,
    /// Where traces go, if anywhere.
    pub traces: Option<String>,
}

impl Metrics {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let traces = reader.optional(&OTLP, |text| match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(text.to_owned()),
            _ => Err("is not an address; write http://host:4317, the gRPC port of a collector".to_owned()),
        });
        Self {
            traces,
            host: reader.required(&HOST, |text| Ok(text.trim_matches(['[', ']']).to_owned())),
            port: reader.required(&PORT, port),
        }
    }
}
