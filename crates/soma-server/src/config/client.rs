//! `SOMA_URL`, `SOMA_URL_CA`.
//!
//! Which server a command talks to. Unset, it is the one that runs on the data directory; if none
//! does, the command works on the directory itself.

use super::source::{Reader, Variable};

const URL: Variable = Variable::new("SOMA_URL", "", "server that commands talk to");
const CA: Variable = Variable::new("SOMA_URL_CA", "", "file of the authorities that sign that server");

/// The server that commands talk to.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address, without a slash at the end.
    pub url: Option<String>,
    /// PEM text of the authorities that sign it; those that everybody knows unless named.
    pub ca: Option<Vec<u8>>,
}

impl Client {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let url = reader.optional(&URL, |text| {
            match text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) {
                Some(rest) if !rest.is_empty() => Ok(text.trim_end_matches('/').to_owned()),
                _ => Err("is not an address; write http://host:port or https://host:port".to_owned()),
            }
        });
        let ca = reader.optional(&CA, |text| match std::fs::read(text) {
            Ok(pem) if pem.windows(27).any(|words| words == b"-----BEGIN CERTIFICATE-----") => Ok(pem),
            Ok(_) => Err("holds no certificate; name a PEM file".to_owned()),
            Err(error) => Err(format!("cannot be read: {error}")),
        });
        Self { url, ca }
    }
}
