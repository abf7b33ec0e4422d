//! `SOMA_URL`.
//!
//! Which server a command talks to. Unset, it is the one that runs on the data directory; if none
//! does, the command works on the directory itself.

use super::source::{Reader, Variable};

const URL: Variable = Variable::new("SOMA_URL", "", "server that commands talk to");

/// The server that commands talk to.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its address, without a slash at the end.
    pub url: Option<String>,
}

impl Client {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let url = reader.optional(&URL, |text| match text.strip_prefix("http://") {
            Some(rest) if !rest.is_empty() => Ok(text.trim_end_matches('/').to_owned()),
            _ => Err("is not an address; write http://host:port".to_owned()),
        });
        Self { url }
    }
}
