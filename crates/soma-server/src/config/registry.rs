//! `SCHEMA_REGISTRY_URL`, `SCHEMA_REGISTRY_USERNAME`, `SCHEMA_REGISTRY_PASSWORD`, `SCHEMA_REGISTRY_CA_LOCATION`,
//! `SCHEMA_REGISTRY_AUTO_REGISTER`, `KAFKA_VALUE_FORMAT`.
//!
//! The registry of schemas, and whether values are framed with a schema's id. Unset, there is none.

use std::path::PathBuf;

use super::source::{Reader, Variable};
use super::{Secret, file_path, switch};

const URL: Variable = Variable::new("SCHEMA_REGISTRY_URL", "", "schema registry with the Confluent API");
const USERNAME: Variable = Variable::new("SCHEMA_REGISTRY_USERNAME", "", "user of the registry");
const PASSWORD: Variable = Variable::secret("SCHEMA_REGISTRY_PASSWORD", "password of that user");
const PASSWORD_FILE: Variable = Variable::new("SCHEMA_REGISTRY_PASSWORD_FILE", "", "file that holds that password");
const CA: Variable = Variable::new("SCHEMA_REGISTRY_CA_LOCATION", "", "file of the authorities that sign the registry");
const AUTO_REGISTER: Variable =
    Variable::new("SCHEMA_REGISTRY_AUTO_REGISTER", "true", "whether the event's schema is registered at the start");
const FORMAT: Variable =
    Variable::new("KAFKA_VALUE_FORMAT", "json", "json, or confluent for values framed with a schema's id");

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueFormat {
    /// As JSON.
    Json,
    /// Framed: a zero byte, the schema's id in four bytes, the JSON.
    Confluent,
}

/// The registry of schemas.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    /// Where it is.
    pub url: String,
    /// Who asks.
    pub username: Option<String>,
    /// And the password.
    pub password: Option<Secret>,
    /// Who signs the registry; the system's authorities unless named.
    pub ca: Option<PathBuf>,
    /// Whether the schema is registered at the start.
    pub auto_register: bool,
    /// How values are written.
    pub format: ValueFormat,
}

impl Registry {
    /// Reads and checks; `None` when no registry is named.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.optional(&URL, |text| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            match rest {
                Some(rest) if !rest.is_empty() => Ok(text.trim_end_matches('/').to_owned()),
                _ => Err("is not an address; write http://host:port or https://host:port".to_owned()),
            }
        });
        let is_used = url.is_some();
        let username = reader.text(&USERNAME);
        let password = reader.secret(&PASSWORD, &PASSWORD_FILE);
        let ca = reader.optional(&CA, |text| if is_used { file_path(text) } else { Ok(text.into()) });
        let auto_register = reader.required(&AUTO_REGISTER, switch);
        let format = reader.required(&FORMAT, |text| match text.to_ascii_lowercase().as_str() {
            "json" => Ok(ValueFormat::Json),
            "confluent" => Ok(ValueFormat::Confluent),
            _ => Err("is neither json nor confluent".to_owned()),
        });
        if format == ValueFormat::Confluent && !is_used {
            let what = format!("{}=confluent needs a registry; set {}", FORMAT.name, URL.name);
            reader.problem(what, FORMAT.name);
        }
        Some(Self { url: url?, username, password, ca, auto_register, format })
    }
}
