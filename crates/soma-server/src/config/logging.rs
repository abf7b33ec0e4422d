//! `SOMA_LOG`, `SOMA_LOG_FORMAT`.
//!
//! What is logged to standard error, and how.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::source::{Reader, Variable};

const LOG: Variable = Variable::new("SOMA_LOG", "info", "what is logged: a level, or levels by module");
const FORMAT: Variable = Variable::new("SOMA_LOG_FORMAT", "", "text or json; text on a terminal, else json");

/// For whom the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs: one JSON object per line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    /// Levels by module.
    pub filter: String,
    /// For whom.
    pub format: Format,
}

impl Logging {
    /// Reads and checks.
    pub(crate) fn read(reader: &mut Reader) -> Self {
        let filter = reader.required(&LOG, |text| match EnvFilter::try_new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("is not a log filter: {error}")),
        });
        let format = reader.optional(&FORMAT, |text| match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err("is neither text nor json".to_owned()),
        });
        let format = format.unwrap_or_else(|| {
            let format = if std::io::stderr().is_terminal() { Format::Text } else { Format::Json };
            reader.show(FORMAT.name, if format == Format::Text { "text".into() } else { "json".into() });
            format
        });
        Self { filter, format }
    }
}
