//! Counts, times and traces every request by its route's template.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use super::endpoint::Endpoint;
use crate::metrics::Metrics;
use crate::traces::Traces;

/// Requests that no route matches.
const UNMATCHED: &str = "unmatched";
/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// Makes the series of all routes exist.
pub(super) fn expect_routes(metrics: &Metrics, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        metrics.expect_route(endpoint.path, endpoint.verb.as_str(), endpoint.success());
    }
    metrics.expect_route(UNMATCHED, "GET", 404);
}

/// What requests are counted and traced by.
#[derive(Clone)]
pub(super) struct Watch {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Spans, if they go anywhere.
    pub traces: Option<Arc<Traces>>,
}

/// Counts one request, and traces it.
pub(super) async fn watch(State(watch): State<Watch>, mut request: Request, next: Next) -> Response {
    let clock = Arc::clone(&watch.metrics.clock);
    let start = clock.elapsed();
    let endpoint = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let endpoint = endpoint.as_deref().unwrap_or(UNMATCHED);
    let method = known_method(request.method());
    let is_traced = endpoint.starts_with("/v1/") || endpoint == "/mcp";
    let span = watch.traces.as_ref().filter(|_| is_traced).map(|traces| {
        let parent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let span = traces.begin(format!("{method} {endpoint}"), parent, clock.now());
        if let Ok(value) = HeaderValue::from_str(&span.traceparent()) {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        span
    });
    let response = next.run(request).await;
    let status = response.status().as_u16();
    if let Some(span) = span {
        span.end(endpoint, status, clock.now());
    }
    watch.metrics.answered(endpoint, method, status, clock.elapsed().saturating_sub(start));
    response
}

/// A label must not grow with what strangers send.
fn known_method(method: &axum::http::Method) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("OTHER")
}
