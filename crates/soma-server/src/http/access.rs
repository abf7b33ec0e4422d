//! Who may call: bearer tokens, or programs of this machine and no web page; and how often.
//!
//! Without a token the API listens on loopback only, and a browser on this machine is the one way in
//! for a stranger: by a page that posts here, or by a name that resolves to this address (DNS
//! rebinding). So a request without a token is refused when its `Host` is not this machine, or its `Origin`
//! neither this machine nor one that the operator named.
//!
//! What a caller may do is its [`Grant`]; handlers get it as a [`Caller`] and hold every namespace
//! against it.

mod grant;
mod rate;
pub(crate) mod tokens;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::audit::{self, Action, Audit};
use super::endpoint::Right;
use super::harden;
use super::problem::Problem;
use crate::config::api::{Access, Api};
pub(crate) use grant::{Caller, Grant};
use rate::Limiter;
pub(crate) use rate::Who;
use tokens::Key;

/// How often the file of tokens is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The name of those who need none.
const ANYBODY: &str = "anonymous";

/// The address that a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// Who is let in without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strangers {
    /// Nobody.
    Refused,
    /// Programs of this machine.
    Loopback,
    /// Everybody.
    Welcome,
    /// Whoever was let in before: the request comes from this process and says who calls.
    Vouched,
}

/// Decides about every request.
pub(crate) struct Gatekeeper {
    strangers: Strangers,
    own: Option<Key>,
    file: Option<PathBuf>,
    /// The file as it was before it was first read.
    first: Option<(u64, SystemTime)>,
    keys: RwLock<Arc<Vec<Key>>>,
    limiter: Option<Limiter>,
    /// Origins whose pages may call and read.
    origins: harden::Origins,
    audit: Option<Arc<Audit>>,
}

impl Gatekeeper {
    /// As the settings say.
    ///
    /// # Errors
    /// `bad_config` for a file of tokens that cannot be read, naming the line, and for an audit log that
    /// cannot be written.
    pub(crate) fn new(api: &Api, clock: &Arc<dyn Clock>) -> Result<Arc<Self>> {
        let (strangers, own, file) = match &api.access {
            Access::Token(token) => (Strangers::Refused, Some(Key::of_all(&token.0)), None),
            Access::File { path, token } => {
                (Strangers::Refused, token.as_ref().map(|token| Key::of_all(&token.0)), Some(path.clone()))
            }
            Access::Loopback => (Strangers::Loopback, None, None),
            Access::Anyone => (Strangers::Welcome, None, None),
        };
        let limiter = api.rate.map(|rate| Limiter::new(rate.max, rate.window, Arc::clone(clock)));
        let audit = api.audit.as_ref().map(|to| Audit::open(to, Arc::clone(clock))).transpose()?;
        let origins = api.cors_origins.clone().into();
        let first = stamp(file.as_deref());
        let gate = Self { strangers, own, file, first, keys: RwLock::default(), limiter, origins, audit };
        gate.read()?;
        Ok(Arc::new(gate))
    }

    /// One that lets everybody in: for calls within the process.
    pub(crate) fn open() -> Arc<Self> {
        Self::within(Strangers::Welcome, None)
    }

    /// One that takes the word of this process for who calls, and holds every route against its rights. It
    /// notes what they do where this one does.
    pub(crate) fn vouching(&self) -> Arc<Self> {
        Self::within(Strangers::Vouched, self.audit.clone())
    }

    fn within(strangers: Strangers, audit: Option<Arc<Audit>>) -> Arc<Self> {
        let (keys, limiter, origins) = (RwLock::default(), None, Arc::default());
        Arc::new(Self { strangers, own: None, file: None, first: None, keys, limiter, origins, audit })
    }

    /// The origins whose pages may call and read.
    pub(crate) fn origins(&self) -> harden::Origins {
        Arc::clone(&self.origins)
    }

    /// Reads the file of tokens, if there is one.
    fn read(&self) -> Result<()> {
        let mut keys: Vec<Key> = self.own.iter().cloned().collect();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::new(Code::BadConfig, format!("the tokens file {} cannot be read: {error}", path.display()))
                    .at("SOMA_API_TOKENS_FILE")
                    .remedy("name a file that this process may read")
            })?;
            keys.extend(tokens::parse(&text)?);
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Reads the file of tokens again whenever it changes, until `stop`. A faulty one changes nothing.
    ///
    /// # Errors
    /// None; the type is that of a supervised task.
    pub(crate) async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Result<()> {
        let mut seen = self.first;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = clock.sleep(LOOK_INTERVAL) => {}
            }
            let stamp = stamp(self.file.as_deref());
            if stamp == seen {
                continue;
            }
            seen = stamp;
            match self.read() {
                Ok(()) => tracing::info!("the tokens file was read again"),
                Err(error) => tracing::error!("the tokens of before stay in force: {error}"),
            }
        }
    }

    /// What this caller may do, and by what it is counted.
    fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> (Result<Arc<Grant>>, Who) {
        let address = peer.map_or(Who::Others, Who::Address);
        match self.strangers {
            Strangers::Welcome => (Ok(Arc::new(Grant::all(ANYBODY))), address),
            Strangers::Vouched => (Err(Error::new(Code::Internal, "nobody says who calls")), Who::Others),
            Strangers::Loopback => {
                (only_this_machine(headers, &self.origins).map(|()| Arc::new(Grant::all(ANYBODY))), address)
            }
            Strangers::Refused => {
                let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
                let given = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
                match given.map(|token| tokens::find(&keys, token)) {
                    Some(Some(key)) => (Ok(Arc::clone(key.grant())), Who::Token(key.hash())),
                    Some(None) => (Err(unknown_token()), address),
                    None => (Err(no_token()), address),
                }
            }
        }
    }
}

/// Size and time of a file, which change when it does.
fn stamp(file: Option<&Path>) -> Option<(u64, SystemTime)> {
    let meta = std::fs::metadata(file?).ok()?;
    Some((meta.len(), meta.modified().ok()?))
}

fn no_token() -> Error {
    Error::new(Code::Unauthorized, "the request carries no token")
        .remedy("send the header Authorization: Bearer <token>")
}

fn unknown_token() -> Error {
    Error::new(Code::Unauthorized, "the token is not a known one")
        .remedy("send one that the server's operator has given out and not revoked")
}

/// What one route demands.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Who may call at all.
    pub keeper: Arc<Gatekeeper>,
    /// What the caller has to be allowed to.
    pub right: Right,
    /// What it does.
    pub action: Action,
}

/// Refuses who may not call, or calls too often; else tells the handler who calls. What has to be noted
/// is noted before the answer goes out.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(audit) = gate.keeper.audit.clone() else { return decide(&gate, request, next).await.1 };
    let noted = audit::Request {
        action: gate.action,
        from: request.extensions().get::<Peer>().map(|peer| peer.0),
        method: request.method().to_string(),
        route: request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        target: request.uri().path().to_owned(),
    };
    let ((who, response), named) = audit::noting(decide(&gate, request, next)).await;
    let code = response.extensions().get::<Code>().copied();
    audit.note(&noted, &audit::Outcome { who, status: response.status(), code, named });
    response
}

/// The answer, and by what name the caller is known.
async fn decide(gate: &Gate, mut request: Request, next: Next) -> (Option<String>, Response) {
    let keeper = &gate.keeper;
    if gate.right == Right::Open {
        // Probes and documents need no token, but a page of another host gets nothing either.
        let refused = match keeper.strangers {
            Strangers::Loopback => only_this_machine(request.headers(), &keeper.origins).err(),
            Strangers::Refused | Strangers::Welcome | Strangers::Vouched => None,
        };
        return match refused {
            Some(error) => (None, Problem(error).into_response()),
            None => (None, next.run(request).await),
        };
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let vouched = match keeper.strangers {
        Strangers::Vouched => request.extensions().get::<Caller>().cloned(),
        Strangers::Refused | Strangers::Loopback | Strangers::Welcome => None,
    };
    let (grant, who) = match vouched {
        Some(Caller(grant)) => (Ok(grant), Who::Others),
        None => keeper.admit(request.headers(), peer),
    };
    let name = grant.as_ref().ok().map(|grant| grant.name.clone());
    if let Some(limiter) = &keeper.limiter
        && let Err(seconds) = limiter.count(who)
    {
        return (name, too_often(seconds));
    }
    let response = match grant.and_then(|grant| grant.may(gate.right).map(|()| grant)) {
        Ok(grant) => {
            request.extensions_mut().insert(Caller(grant));
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(error) => Problem(error).into_response(),
    };
    (name, response)
}

fn too_often(seconds: u64) -> Response {
    let error = Error::new(Code::RateLimited, format!("the caller may ask again in {seconds} s"));
    let mut response = Problem(error.remedy("wait as long as Retry-After says")).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// Refuses requests for or from a foreign host.
pub(crate) async fn local_only(request: Request, next: Next) -> Response {
    match only_this_machine(request.headers(), &[]) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem(error).into_response(),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn without_scheme(origin: &[u8]) -> &[u8] {
    origin.windows(3).position(|w| w == b"://").map_or(origin, |at| &origin[at + 3..])
}

fn only_this_machine(headers: &HeaderMap, origins: &[String]) -> Result<()> {
    this_machine("Host", headers.get(header::HOST).map(|v| v.as_bytes()))?;
    let origin = headers.get(header::ORIGIN).filter(|origin| !harden::is_named(origins, origin));
    this_machine("Origin", origin.map(|v| without_scheme(v.as_bytes())))
}

/// Whether an `Origin` is this machine.
pub(super) fn is_this_machine(origin: &[u8]) -> bool {
    this_machine("Origin", Some(without_scheme(origin))).is_ok()
}

fn this_machine(header: &str, authority: Option<&[u8]>) -> Result<()> {
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
