//! How to reach the server: what the operator says, checked before anything connects.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use soma_core::error::{Code, Error, Result};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode as Wanted};

use crate::reach::Endpoint;

/// How long a connection may take to be there, TLS and password included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which the kernel asks whether the server is still there, and how it asks.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay unacknowledged.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
/// What PostgreSQL shows of us in `pg_stat_activity`, unless the URL says otherwise.
const APPLICATION_NAME: &str = "soma";

/// How the connection is encrypted, and what is checked about the server. As libpq has it, except that
/// nothing falls back to less than was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server insists.
    Allow,
    /// If the server can.
    #[default]
    Prefer,
    /// Always; the certificate is not checked, unless a root certificate is given: then as `verify-ca`.
    Require,
    /// Always, and a root that we trust has signed the certificate.
    VerifyCa,
    /// Always, and the certificate names the host that we asked for.
    VerifyFull,
}

impl SslMode {
    const ALL: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The spelling that settings use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("prefer", |(text, _)| text)
    }

    /// The mode that a URL asks for with `sslmode=…`, if it does.
    ///
    /// # Errors
    /// `bad_config` when there is no such mode.
    pub fn of_url(url: &str) -> Result<Option<Self>> {
        let (_, mode) = without_mode(url);
        mode.map(str::parse).transpose()
    }
}

impl FromStr for SslMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        known.map(|(_, mode)| *mode).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Error::new(Code::BadConfig, format!("{text:?} is no mode of TLS for PostgreSQL"))
                .remedy(format!("choose one of {}", names.join(", ")))
        })
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the server is and how to talk to it. `Debug` shows no password.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database?…`, or libpq's `key=value` form.
    pub url: String,
    /// How the connection is encrypted.
    pub ssl_mode: SslMode,
    /// Roots that are trusted instead of the system's, in PEM.
    pub ssl_root_cert: Option<PathBuf>,
    /// Our certificate, its chain behind it, in PEM.
    pub ssl_cert: Option<PathBuf>,
    /// The key of our certificate, in PEM.
    pub ssl_key: Option<PathBuf>,
    /// The most connections for reads, and the most for record transactions; at least 1.
    pub pool_size: usize,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, ssl_mode, ssl_root_cert, ssl_cert, ssl_key, pool_size } = self;
        let target = self.config().map_or_else(|_| "a URL that cannot be read".to_owned(), |config| target(&config));
        f.debug_struct("Settings")
            .field("server", &target)
            .field("ssl_mode", ssl_mode)
            .field("ssl_root_cert", ssl_root_cert)
            .field("ssl_cert", ssl_cert)
            .field("ssl_key", ssl_key)
            .field("pool_size", pool_size)
            .finish()
    }
}

impl Settings {
    /// The client's own configuration. `allow` begins without TLS.
    pub(super) fn config(&self) -> Result<Config> {
        let (url, mode) = without_mode(&self.url);
        let mode: Option<SslMode> = mode.map(str::parse).transpose()?;
        if let Some(mode) = mode.filter(|mode| *mode != self.ssl_mode) {
            let message = format!("the URL of PostgreSQL says sslmode={mode}, the settings say {}", self.ssl_mode);
            return Err(Error::new(Code::BadConfig, message).remedy("say it in one place"));
        }
        let mut config: Config = url.parse().map_err(|e: tokio_postgres::Error| {
            let why = std::error::Error::source(&e).map(|why| format!(": {why}")).unwrap_or_default();
            Error::new(Code::BadConfig, format!("the URL of PostgreSQL cannot be read{why}"))
                .remedy("write postgres://user:password@host:5432/database, special characters as %XX")
        })?;
        config.ssl_mode(match self.ssl_mode {
            SslMode::Disable | SslMode::Allow => Wanted::Disable,
            SslMode::Prefer => Wanted::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Wanted::Require,
        });
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let message = "the URL of PostgreSQL names no host";
            return Err(
                Error::new(Code::BadConfig, message).remedy("write postgres://user:password@host:5432/database")
            );
        }
        Ok(config)
    }
}

impl Settings {
    /// The servers that the URL names; those behind sockets of this machine are left out.
    ///
    /// # Errors
    /// `bad_config` when the URL cannot be read.
    pub fn places(&self) -> Result<Vec<Endpoint>> {
        let config = self.config()?;
        let port = |at: usize| config.get_ports().get(at).or_else(|| config.get_ports().first()).copied();
        let place = |(at, host): (usize, &Host)| match host {
            Host::Tcp(name) => Some(Endpoint { host: name.clone(), port: port(at).unwrap_or(5432) }),
            #[cfg(unix)]
            Host::Unix(_) => None,
        };
        Ok(config.get_hosts().iter().enumerate().filter_map(place).collect())
    }
}

/// Who talks to which database where: for errors, without a secret.
pub(super) fn target(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let ports = config.get_ports();
        let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let user = config.get_user().unwrap_or("(the user of this process)");
    let database = config.get_dbname().or(config.get_user()).unwrap_or("(the user's)");
    format!("{user}@{}/{database}", hosts.join(","))
}

/// Takes `sslmode` out of a URL: the client does not know all of its values.
fn without_mode(url: &str) -> (String, Option<&str>) {
    let Some((address, query)) = url.split_once('?').filter(|_| url.contains("://")) else {
        return (url.to_owned(), None);
    };
    let (mut mode, mut kept) = (None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            _ => kept.push(pair),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    (format!("{address}{query}"), mode)
}

#[cfg(test)]
mod tests;
