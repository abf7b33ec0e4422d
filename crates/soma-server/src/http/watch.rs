//! Counts and times every request by its route's template.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::endpoint::Endpoint;
use crate::metrics::Metrics;

/// Requests that no route matches.
const UNMATCHED: &str = "unmatched";

/// Makes the series of all routes exist.
pub(super) fn expect_routes(metrics: &Metrics, endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        metrics.expect_route(endpoint.path, endpoint.verb.as_str(), endpoint.success());
    }
    metrics.expect_route(UNMATCHED, "GET", 404);
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
