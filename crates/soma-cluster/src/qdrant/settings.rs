//! Where the server is and how to speak to it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use soma_core::error::{Code, Error, Result};
use tonic::transport::Uri;

use crate::reach::{Authorities, Endpoint};

/// The deadline of a call that is not configured otherwise: below the 15 seconds after which a record
/// transaction that waits for the index is ended.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The port of the server's REST interface.
const REST_PORT: u16 = 6333;
/// The port of its gRPC interface.
const GRPC_PORT: u16 = 6334;

/// Where the server is and how to speak to it.
#[derive(Clone)]
pub struct Settings {
    /// Its URL. One that names the REST port 6333, or no port, means the gRPC port 6334. `https` is TLS.
    pub url: String,
    /// The key that it asks for.
    pub api_key: Option<String>,
    /// The collection, or an alias of one.
    pub collection: String,
    /// A PEM file of the authority that signed its certificate, instead of those of the system.
    pub ca_location: Option<PathBuf>,
    /// How long a call may take.
    pub timeout: Duration,
}

/// Without the key, and without what a URL may hold beside host and port.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.endpoint().map_or_else(|_| "unreadable".to_owned(), |uri| uri.to_string()))
            .field("api_key", &self.api_key.as_ref().map(|_| "hidden"))
            .field("collection", &self.collection)
            .field("ca_location", &self.ca_location)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Settings {
    /// The address of the gRPC interface.
    ///
    /// # Errors
    /// `bad_config`.
    pub(super) fn endpoint(&self) -> Result<Uri> {
        let refuse = |why: &str| {
            Error::new(Code::BadConfig, format!("the URL of the Qdrant server {why}"))
                .remedy("write it like http://localhost:6334 or https://qdrant.example.com:6334")
        };
        let text = self.url.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|error| refuse("is not a URL").because(error))?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            Some(_) | None => return Err(refuse("is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("holds a user; a Qdrant server asks for a key instead"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(refuse("has a path; its gRPC interface has none"));
        }
        let port = match authority.port_u16() {
            Some(REST_PORT) | None => GRPC_PORT,
            Some(port) => port,
        };
        format!("{scheme}://{}:{port}", authority.host()).parse().map_err(|error| refuse("is not a URL").because(error))
    }
}

impl Settings {
    /// The server, and who must have signed its certificate; `None` for a URL that cannot be used.
    #[must_use]
    pub fn place(&self) -> Option<(Endpoint, Option<Authorities>)> {
        let uri = self.endpoint().ok()?;
        let place = Endpoint::parse(&uri.to_string(), GRPC_PORT)?;
        let file = self.ca_location.clone();
        let authorities = Authorities { file, variable: "QDRANT_CA_LOCATION", switch: "QDRANT_URL" };
        Some((place, (uri.scheme_str() == Some("https")).then_some(authorities)))
    }
}

#[cfg(test)]
mod tests;
