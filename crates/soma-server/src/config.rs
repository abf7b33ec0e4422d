//! The configuration: every variable, where its value came from, and all problems at once.
//!
//! A flag beats a variable, a variable beats `./.env`, and that beats the default. An empty value
//! counts as unset. Each area has a file that opens with the list of its variables; nothing else in
//! the program reads the environment.

pub(crate) mod api;
pub(crate) mod client;
pub(crate) mod embedded;
pub(crate) mod embedder;
pub(crate) mod events;
pub(crate) mod kafka;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod postgres;
pub(crate) mod qdrant;
pub(crate) mod registry;
pub(crate) mod source;

use std::path::PathBuf;

use soma_core::embed::language::Language;
use soma_core::error::Code;
use soma_core::{Error, Result};

pub(crate) use source::{Origin, Setting, Source};

/// Everything that the process can be told from outside.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The HTTP API.
    pub api: api::Api,
    /// The server that commands talk to.
    pub client: client::Client,
    /// The metrics server.
    pub metrics: metrics::Metrics,
    /// The data directory.
    pub embedded: embedded::Embedded,
    /// What turns payloads into vectors.
    pub embedder: embedder::Embedder,
    /// The language whose suffixes are cut off words.
    pub language: Language,
    /// Whether events are published, and their bounds.
    pub events: events::Events,
    /// The broker that keeps the log, if one is named.
    pub kafka: Option<kafka::Kafka>,
    /// The server that keeps the records, if one is named.
    pub postgres: Option<postgres::Postgres>,
    /// The server that keeps the points, if one is named.
    pub qdrant: Option<qdrant::Qdrant>,
    /// The registry of schemas, if one is named.
    pub registry: Option<registry::Registry>,
    /// What is logged, and how.
    pub logging: logging::Logging,
    /// Every variable with its value and origin, for `soma config`.
    pub settings: Vec<Setting>,
    /// What looks like a mistake without being one for certain.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether somebody set this variable.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.settings.iter().any(|s| s.variable.name == name && s.origin != Origin::Default)
    }

    /// The same without any server: everything lies in the data directory.
    pub(crate) fn alone(&self) -> Self {
        let events = events::Events { eventing: false, ..self.events };
        Self { events, kafka: None, postgres: None, qdrant: None, registry: None, ..self.clone() }
    }
}

/// Reads and checks everything.
///
/// # Errors
/// `bad_config`, naming every problem.
pub(crate) fn load(source: Source) -> Result<Config> {
    let mut reader = source::Reader::new(source);
    let kafka = kafka::Kafka::read(&mut reader);
    let config = Config {
        api: api::Api::read(&mut reader),
        client: client::Client::read(&mut reader),
        metrics: metrics::Metrics::read(&mut reader),
        embedded: embedded::Embedded::read(&mut reader),
        embedder: embedder::Embedder::read(&mut reader),
        language: embedder::language(&mut reader),
        events: events::Events::read(&mut reader, kafka.is_some()),
        kafka,
        postgres: postgres::Postgres::read(&mut reader),
        qdrant: qdrant::Qdrant::read(&mut reader),
        registry: registry::Registry::read(&mut reader),
        logging: logging::Logging::read(&mut reader),
        settings: Vec::new(),
        warnings: Vec::new(),
    };
    reader.note_unknown();
    let source::Read { settings, problems, warnings } = reader.finish();
    if problems.is_empty() {
        return Ok(Config { settings, warnings, ..config });
    }
    Err(together(&problems))
}

/// One error that lists all problems.
fn together(problems: &[Error]) -> Error {
    let what = match problems.len() {
        1 => "a setting cannot be used".to_owned(),
        n => format!("{n} settings cannot be used"),
    };
    let list: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
    Error::new(Code::BadConfig, format!("{what}:{list}"))
}

/// Parses a switch: `1/true/yes/on`, `0/false/no/off`, in any case.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("is neither true nor false; write 1, true, yes or on, or else 0, false, no or off".into()),
    }
}

/// A text that must never be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

/// The path of a file that can be read.
fn file_path(text: &str) -> Result<PathBuf, String> {
    match std::fs::File::open(text) {
        Ok(_) => Ok(PathBuf::from(text)),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Parses a port.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "is not a port; write a number from 0 to 65535".into())
}

/// Parses a whole number within bounds.
fn number(min: u64, max: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| match text.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(format!("is not a whole number from {min} to {max}")),
    }
}

#[cfg(test)]
mod tests;
