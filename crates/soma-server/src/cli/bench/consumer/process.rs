//! This program as a process of its own, in a room, and what the system tells about it.
//!
//! It takes the settings of whoever measures, so that it reaches the same servers, but for those that
//! would have it listen elsewhere, ask for a token or speak to a registry.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use soma_core::error::Code;
use soma_core::{Error, Result};

use super::super::server::{Resident, announced, end, lines, silent};
use super::site::Site;

/// What is not handed on.
const LEFT_OUT: [&str; 14] = [
    "POSTGRES_URL_FILE",
    "SCHEMA_REGISTRY_URL",
    "KAFKA_VALUE_FORMAT",
    "SOMA_URL",
    "SOMA_API_TOKEN",
    "SOMA_API_TOKENS_FILE",
    "SOMA_API_TLS_CERT",
    "SOMA_API_TLS_KEY",
    "SOMA_AUDIT_LOG",
    "SOMA_RATE_LIMIT_MAX",
    "SOMA_EMBEDDER_MODEL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SOMA_API_ALLOW_ANONYMOUS",
    "SOMA_LANGUAGE",
];
/// Ticks of the processor's clock in a second, as Linux counts them for everybody.
const TICKS: f64 = 100.0;

/// A process that does its work.
pub(super) struct Process {
    child: Child,
    log: Receiver<String>,
    /// Where it listens.
    pub(super) url: String,
}

impl Process {
    /// Starts it and waits until it says where it listens, in this field of its log.
    ///
    /// # Errors
    /// `unavailable` when it does not start; the last line of its log says why.
    pub(super) fn start(site: &Site, room: &str, args: &[&str], field: &str) -> Result<Self> {
        let failed = |error| {
            Error::new(Code::Unavailable, format!("{} cannot be started", site.binary.display())).because(error)
        };
        let mut command = Command::new(&site.binary);
        for name in LEFT_OUT {
            command.env_remove(name);
        }
        command
            .envs([("SOMA_LOG", "info"), ("SOMA_LOG_FORMAT", "json"), ("EVENTING_ENABLED", "true")])
            .envs([("SOMA_API_HOST", "127.0.0.1"), ("SOMA_API_PORT", "0"), ("CONSUMER_METRICS_PORT", "0")])
            .envs(site.variables(room))
            .args(args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        let started = child.stderr.take().ok_or_else(|| silent("it has no log")).and_then(lines);
        let started = started.and_then(|log| Ok((announced(&log, field)?, log)));
        match started {
            Ok((url, log)) => Ok(Self { child, log, url }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    /// What it holds in memory.
    ///
    /// # Errors
    /// `unavailable` where the system does not tell.
    pub(super) fn resident(&self) -> Result<Resident> {
        Resident::of(&self.child.id().to_string())
    }

    /// The seconds of processor time that it has taken.
    ///
    /// # Errors
    /// `unavailable` where the system does not tell.
    pub(super) fn cpu(&self) -> Result<f64> {
        cpu(&self.child.id().to_string())
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// `unavailable`, with the last line of its log.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(self.failed("it has ended")),
        }
    }

    /// An error about it, with the last line of its log.
    pub(super) fn failed(&self, what: &str) -> Error {
        let last = self.log.try_iter().last().unwrap_or_default();
        Error::new(Code::Unavailable, format!("a process that is measured did not do its work: {what}; {last}"))
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// `unavailable` when it cannot be told to end.
    pub(super) fn stop(mut self) -> Result<()> {
        end(&mut self.child)
            .map_err(|error| Error::new(Code::Unavailable, "a process cannot be stopped").because(error))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The seconds of processor time that a process has taken, by its number, or `self`.
///
/// # Errors
/// `unavailable` where the system does not tell.
pub(super) fn cpu(process: &str) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let unreadable = || {
        Error::new(Code::Unavailable, format!("processor time cannot be read: {file}"))
            .remedy("measure on Linux, or leave the backlog out with --only")
    };
    let text = fs::read_to_string(&file).map_err(|error| unreadable().because(error))?;
    // The name of the program may hold anything but stands in parentheses.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    // User and system time, as `proc(5)` numbers them from the state on.
    Ok((ticks(11).ok_or_else(unreadable)? + ticks(12).ok_or_else(unreadable)?) / TICKS)
}
