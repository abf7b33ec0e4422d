//! Who may call: a bearer token, or programs of this machine and no web page.
//!
//! Without a token the API listens on loopback only, and a browser on this machine is the one way in
//! for a stranger: by a page that posts here, or by a name that resolves to this address (DNS
//! rebinding). So a request without a token is refused when its `Host` or its `Origin` is not this
//! machine. There is no CORS header anywhere: no page of another origin reads an answer.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use soma_core::error::Code;
use soma_core::{Error, Result};
use subtle::ConstantTimeEq;

use super::endpoint::Right;
use super::problem::Problem;
use crate::config::api::Access;

/// What one route demands.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Who may call at all.
    pub access: Access,
    /// What the caller has to be allowed to.
    pub right: Right,
}

/// Refuses who may not call.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if gate.right == Right::Open {
        return next.run(request).await;
    }
    match check(&gate.access, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem(error).into_response(),
    }
}

fn check(access: &Access, headers: &HeaderMap) -> Result<()> {
    match access {
        Access::Anyone => Ok(()),
        Access::Token(token) => {
            let given = headers.get(header::AUTHORIZATION).and_then(|v| bearer(v.as_bytes()));
            match given {
                Some(given) if bool::from(given.ct_eq(token.0.as_bytes())) => Ok(()),
                Some(_) => Err(Error::new(Code::Unauthorized, "the token is not the right one")),
                None => Err(Error::new(Code::Unauthorized, "the request carries no token")
                    .remedy("send the header Authorization: Bearer <token>")),
            }
        }
        Access::Loopback => {
            only_this_machine("Host", headers.get(header::HOST).map(|v| v.as_bytes()))?;
            let origin = headers.get(header::ORIGIN).map(|v| v.as_bytes());
            only_this_machine("Origin", origin.map(without_scheme))
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn without_scheme(origin: &[u8]) -> &[u8] {
    origin.windows(3).position(|w| w == b"://").map_or(origin, |at| &origin[at + 3..])
}

fn only_this_machine(header: &str, authority: Option<&[u8]>) -> Result<()> {
    match authority {
        None => Ok(()),
        Some(bytes) if std::str::from_utf8(bytes).is_ok_and(names_this_machine) => Ok(()),
        Some(_) => Err(Error::new(Code::Forbidden, format!("the {header} header names another machine"))
            .at(header)
            .remedy("call 127.0.0.1 or localhost, or set SOMA_API_TOKEN and send the token")),
    }
}

fn names_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
