//! Probes and metrics: whether the process lives, whether it can do its work, what it counted.
//!
//! Alive means that every loop of the process moves, whatever is away; one that stands still is named, and
//! only a new start mends it. Ready means that a write would be kept and projected, and a read answered;
//! while a dependency is away the probe says which.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use soma_core::Error;
use soma_core::error::Code;
use soma_core::pulse::Pulses;

use super::endpoint::{Answer as Told, Endpoint, Right, Verb};
use super::openapi::schema;
use super::problem::Problem;
use super::{App, shapes};
use crate::metrics::Metrics;
use crate::metrics::expose::Format;

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The stores are being opened.
    Starting,
    /// It does its work.
    Running,
    /// It takes no new work.
    Stopping,
}

/// How long a loop may stand still. Four times the longest that a port may take for an answer (a statement
/// of PostgreSQL, 30 s), so that a loop that waits for one is not taken for a stuck one.
const STILL_MAX: Duration = Duration::from_secs(120);

/// Whether the process lives and can do its work, as everybody who knows reports it.
pub(crate) struct Health {
    inner: Mutex<Inner>,
    pulses: Pulses,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    down: BTreeMap<&'static str, String>,
}

impl Health {
    /// A process that is starting, with its loops.
    pub(crate) fn starting(pulses: Pulses) -> Arc<Self> {
        let inner = Mutex::new(Inner { phase: Phase::Starting, down: BTreeMap::new() });
        Arc::new(Self { inner, pulses })
    }

    /// Enters a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.inner().phase = phase;
    }

    /// Reports a dependency as away, with the reason, or as back.
    pub(crate) fn report(&self, dependency: &'static str, down: Option<String>) {
        let mut inner = self.inner();
        match down {
            Some(why) => drop(inner.down.insert(dependency, why)),
            None => drop(inner.down.remove(dependency)),
        }
    }

    /// The dependencies that are away, with the reasons.
    pub(crate) fn down(&self) -> BTreeMap<&'static str, String> {
        self.inner().down.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every loop moves: for each, the seconds since it last did.
    fn alive(&self) -> Response {
        let silences = self.pulses.silences();
        let stuck: Vec<&str> =
            silences.iter().filter(|loops| loops.lasts > STILL_MAX).map(|loops| loops.name.as_str()).collect();
        let mut seconds: Map<String, Value> = Map::new();
        for one in &silences {
            // Loops of one name (a topic has several readers) show the one that has stood still for longest.
            let lasts = (one.lasts.as_secs_f64() * 10.0).round() / 10.0;
            let longest = seconds.get(&one.name).and_then(Value::as_f64).map_or(lasts, |known| known.max(lasts));
            seconds.insert(one.name.clone(), json!(longest));
        }
        let (status, word) = match stuck.is_empty() {
            true => (StatusCode::OK, "alive"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
        };
        shapes::answer(status, &json!({ "status": word, "stuck": stuck, "still_seconds": seconds }))
    }

    fn answer(&self) -> Response {
        let (phase, down) = {
            let inner = self.inner();
            (inner.phase, inner.down.clone())
        };
        let word = match phase {
            Phase::Starting => "starting",
            Phase::Running if down.is_empty() => "ready",
            Phase::Running => "unavailable",
            Phase::Stopping => "stopping",
        };
        let status = if word == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut response = shapes::answer(status, &json!({ "status": word, "unavailable": down }));
        if status != StatusCode::OK {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let alive = |word: &str| {
        schema::answer(json!({
            "status": { "type": "string", "enum": [word] },
            "stuck": { "type": "array", "items": { "type": "string" }, "description": "loops that stand still for too long" },
            "still_seconds": { "type": "object", "additionalProperties": { "type": "number" }, "description": "for each loop of the process, the time since it last moved" },
        }))
    };
    let state = |words: &[&str]| {
        schema::answer(json!({
            "status": { "type": "string", "enum": words },
            "unavailable": { "type": "object", "additionalProperties": { "type": "string" }, "description": "what is away, with the reason" },
        }))
    };
    let live = |path, id| {
        let words = "Whatever is away. A loop that stands still for two minutes is stuck: only a new start mends that.";
        Endpoint::new(Verb::Get, path, live)
            .about(id, "whether every loop of the process moves", words)
            .answers(Told::json(200, "they do", alive("alive")))
            .answers(Told::json(503, "one is stuck, and is named", alive("stuck")))
    };
    let ready = |path, id| {
        Endpoint::new(Verb::Get, path, ready)
            .about(id, "whether it can do its work", "While a dependency is away the answer names it.")
            .answers(Told::json(200, "it can", state(&["ready"])))
            .answers(
                Told::json(503, "it cannot", state(&["starting", "unavailable", "stopping"]))
                    .with("Retry-After", "seconds to wait before another attempt"),
            )
    };
    vec![
        live("/livez", "livez"),
        live("/healthz", "healthz"),
        ready("/readyz", "readyz"),
        ready("/health", "health"),
        Endpoint::new(Verb::Get, "/metrics", metrics)
            .needs(Right::Admin)
            .about(
                "metrics",
                "what the process counts",
                "Prometheus text, or OpenMetrics if that is accepted. The metrics port answers it without a token.",
            )
            .answers(Told::text(
                "the metrics",
                &[Format::Prometheus.content_type(), Format::OpenMetrics.content_type()],
            )),
    ]
}

/// `GET /livez`, `/healthz`
pub(super) async fn live(State(app): State<App>) -> Response {
    app.health.alive()
}

/// `GET /readyz`, `/health`
pub(super) async fn ready(State(app): State<App>) -> Response {
    app.health.answer()
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    exposition(&app.metrics, &headers)
}

/// What the metrics port works with.
#[derive(Clone)]
pub(crate) struct Probes {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether the process can do its work.
    pub health: Arc<Health>,
}

/// From where the metrics port is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From this machine: requests for or from another host are refused, as a web page makes them.
    ThisMachine,
    /// From other machines too.
    Anywhere,
}

/// All routes of the metrics port.
pub(crate) fn router(probes: Probes, reach: Reach) -> Router {
    let router = Router::new()
        .route("/metrics", get(async |State(p): State<Probes>, headers: HeaderMap| exposition(&p.metrics, &headers)))
        .route("/livez", get(async |State(p): State<Probes>| p.health.alive()))
        .route("/healthz", get(async |State(p): State<Probes>| p.health.alive()))
        .route("/readyz", get(async |State(p): State<Probes>| p.health.answer()))
        .route("/health", get(async |State(p): State<Probes>| p.health.answer()))
        .fallback(super::no_route)
        .layer(axum::middleware::from_fn(super::harden::harden))
        .with_state(probes);
    match reach {
        Reach::ThisMachine => router.layer(axum::middleware::from_fn(super::access::local_only)),
        Reach::Anywhere => router,
    }
}

/// What the API port answers while the start waits for a server: probes, which say why; nothing else yet.
pub(crate) fn waiting_router(health: Arc<Health>, reach: Reach) -> Router {
    let starting = async || Problem(Error::new(Code::Unavailable, "soma is starting").remedy("ask /readyz what for"));
    let router = Router::new()
        .route("/livez", get(async |State(health): State<Arc<Health>>| health.alive()))
        .route("/healthz", get(async |State(health): State<Arc<Health>>| health.alive()))
        .route("/readyz", get(async |State(health): State<Arc<Health>>| health.answer()))
        .route("/health", get(async |State(health): State<Arc<Health>>| health.answer()))
        .fallback(starting)
        .layer(axum::middleware::from_fn(super::harden::harden))
        .with_state(health);
    match reach {
        Reach::ThisMachine => router.layer(axum::middleware::from_fn(super::access::local_only)),
        Reach::Anywhere => router,
    }
}

fn exposition(metrics: &Metrics, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let mut response = metrics.text(format).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

#[cfg(test)]
mod tests;
