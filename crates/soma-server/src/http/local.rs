//! The same routes without a network: how a command works on a data directory by itself.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tower::ServiceExt;

use super::App;
use crate::config::api::Access;

/// The routes, called in process.
#[derive(Debug)]
pub(crate) struct Local(Router);

impl Local {
    /// The routes over an opened application.
    pub(crate) fn new(app: App) -> Self {
        Self(super::router(app, Access::Anyone))
    }

    /// Calls one route; answers with status and body.
    ///
    /// # Errors
    /// `internal` for a request that cannot be written down.
    pub(crate) async fn call(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<(u16, Value)> {
        let malformed = |error| Error::new(Code::Internal, "a request cannot be made").because(error);
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "localhost")
            .body(body.map_or_else(Body::empty, Body::from))
            .map_err(malformed)?;
        let response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status().as_u16();
        let broken = |error| Error::new(Code::Internal, "an answer cannot be read").because(error);
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}
