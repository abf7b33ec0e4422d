//! A collector of OTLP over gRPC that keeps what it is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::harness::PATIENCE;

/// What a test looks at of one span.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty where the trace begins.
    pub(super) parent: String,
    pub(super) start: u64,
    pub(super) end: u64,
    /// The process that it comes from.
    pub(super) service: String,
    /// All of it, as text.
    pub(super) everything: String,
}

/// A running collector.
pub(super) struct Collector {
    pub(super) url: String,
    kept: Arc<Kept>,
    runtime: Runtime,
}

impl Collector {
    pub(super) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime starts");
        let kept = Arc::new(Kept::default());
        let guard = runtime.enter();
        let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let url = format!("http://{}", incoming.local_addr().expect("it is bound"));
        drop(guard);
        let service = TraceServiceServer::new(Keeping(Arc::clone(&kept)));
        runtime.spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { url, kept, runtime }
    }

    /// Every span that has come.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().expect("nobody panics while holding the lock").clone()
    }

    /// Returns once so many spans have come, or none has for very long.
    pub(super) fn wait_for(&self, spans: usize) {
        let kept = self.kept.spans.lock().expect("nobody panics while holding the lock");
        let waited = self.kept.changed.wait_timeout_while(kept, PATIENCE, |kept| kept.len() < spans);
        drop(waited.expect("nobody panics while holding the lock"));
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    changed: Condvar,
}

struct Keeping(Arc<Kept>);

#[tonic::async_trait]
impl TraceService for Keeping {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|of| spans(&of));
        self.0.spans.lock().expect("nobody panics while holding the lock").extend(spans);
        self.0.changed.notify_all();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans(of: &ResourceSpans) -> Vec<Span> {
    let attributes = of.resource.iter().flat_map(|resource| &resource.attributes);
    let text = |value: &Value| if let Value::StringValue(text) = value { Some(text.clone()) } else { None };
    let mut named = attributes.filter(|attribute| attribute.key == "service.name");
    let service = named.find_map(|attribute| text(attribute.value.as_ref()?.value.as_ref()?));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let span = |span: &opentelemetry_proto::tonic::trace::v1::Span| Span {
        name: span.name.clone(),
        kind: span.kind().as_str_name().to_owned(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        service: service.clone().unwrap_or_default(),
        everything: format!("{span:?} {:?}", of.resource),
    };
    of.scope_spans.iter().flat_map(|scope| &scope.spans).map(span).collect()
}
