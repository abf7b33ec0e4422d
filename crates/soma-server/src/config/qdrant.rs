//! `QDRANT_URL`, `QDRANT_API_KEY`, `QDRANT_COLLECTION`, `QDRANT_CA_LOCATION`.
//!
//! The vector index of the cluster profile. Unset, vectors lie in the data directory.

use std::path::PathBuf;

use super::source::{Reader, Variable};
use super::{Secret, file_path};

const URL: Variable = Variable::new("QDRANT_URL", "", "vector index, as http(s)://host:port");
const API_KEY: Variable = Variable::secret("QDRANT_API_KEY", "key of the vector index");
const API_KEY_FILE: Variable = Variable::new("QDRANT_API_KEY_FILE", "", "file that holds that key");
const COLLECTION: Variable = Variable::new("QDRANT_COLLECTION", "memory_vectors", "collection of points");
const CA: Variable = Variable::new("QDRANT_CA_LOCATION", "", "file of the authorities that sign the vector index");

/// The vector index of the cluster profile.
#[derive(Clone, Debug)]
pub(crate) struct Qdrant {
    /// Where it is.
    pub url: String,
    /// What it asks for.
    pub api_key: Option<Secret>,
    /// Which collection.
    pub collection: String,
    /// Who signs the server; the system's authorities unless named.
    pub ca: Option<PathBuf>,
}

impl Qdrant {
    /// Reads and checks; `None` when no server is named.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.optional(&URL, |text| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            match rest {
                Some(rest) if !rest.is_empty() => Ok(text.trim_end_matches('/').to_owned()),
                _ => Err("is not an address; write http://host:6334 or https://host:6334".to_owned()),
            }
        });
        let is_used = url.is_some();
        let api_key = reader.secret(&API_KEY, &API_KEY_FILE);
        let collection = reader.required(&COLLECTION, |text| {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if text.len() <= 255 && text.chars().all(legal) {
                Ok(text.to_owned())
            } else {
                Err("is not a name of a collection; use letters, digits, dots, dashes and underscores".to_owned())
            }
        });
        let ca = reader.optional(&CA, |text| if is_used { file_path(text) } else { Ok(text.into()) });
        Some(Self { url: url?, api_key, collection, ca })
    }
}
