//! Counts and times every request by its route's template.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::metrics::Metrics;

/// Requests that no route matches.
const UNMATCHED: &str = "unmatched";

/// Routes, methods and the status of success, so that their series exist from the start.
const ROUTES: [(&str, &str, u16); 18] = [
    ("/v1/memories", "POST", 201),
    ("/v1/memories", "GET", 200),
    ("/v1/memories", "DELETE", 200),
    ("/v1/memories/batch", "POST", 200),
    ("/v1/memories/{id}", "GET", 200),
    ("/v1/memories/{id}", "PUT", 200),
    ("/v1/memories/{id}", "DELETE", 200),
    ("/v1/memories/{id}/history", "GET", 200),
    ("/v1/events", "POST", 200),
    ("/v1/recall", "POST", 200),
    ("/v1/namespaces", "GET", 200),
    ("/v1/stats", "GET", 200),
    ("/v1/status", "GET", 200),
    ("/v1/verify", "POST", 200),
    ("/metrics", "GET", 200),
    ("/livez", "GET", 200),
    ("/readyz", "GET", 200),
    (UNMATCHED, "GET", 404),
];

/// Makes the series of all routes exist.
pub(super) fn expect_routes(metrics: &Metrics) {
    for (endpoint, method, status) in ROUTES {
        metrics.expect_route(endpoint, method, status);
    }
}

/// Counts one request.
pub(super) async fn watch(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let start = metrics.clock.elapsed();
    let endpoint = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = known_method(request.method());
    let response = next.run(request).await;
    let endpoint = endpoint.as_deref().unwrap_or(UNMATCHED);
    metrics.answered(endpoint, method, response.status().as_u16(), metrics.clock.elapsed().saturating_sub(start));
    response
}

/// A label must not grow with what strangers send.
fn known_method(method: &axum::http::Method) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("OTHER")
}
