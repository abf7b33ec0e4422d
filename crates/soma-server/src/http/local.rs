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
use super::access::{Caller, Gatekeeper};
use super::write::REPEATED;
use crate::mcp::Call;

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

    /// Takes it for a success.
    ///
    /// # Errors
    /// What the answer says if it is a problem.
    pub(crate) fn success(self) -> Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(problem(self.status, &self.body)) }
    }
}

/// A text as it may stand in a path or a query string.
pub(crate) fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The error that a problem describes.
fn problem(status: u16, body: &Value) -> Error {
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let code = member("code").and_then(|text| Code::ALL.iter().copied().find(|code| code.as_str() == text));
    let code = code.unwrap_or(match status {
        404 => Code::NotFound,
        500.. => Code::Unavailable,
        _ => Code::BadRequest,
    });
    let detail = member("detail").map_or_else(|| format!("the server answered with status {status}"), str::to_owned);
    let mut error = Error::new(code, detail);
    error.field = member("field").map(str::to_owned);
    error.remedy = member("remedy").map(str::to_owned);
    error
}

/// The routes, called in process.
#[derive(Debug)]
pub(crate) struct Local(Router);

impl Local {
    /// The routes over an opened application.
    pub(crate) fn new(app: App) -> Self {
        Self(super::routes(app, &Gatekeeper::open(), super::endpoints()))
    }

    /// The same for callers who have been let in already, each with its own rights.
    pub(super) fn for_callers(app: App, keeper: &Gatekeeper) -> Self {
        Self(super::routes(app, &keeper.vouching(), super::endpoints()))
    }

    /// Calls one route.
    ///
    /// # Errors
    /// `bad_request` for a request that cannot be written down.
    pub(crate) async fn call(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Reply> {
        self.send(request(method, target, body)?).await
    }

    /// Calls one route for somebody.
    ///
    /// # Errors
    /// As [`Local::call`].
    pub(super) async fn call_as(&self, caller: Caller, call: Call) -> Result<Reply> {
        let body = call.body.map(|body| body.to_string().into_bytes());
        let mut request = request(call.method, &call.target, body)?;
        request.extensions_mut().insert(caller);
        self.send(request).await
    }

    async fn send(&self, request: Request<Body>) -> Result<Reply> {
        let response = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (status, headers) = (response.status(), response.headers().clone());
        let broken = |error| Error::new(Code::Internal, "an answer cannot be read").because(error);
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok(Reply::new(status, &headers, &bytes))
    }
}

fn request(method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Request<Body>> {
    // A target that cannot be written down came with the call: a cursor or an id of whoever asks.
    let malformed = |error| Error::new(Code::BadRequest, "a request cannot be made").because(error);
    Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "localhost")
        .body(body.map_or_else(Body::empty, Body::from))
        .map_err(malformed)
}
