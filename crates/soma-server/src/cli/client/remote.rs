//! A server over HTTP.

use std::time::Duration;

use soma_core::error::Code;
use soma_core::{Error, Result};
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::Call;
use crate::config::api::{Access, Token};
use crate::http::local::Reply;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// A server.
pub(in crate::cli) struct Remote {
    url: String,
    token: Option<Token>,
    agent: Agent,
}

impl Remote {
    /// A server; `ca` is the PEM text of the authorities that sign it, if they are not known to everybody.
    pub(super) fn new(url: String, access: &Access, ca: Option<&[u8]>) -> Self {
        let token = match access {
            Access::Token(token) => Some(token.clone()),
            Access::File { token, .. } => token.clone(),
            Access::Loopback | Access::Anyone => None,
        };
        let roots = ca.map_or(RootCerts::WebPki, |pem| RootCerts::new_with_certs(&certificates(pem)));
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .build();
        Self { url, token, agent: config.into() }
    }

    pub(in crate::cli) fn url(&self) -> &str {
        &self.url
    }

    /// Makes a request.
    ///
    /// # Errors
    /// `unavailable` when there is no answer.
    pub(in crate::cli) fn call(&self, call: &Call<'_>) -> Result<Reply> {
        self.send(call.method, call.target, call.body.as_ref().map(|body| body.to_string().into_bytes()))
    }

    /// The same with a body that is written down already.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub(super) fn send(&self, method: &str, target: &str, body: Option<Vec<u8>>) -> Result<Reply> {
        let silent = |error: &dyn std::fmt::Display| {
            Error::new(Code::Unavailable, format!("there is no answer from {}: {error}", self.url))
                .remedy("check that the server runs (soma health), or name another with --url")
        };
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.0));
        }
        let request = request
            .header("content-type", "application/json")
            .body(body.unwrap_or_default())
            .map_err(|error| Error::new(Code::BadRequest, format!("a request cannot be made: {error}")))?;
        let mut response = self.agent.run(request).map_err(|error| silent(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| silent(&error))?;
        Ok(Reply::new(status, &headers, &bytes))
    }
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    };
    parse_pem(pem).filter_map(certificate).collect()
}
