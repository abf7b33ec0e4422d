//! Whether a server can be reached: its name, its port, its certificate.
//!
//! Clients say that a certificate is not good; why, they mostly do not say. A connection of our own shakes
//! hands and asks the certificate itself: until when it holds, for which names, by whom it is signed. Nothing
//! is sent beyond the handshake, and who we are is not told.

mod certificate;

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConfigBuilder};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::Timestamp;

use certificate::Asking;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server may be silent while hands are shaken.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// A place to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Endpoint {
    /// Reads `host:port`, with or without a scheme, a user and a path around it; `port` when it names none.
    #[must_use]
    pub fn parse(text: &str, port: u16) -> Option<Self> {
        let rest = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, after) = match place.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => place.find(':').map_or((place, ""), |colon| place.split_at(colon)),
        };
        let port = match after.strip_prefix(':') {
            Some(named) => named.parse().ok()?,
            None => port,
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

/// Who signs the certificates that are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// A PEM file; the system's roots without it.
    pub file: Option<PathBuf>,
    /// The variable that names the file, for remedies.
    pub variable: &'static str,
    /// The variable that asks for TLS, for remedies.
    pub switch: &'static str,
}

/// What was found of one place.
#[derive(Debug)]
pub struct Look {
    /// The place.
    pub endpoint: Endpoint,
    /// Its addresses.
    pub addresses: Result<Vec<IpAddr>>,
    /// Whether somebody listens; `None` when there is no address to ask.
    pub listens: Option<Result<()>>,
    /// The certificate; `None` where no TLS is wanted, or nobody listens.
    pub certificate: Option<Result<Certificate>>,
    /// Whether a certificate was shown, good or not.
    pub speaks_tls: bool,
}

/// A certificate that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When the first of its chain expires, as far as the chain was sent.
    pub until: Option<Timestamp>,
    /// The version of TLS, if the handshake came so far.
    pub tls: Option<&'static str>,
}

/// Looks at all of these places at once, each by a connection of its own that is closed again. Where
/// authorities are named, TLS is wanted.
pub async fn look(places: &[(Endpoint, Option<Authorities>)], clock: &Arc<dyn Clock>) -> Vec<Look> {
    join_all(places.iter().map(|(endpoint, tls)| one(endpoint, tls.clone(), clock.now()))).await
}

async fn one(endpoint: &Endpoint, tls: Option<Authorities>, now: Timestamp) -> Look {
    let asked = endpoint.clone();
    let looked = tokio::task::spawn_blocking(move || look_blocking(&asked, tls.as_ref(), now)).await;
    looked.unwrap_or_else(|error| Look {
        endpoint: endpoint.clone(),
        addresses: Err(Error::new(Code::Internal, "a look at a server panicked").because(error)),
        listens: None,
        certificate: None,
        speaks_tls: false,
    })
}

/// A client's settings for TLS, which trust these authorities, and lack only our certificate.
///
/// # Errors
/// `bad_config` when there are no authorities to trust.
pub(crate) fn client(authorities: &Authorities) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let roots = certificate::roots(authorities)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| Error::new(Code::Internal, "TLS cannot be set up").because(e))?;
    Ok(builder.with_root_certificates(roots))
}

/// One look, on this thread. Blocks for some seconds at most.
pub(crate) fn look_blocking(endpoint: &Endpoint, tls: Option<&Authorities>, now: Timestamp) -> Look {
    let found = resolve(endpoint);
    let (endpoint_asked, addresses) = (endpoint.clone(), Ok(Vec::new()));
    let mut look = Look { endpoint: endpoint_asked, addresses, listens: None, certificate: None, speaks_tls: false };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Look { addresses: Err(error), ..look },
    };
    look.addresses = Ok(found.iter().map(SocketAddr::ip).collect());
    match connect(endpoint, &found) {
        Ok(stream) => {
            look.listens = Some(Ok(()));
            look.certificate = tls.map(|authorities| shake(&mut look.speaks_tls, endpoint, stream, (authorities, now)));
        }
        Err(error) => look.listens = Some(Err(error)),
    }
    look
}

fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>> {
    let failed = |why: String| {
        Error::new(Code::Unavailable, format!("the host name {} does not resolve: {why}", endpoint.host))
            .remedy("check the spelling of the host name, and the name servers of this machine")
    };
    let mut found: Vec<SocketAddr> =
        (endpoint.host.as_str(), endpoint.port).to_socket_addrs().map_err(|e| failed(e.to_string()))?.collect();
    found.dedup();
    if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
}

fn connect(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = None;
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(address, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(String::new, |error| format!(": {error}"));
    Err(Error::new(Code::Unavailable, format!("nobody answers at {endpoint}{why}"))
        .remedy("start the server, or check its address and the firewalls in between"))
}

/// Shakes hands as far as the certificate, and notes whether there is one.
fn shake(
    speaks_tls: &mut bool,
    endpoint: &Endpoint,
    mut stream: TcpStream,
    (authorities, now): (&Authorities, Timestamp),
) -> Result<Certificate> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| {
        let what = format!("{} is no name that a certificate could have", endpoint.host);
        Error::new(Code::BadConfig, what).remedy("name the server by its host name or address").because(error)
    })?;
    let asking = Arc::new(Asking::new(endpoint, authorities, now)?);
    let internal = |e| Error::new(Code::Internal, "TLS cannot be set up").because(e);
    let mut connection = ClientConnection::new(asking.config().map_err(internal)?, name).map_err(internal)?;
    let timed = stream.set_read_timeout(Some(SILENCE_MAX)).and(stream.set_write_timeout(Some(SILENCE_MAX)));
    let shaken = timed.and_then(|()| {
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(())
    });
    match (asking.verdict(), shaken) {
        // A server that wants a certificate of ours ends the handshake after it has shown its own.
        (Some(verdict), _) => {
            *speaks_tls = true;
            let tls = connection.protocol_version().and_then(version);
            verdict.map(|until| Certificate { until, tls })
        }
        (None, shaken) => {
            let why = shaken.err().map_or_else(|| "it shows no certificate".to_owned(), |error| error.to_string());
            Err(Error::new(Code::Unavailable, format!("the listener at {endpoint} does not speak TLS: {why}"))
                .remedy(format!("check the port, and {}, which asks for TLS", authorities.switch)))
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library speaks no other version")]
fn version(version: rustls::ProtocolVersion) -> Option<&'static str> {
    let known = [(rustls::ProtocolVersion::TLSv1_2, "TLS 1.2"), (rustls::ProtocolVersion::TLSv1_3, "TLS 1.3")];
    known.into_iter().find(|(known, _)| *known == version).map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
