//! `SOMA_API_HOST`, `SOMA_API_PORT`, `SOMA_API_TOKEN`, `SOMA_API_TOKENS_FILE`, `SOMA_API_ALLOW_ANONYMOUS`,
//! `SOMA_RATE_LIMIT_MAX`, `SOMA_RATE_LIMIT_WINDOW_SECONDS`,
//! `SOMA_MEMORY_NAMESPACE`, `SOMA_API_CONNECTIONS_MAX`, `SOMA_API_READ_TIMEOUT_SECONDS`,
//! `SOMA_SHUTDOWN_TIMEOUT_SECONDS`, `SOMA_API_TLS_CERT`, `SOMA_API_TLS_KEY`, `SOMA_API_CORS_ORIGINS`,
//! `SOMA_AUDIT_LOG`.
//!
//! Who may reach the API, and how long a client may take. An address beyond loopback without a
//! token is refused here, before anything is opened.

use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use soma_core::ids::Namespace;

use super::source::{Reader, Variable};
use super::{number, port, switch};

const HOST: Variable = Variable::new("SOMA_API_HOST", "127.0.0.1", "address that the API listens on");
const PORT: Variable = Variable::new("SOMA_API_PORT", "9595", "port of the API; 0 takes a free one");
const TOKEN: Variable = Variable::secret("SOMA_API_TOKEN", "bearer token that every request must carry");
const TOKENS_FILE: Variable = Variable::new("SOMA_API_TOKENS_FILE", "", "file of tokens bound to namespaces");
const ANONYMOUS: Variable =
    Variable::new("SOMA_API_ALLOW_ANONYMOUS", "false", "allow an address beyond loopback without a token");
const NAMESPACE: Variable = Variable::new("SOMA_MEMORY_NAMESPACE", "default", "namespace of requests that name none");
const CONNECTIONS: Variable =
    Variable::new("SOMA_API_CONNECTIONS_MAX", "1024", "connections served at a time; others wait");
const READ_TIMEOUT: Variable =
    Variable::new("SOMA_API_READ_TIMEOUT_SECONDS", "10", "how long the head and the body of a request may each take");
const SHUTDOWN_TIMEOUT: Variable =
    Variable::new("SOMA_SHUTDOWN_TIMEOUT_SECONDS", "10", "how long requests in hand may take at shutdown");
const RATE_MAX: Variable = Variable::new("SOMA_RATE_LIMIT_MAX", "0", "requests per window; 0 is no limit");
const RATE_WINDOW: Variable = Variable::new("SOMA_RATE_LIMIT_WINDOW_SECONDS", "60", "seconds of that window");

const TLS_CERT: Variable = Variable::new("SOMA_API_TLS_CERT", "", "file of the API's certificate, with its chain");
const TLS_KEY: Variable = Variable::new("SOMA_API_TLS_KEY", "", "file of that certificate's key");
const CORS: Variable =
    Variable::new("SOMA_API_CORS_ORIGINS", "", "origins whose pages may call the API, with commas between");
const AUDIT: Variable = Variable::new("SOMA_AUDIT_LOG", "", "where it is noted who did what: a file, or stdout");

/// Certificate and key of the listener.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Where it is noted who did what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuditTo {
    /// Standard output.
    Stdout,
    /// A file that grows.
    File(PathBuf),
}

/// A bearer token; never shown.
#[derive(Clone)]
pub(crate) struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Who may call the API.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Whoever carries the token.
    Token(Token),
    /// Whoever carries a token of the file, or the one that may do everything.
    File {
        /// The file of tokens.
        path: PathBuf,
        /// The token that may do everything, if there is one.
        token: Option<Token>,
    },
    /// Programs of this machine, and no web page: requests for or from a foreign host are refused.
    Loopback,
    /// Everybody, because the operator said so.
    Anyone,
}

/// How often one caller may ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Requests in each window.
    pub max: u64,
    /// How long a window is.
    pub window: Duration,
}

/// The HTTP API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Where it listens.
    pub host: String,
    /// On which port; 0 takes a free one.
    pub port: u16,
    /// Who may call it.
    pub access: Access,
    /// How often one caller may ask; none is as often as it likes.
    pub rate: Option<Rate>,
    /// Certificate and key, if the API is behind TLS.
    pub tls: Option<TlsFiles>,
    /// Origins whose pages may call it and read answers.
    pub cors_origins: Vec<String>,
    /// Where it is noted who did what, if anywhere.
    pub audit: Option<AuditTo>,
    /// The namespace of requests that name none.
    pub namespace: Namespace,
    /// Connections served at a time.
    pub connections_max: usize,
    /// How long the head and the body of a request may each take.
    pub read_timeout: Duration,
    /// How long requests in hand may take at shutdown.
    pub shutdown_timeout: Duration,
}

impl Api {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let host = reader.required(&HOST, |text| Ok(text.trim_matches(['[', ']']).to_owned()));
        let port = reader.required(&PORT, port);
        let token = reader.optional(&TOKEN, token);
        let anonymous = reader.required(&ANONYMOUS, switch);
        let namespace =
            reader.required(&NAMESPACE, |text| Namespace::parse(text).map_err(|e| format!("is refused: {e}")));
        let seconds = |min, max| move |text: &str| number(min, max)(text).map(Duration::from_secs);
        let connections = reader.required(&CONNECTIONS, number(1, 65_535));
        let read_timeout = reader.required(&READ_TIMEOUT, seconds(1, 300));
        let shutdown_timeout = reader.required(&SHUTDOWN_TIMEOUT, seconds(0, 600));
        let file = reader.optional(&TOKENS_FILE, |text| Ok(PathBuf::from(text)));
        let max = reader.required(&RATE_MAX, number(0, u64::MAX));
        let window = reader.required(&RATE_WINDOW, seconds(1, 86_400));
        let tls = tls(reader);
        let cors_origins = reader.optional(&CORS, origins).unwrap_or_default();
        let audit = reader.optional(&AUDIT, |text| {
            Ok(if text == "stdout" { AuditTo::Stdout } else { AuditTo::File(PathBuf::from(text)) })
        });
        let rate = (max > 0).then_some(Rate { max, window });

        let loopback = match is_loopback(&host) {
            Ok(loopback) => loopback,
            Err(why) => {
                reader.problem(format!("{}={host} {why}", HOST.name), HOST.name);
                true
            }
        };
        let access = match (file, token) {
            (Some(path), token) => Access::File { path, token },
            (None, Some(token)) => Access::Token(token),
            (None, None) if anonymous => Access::Anyone,
            (None, None) => Access::Loopback,
        };
        if !loopback && matches!(access, Access::Loopback) && !reader.is_set(TOKEN.name) {
            reader.problem(
                format!(
                    "{}={host} lets other machines in, and no token is set; set {}, or {}=true if everybody who \
                     reaches this address may read, write and delete",
                    HOST.name, TOKEN.name, ANONYMOUS.name
                ),
                HOST.name,
            );
        }
        let connections_max = usize::try_from(connections).expect("bounded by 65535");
        Self {
            host,
            port,
            access,
            rate,
            tls,
            cors_origins,
            audit,
            namespace,
            connections_max,
            read_timeout,
            shutdown_timeout,
        }
    }
}

fn tls(reader: &mut Reader) -> Option<TlsFiles> {
    let certificate = reader.optional(&TLS_CERT, |text| Ok(PathBuf::from(text)));
    let key = reader.optional(&TLS_KEY, |text| Ok(PathBuf::from(text)));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            reader.problem(format!("{} needs {}", TLS_CERT.name, TLS_KEY.name), TLS_KEY.name);
            None
        }
        (None, Some(_)) => {
            reader.problem(format!("{} needs {}", TLS_KEY.name, TLS_CERT.name), TLS_CERT.name);
            None
        }
    }
}

/// Origins as a browser writes them. A star would let in every page that a user of this API opens.
fn origins(text: &str) -> Result<Vec<String>, String> {
    let one = |origin: &str| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        match rest {
            Some(host) if !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/*@?#".contains(&b)) => {
                Ok(origin.to_owned())
            }
            _ => Err(format!("holds {origin:?}, which is no origin; write each as https://host or https://host:port")),
        }
    };
    text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(one).collect()
}

fn token(text: &str) -> Result<Token, String> {
    if text.len() < 16 {
        return Err("is shorter than 16 characters; use a long random text".into());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("holds a character that a header cannot carry; use letters, digits and punctuation".into());
    }
    Ok(Token(text.to_owned()))
}

/// Whether every address of this host is one of this machine's own.
fn is_loopback(host: &str) -> Result<bool, String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(ip.is_loopback());
    }
    let addresses: Vec<_> =
        (host, 0).to_socket_addrs().map_err(|error| format!("is not an address and has none: {error}"))?.collect();
    Ok(!addresses.is_empty() && addresses.iter().all(|a| a.ip().is_loopback()))
}
