//! `POST /mcp`: the memory as tools of the Model Context Protocol, over streamable HTTP.
//!
//! Each request stands for itself: there is no session, so nothing of a client is kept but the positions of
//! writes that the stores have yet to show, by caller and bounded. Whoever is let in calls the routes of this
//! API through its tools, with its own rights and namespaces. Answers are JSON, never a stream, so no
//! connection stays open and shutting down waits for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use http_body_util::Full;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::App;
use super::access::{Caller, Gatekeeper, Who};
use super::body;
use super::endpoint::{Endpoint, Right, Verb};
use super::local::Local;
use super::params::Params;
use super::problem::Answer;
use crate::mcp::{Call, Routes, Seen, Server, Session};

/// Callers whose unshown writes are remembered. Beyond them a caller may have to look twice.
const CALLERS_MAX: usize = 4_096;

/// What is told about this route.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/mcp", serve)
            .needs(Right::Read)
            .about("mcp", "tools for agents", "The Model Context Protocol over streamable HTTP, without sessions.")
            .apart(),
    ]
}

/// What serves `/mcp` beside the application.
#[derive(Clone)]
pub(super) struct Door {
    routes: Arc<Local>,
    seen: Arc<Mutex<HashMap<Who, Arc<Seen>>>>,
}

impl Door {
    /// The routes of this application.
    pub(super) fn new(app: &App, keeper: &Gatekeeper) -> Self {
        Self { routes: Arc::new(Local::for_callers(app.clone(), keeper)), seen: Arc::default() }
    }

    /// What a caller has written that the stores have yet to show.
    fn seen(&self, who: Who) -> Arc<Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= CALLERS_MAX {
            // Whoever is in the middle of a call holds its own.
            seen.retain(|_, seen| !seen.is_empty() || Arc::strong_count(seen) > 1);
        }
        match seen.get(&who) {
            Some(known) => Arc::clone(known),
            None if seen.len() >= CALLERS_MAX => Arc::default(),
            None => Arc::clone(seen.entry(who).or_default()),
        }
    }
}

/// The routes of this process, asked in the name of one caller.
struct InProcess {
    routes: Arc<Local>,
    caller: Caller,
}

#[async_trait]
impl Routes for InProcess {
    async fn call(&self, call: Call) -> Result<Value> {
        self.routes.call_as(self.caller.clone(), call).await?.success().map(|reply| reply.body)
    }
}

/// `POST /mcp`
async fn serve(
    State(app): State<App>,
    door: Option<Extension<Door>>,
    caller: Caller,
    Extension(who): Extension<Who>,
    request: Request<Body>,
) -> Answer {
    let Some(Extension(door)) = door else {
        return Err(Error::new(Code::NotFound, "/mcp is served over the network only").into());
    };
    same_origin(request.headers())?;
    let mut params = Params::of(request.uri())?;
    let namespace = params.namespace()?;
    params.finish("namespace")?;
    let namespace = namespace.unwrap_or_else(|| app.namespace.clone());
    let (parts, body) = request.into_parts();
    let body = body::read(body, app.body).await?;

    let session = Session {
        routes: Arc::new(InProcess { routes: door.routes.clone(), caller }),
        namespace: Some(namespace.to_string()),
        seen: door.seen(who),
    };
    let server = Server::new(session);
    // Who may call for which host is decided before; and a body is here as a whole.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .with_max_request_body_bytes(app.body.bytes_max);
    let service =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config);
    let answer = service.handle(Request::from_parts(parts, Full::new(body))).await;
    Ok(Response::map(answer, Body::new))
}

/// Refuses a page of another origin, whoever it calls for. Programs send no `Origin`.
fn same_origin(headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let (origin, host) = (origin.as_bytes(), headers.get(header::HOST).map(|host| host.as_bytes()));
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    if authority.is_some() && authority == host || super::access::is_this_machine(origin) {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, "the Origin header names another host than the one that is called")
        .at("Origin")
        .remedy("call from a program, or from a page of this server"))
}
