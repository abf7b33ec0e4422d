//! The HTTP API: requests in, calls of the engine, JSON out.
//!
//! Nothing outside this folder knows HTTP. Handlers parse, call [`Engine`] and shape the answer; they
//! decide nothing about memories. Routes are listed once, in [`router`].

pub(crate) mod access;
pub(crate) mod body;
mod events;
pub(crate) mod health;
mod list;
pub(crate) mod local;
mod memories;
mod params;
pub(crate) mod problem;
mod recall;
pub(crate) mod serve;
mod shapes;
mod status;
mod verify;
mod watch;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use soma_core::Error;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::ids::Namespace;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Config;
use crate::config::api::Access;
use crate::metrics::Metrics;
use health::Health;
use problem::Problem;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    /// Remember, recall, forget.
    pub engine: Engine,
    /// The namespace of requests that name none.
    pub namespace: Namespace,
    /// Bounds of a request's body.
    pub body: body::Bounds,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether the process can do its work.
    pub health: Arc<Health>,
    /// One verification at a time: each reads everything.
    pub verifying: Arc<tokio::sync::Mutex<()>>,
}

/// The largest body of a batch, in bytes, unless one event may be larger.
const BODY_BYTES: usize = 32 << 20;

impl App {
    /// An application over opened stores.
    pub(crate) fn new(config: &Config, engine: &Engine, metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        let bytes_max = BODY_BYTES.max(2 * config.events.value_bytes_max);
        Self {
            engine: engine.clone(),
            namespace: config.api.namespace.clone(),
            body: body::Bounds { bytes_max, time_max: config.api.read_timeout },
            metrics,
            health,
            verifying: Arc::default(),
        }
    }
}

/// All routes of the API port.
pub(crate) fn router(app: App, access: Access) -> Router {
    let guarded = Router::new()
        .route("/v1/memories", post(memories::create).get(list::list).delete(list::delete).fallback(wrong_method))
        .route("/v1/memories/batch", post(memories::batch).fallback(wrong_method))
        .route(
            "/v1/memories/{id}",
            get(memories::read).put(memories::replace).delete(memories::delete).fallback(wrong_method),
        )
        .route("/v1/memories/{id}/history", get(memories::history).fallback(wrong_method))
        .route("/v1/events", post(events::append).fallback(wrong_method))
        .route("/v1/recall", post(recall::recall).fallback(wrong_method))
        .route("/v1/namespaces", get(status::namespaces).fallback(wrong_method))
        .route("/v1/stats", get(status::stats).fallback(wrong_method))
        .route("/v1/status", get(status::status).fallback(wrong_method))
        .route("/v1/verify", post(verify::verify).fallback(wrong_method))
        .route("/metrics", get(health::metrics).fallback(wrong_method))
        .route_layer(middleware::from_fn_with_state(access, access::guard));
    let open = Router::new()
        .route("/livez", get(health::live).fallback(wrong_method))
        .route("/healthz", get(health::live).fallback(wrong_method))
        .route("/readyz", get(health::ready).fallback(wrong_method))
        .route("/health", get(health::ready).fallback(wrong_method));
    watch::expect_routes(&app.metrics);
    let metrics = Arc::clone(&app.metrics);
    guarded
        .merge(open)
        .fallback(no_route)
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(metrics, watch::watch))
        .with_state(app)
}

async fn no_route(uri: axum::http::Uri) -> Problem {
    Problem(Error::new(Code::NotFound, format!("there is no route {}", uri.path())))
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem(Error::new(Code::MethodNotAllowed, format!("{} does not know the method {method}", uri.path())))
}

/// A defect ends one request, not the process.
fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    Problem(Error::new(Code::Internal, "the request met a defect").remedy("report it with the server's log"))
        .into_response()
}
