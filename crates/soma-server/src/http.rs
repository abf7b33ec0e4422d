//! The HTTP API: requests in, calls of the engine, JSON out.
//!
//! Nothing outside this folder knows HTTP. Handlers parse, call [`Engine`] and shape the answer; they
//! decide nothing about memories. Routes are listed once, in [`endpoints`].

pub(crate) mod access;
mod assets;
mod audit;
pub(crate) mod body;
mod dead_letters;
mod endpoint;
mod events;
mod harden;
pub(crate) mod health;
mod list;
pub(crate) mod local;
mod mcp;
mod memories;
mod openapi;
mod params;
mod points;
pub(crate) mod problem;
mod recall;
pub(crate) mod serve;
mod shapes;
mod status;
pub(crate) mod tls;
mod verify;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::MethodRouter;
use axum::{Extension, Router};
use soma_core::Error;
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::ids::Namespace;
use soma_core::limits;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::traces::Traces;
use access::Gatekeeper;
use endpoint::Endpoint;
use health::Health;
use problem::Problem;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    /// Remember, recall, forget.
    pub engine: Engine,
    /// The namespace of requests that name none.
    pub namespace: Namespace,
    /// Spans, if they go anywhere.
    pub traces: Option<Arc<Traces>>,
    /// Whether events are published to Kafka.
    pub eventing: bool,
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
            traces: None,
            eventing: config.events.eventing,
            body: body::Bounds { bytes_max, time_max: config.api.read_timeout },
            metrics,
            health,
            verifying: Arc::default(),
        }
    }
}

/// Every route of the API port, in the order in which documents list them.
fn endpoints() -> Vec<Endpoint> {
    let groups = [
        memories::endpoints(),
        list::endpoints(),
        events::endpoints(),
        recall::endpoints(),
        mcp::endpoints(),
        status::endpoints(),
        verify::endpoints(),
        dead_letters::endpoints(),
        points::endpoints(),
        health::endpoints(),
        openapi::endpoints(),
        assets::endpoints(),
    ];
    groups.into_iter().flatten().collect()
}

/// The OpenAPI document of a process whose vectors have that length.
pub(crate) fn document(dims: usize) -> serde_json::Value {
    openapi::document(&endpoints(), openapi::Facts { dims })
}

/// All routes of the API port.
pub(crate) fn router(app: App, keeper: &Arc<Gatekeeper>) -> Router {
    let door = mcp::Door::new(&app, keeper);
    routes(app, keeper, endpoints())
        .layer(Extension(door))
        .layer(middleware::from_fn_with_state(keeper.origins(), harden::cors))
        .layer(middleware::from_fn(harden::harden))
}

/// These routes, without what `/mcp` needs besides: it asks them itself.
fn routes(app: App, keeper: &Arc<Gatekeeper>, endpoints: Vec<Endpoint>) -> Router {
    watch::expect_routes(&app.metrics, &endpoints);
    let watched = watch::Watch { metrics: Arc::clone(&app.metrics), traces: app.traces.clone() };
    let mut paths: BTreeMap<&str, MethodRouter<App>> = BTreeMap::new();
    for endpoint in endpoints {
        let action = audit::Action::of(endpoint.verb, endpoint.path, endpoint.right);
        let gate = access::Gate { keeper: Arc::clone(keeper), right: endpoint.right, action };
        let serve = endpoint.serve.route_layer(middleware::from_fn_with_state(gate, access::guard));
        let known = paths.remove(endpoint.path).unwrap_or_default();
        paths.insert(endpoint.path, known.merge(serve));
    }
    let router = Router::new();
    let router = paths.into_iter().fold(router, |all, (path, serve)| all.route(path, serve.fallback(wrong_method)));
    router
        .fallback(no_route)
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(bounded_target))
        .layer(middleware::from_fn_with_state(watched, watch::watch))
        .with_state(app)
}

/// Refuses a target that no client of ours would write.
async fn bounded_target(request: axum::extract::Request, next: middleware::Next) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let uri = request.uri();
    let bytes = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if bytes <= limits::TARGET_BYTES_MAX {
        return next.run(request).await;
    }
    let message =
        format!("the target of the request has {bytes} bytes, at most {} are allowed", limits::TARGET_BYTES_MAX);
    Problem(Error::new(Code::UriTooLong, message).remedy("ask in a body, by POST /v1/recall")).into_response()
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
