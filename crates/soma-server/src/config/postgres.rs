//! `POSTGRES_URL`, `POSTGRES_SSL_MODE`, `POSTGRES_SSL_ROOT_CERT`, `POSTGRES_SSL_CERT`, `POSTGRES_SSL_KEY`,
//! `POSTGRES_POOL_SIZE`.
//!
//! The record store of the cluster profile. Unset, records lie in the data directory.

use std::path::PathBuf;

use super::source::{Reader, Variable};
use super::{Secret, file_path, number};

const URL: Variable = Variable::secret("POSTGRES_URL", "record store, as postgres://user:password@host:port/database");
const URL_FILE: Variable = Variable::new("POSTGRES_URL_FILE", "", "file that holds that address");
const SSL_MODE: Variable =
    Variable::new("POSTGRES_SSL_MODE", "", "disable, allow, prefer, require, verify-ca or verify-full");
const ROOT_CERT: Variable = Variable::new("POSTGRES_SSL_ROOT_CERT", "", "file of the authorities that sign the server");
const CERT: Variable = Variable::new("POSTGRES_SSL_CERT", "", "file of the client's certificate");
const KEY: Variable = Variable::new("POSTGRES_SSL_KEY", "", "file of the client's key");
const POOL_SIZE: Variable = Variable::new("POSTGRES_POOL_SIZE", "16", "connections that one process opens at most");

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The record store of the cluster profile.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// Where it is, with user and password.
    pub url: Secret,
    /// How the connection is protected; `prefer` unless said.
    pub ssl_mode: Option<String>,
    /// Who signs the server.
    pub ssl_root_cert: Option<PathBuf>,
    /// The client's certificate.
    pub ssl_cert: Option<PathBuf>,
    /// Its key.
    pub ssl_key: Option<PathBuf>,
    /// Connections at most.
    pub pool_size: usize,
}

impl Postgres {
    /// Reads and checks; `None` when no server is named.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.secret(&URL, &URL_FILE);
        let is_used = url.is_some();
        let ssl_mode = reader.optional(&SSL_MODE, |text| {
            let text = text.to_ascii_lowercase();
            if MODES.contains(&text.as_str()) { Ok(text) } else { Err(format!("is not one of {}", MODES.join(", "))) }
        });
        let mut path =
            |variable| reader.optional(variable, |text| if is_used { file_path(text) } else { Ok(text.into()) });
        let (ssl_root_cert, ssl_cert, ssl_key) = (path(&ROOT_CERT), path(&CERT), path(&KEY));
        let pool = reader.required(&POOL_SIZE, number(2, 1_000));
        let pool_size = usize::try_from(pool).expect("bounded by 1000");
        if ssl_cert.is_some() != ssl_key.is_some() {
            reader.problem(format!("{} and {} belong together; set both", CERT.name, KEY.name), CERT.name);
        }
        let url = url?;
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.0.starts_with(scheme)) {
            let what = format!("{} is not an address; write postgres://user:password@host:port/database", URL.name);
            reader.problem(what, URL.name);
        }
        Some(Self { url, ssl_mode, ssl_root_cert, ssl_cert, ssl_key, pool_size })
    }
}
