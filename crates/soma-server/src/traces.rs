//! Traces: one span for each request, and spans of both store writes for each event that carries a
//! `traceparent`, sent by OTLP over gRPC.
//!
//! A request's span continues the caller's trace when the request names one, and begins a trace
//! otherwise; the event carries it through the log, so the spans of the stores continue it whichever
//! process projects. Without an endpoint nothing is made and a caller's `traceparent` passes unchanged.
//! Spans hold no payload, no query and no token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use soma_core::error::Code;
use soma_core::ids::Timestamp;
use soma_core::projector::observe::Report;
use soma_core::{Error, Result};

/// How long the last spans may take at the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes spans and sends them.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a request under way.
pub(crate) struct Request(opentelemetry_sdk::trace::Span);

impl Traces {
    /// Sends spans to this endpoint; connects when there is something to send. Needs a runtime.
    ///
    /// # Errors
    /// `bad_config` for an endpoint that is none.
    pub(crate) fn start(endpoint: &str) -> Result<Arc<Self>> {
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|error| {
            Error::new(Code::BadConfig, format!("traces cannot be sent to {endpoint}: {error}"))
                .at("OTEL_EXPORTER_OTLP_ENDPOINT")
                .remedy("write http://host:4317, the gRPC port of a collector")
        })?;
        let attributes = [KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
        let resource = Resource::builder().with_service_name("soma").with_attributes(attributes).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("soma");
        Ok(Arc::new(Self { provider, tracer }))
    }

    /// Begins the span of a request, within the trace that its caller names.
    pub(crate) fn begin(&self, name: String, traceparent: Option<&str>, now: Timestamp) -> Request {
        let parent = traceparent.and_then(remote).unwrap_or_default();
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_start_time(system(now));
        Request(self.tracer.build_with_context(builder, &parent))
    }

    /// Makes the spans of a committed batch: for each traced event the projection as a whole, and within
    /// it the work of both stores, which the batch shares.
    pub(crate) fn projected(&self, report: &Report, now: Timestamp) {
        let (end, took) = (system(now), report.both_took);
        let start = end.checked_sub(took).unwrap_or(end);
        for traceparent in &report.traceparents {
            let Some(parent) = remote(traceparent) else { continue };
            let builder = SpanBuilder::from_name("project").with_kind(SpanKind::Consumer).with_start_time(start);
            let whole = self.tracer.build_with_context(builder, &parent);
            let within = Context::new().with_remote_span_context(whole.span_context().clone());
            for (name, took) in [("kv_writer", report.records_took), ("vector_indexer", report.index_took)] {
                let builder =
                    SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_start_time(start).with_attributes([
                        KeyValue::new("batch.events", i64::try_from(report.records).unwrap_or(i64::MAX)),
                    ]);
                self.tracer.build_with_context(builder, &within).end_with_timestamp(start + took);
            }
            let mut whole = whole;
            whole.end_with_timestamp(end);
        }
    }

    /// Sends what is left.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!("the last traces could not be sent: {error}");
        }
    }
}

impl Request {
    /// What the events of this request carry.
    pub(crate) fn traceparent(&self) -> String {
        let context = self.0.span_context();
        let sampled = u8::from(context.is_sampled());
        format!("00-{}-{}-{sampled:02x}", context.trace_id(), context.span_id())
    }

    /// Ends it.
    pub(crate) fn end(mut self, endpoint: &str, status: u16, now: Timestamp) {
        self.0.set_attribute(KeyValue::new("http.route", endpoint.to_owned()));
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end_with_timestamp(system(now));
    }
}

/// The span that a W3C `traceparent` names; `None` when it names none.
fn remote(traceparent: &str) -> Option<Context> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then(|| Context::new().with_remote_span_context(context))
}

fn system(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(time.0).unwrap_or(0))
}

#[cfg(test)]
mod tests;
