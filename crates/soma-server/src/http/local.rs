//! The same routes without a network: how a command works on a data directory by itself.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tower::ServiceExt;

use super::App;
use super::access::Gatekeeper;
use super::write::REPEATED;

/// What a route answered, here or on a server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// How many writes of the request the log had already.
    pub(crate) repeated: u64,
    /// `null` when it is not JSON.
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let repeated = headers.get(REPEATED).and_then(|count| count.to_str().ok()?.parse().ok());
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        Self { status: status.as_u16(), repeated: repeated.unwrap_or(0), body }
    }
}

/// The routes, called in process.
#[derive(Debug)]
pub(crate) struct Local(Router);

impl Local {
    /// The routes over an opened application.
    pub(crate) fn new(app: App) -> Self {
        Self(super::router(app, &Gatekeeper::open()))
    }

    /// Calls one route.
    ///
    /// # Errors
    /// `internal` for a request that cannot be written down.
    pub(crate) async fn call(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Reply> {
        let malformed = |error| Error::new(Code::Internal, "a request cannot be made").because(error);
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "localhost")
            .body(body.map_or_else(Body::empty, Body::from))
            .map_err(malformed)?;
        let response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (status, headers) = (response.status(), response.headers().clone());
        let broken = |error| Error::new(Code::Internal, "an answer cannot be read").because(error);
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok(Reply::new(status, &headers, &bytes))
    }
}
