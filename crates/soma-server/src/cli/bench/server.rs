//! The binary itself, started as a user would and measured from outside, over HTTP.
//!
//! The process gets no setting of whoever runs the benchmark but the embedder's: a token, another
//! port or another log would measure something else. It is ended in order, so that what a
//! start finds is what an orderly end left.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result, limits};

use super::super::client::{Call, Client};
use super::lab::Lab;
use super::stats::timed;

/// How long a start may take: a large index is loaded meanwhile.
const START_TIMEOUT: Duration = Duration::from_secs(600);
/// Lines of its log that wait to be read.
const LOG_LINES: usize = 1_000;

/// A running `soma up`.
pub(super) struct Server {
    child: Child,
    url: String,
    /// From starting the process to its first answer that it is ready.
    pub(super) ready_ms: f64,
}

/// What a process holds in memory, in MiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    /// Its own data.
    pub(super) anonymous: f64,
    /// Pages of files, which the system takes back when it needs them.
    pub(super) files: f64,
    /// The most that both together have been so far.
    pub(super) peak: f64,
}

impl Server {
    /// Starts the binary on a directory and waits until it is ready.
    ///
    /// # Errors
    /// `unavailable` when it does not start; the last line of its log says why.
    pub(super) fn start(lab: &Lab, data: &Path) -> Result<Self> {
        let (ready_ms, (child, url)) = timed(lab.clock.as_ref(), || started(lab, data))?;
        Ok(Self { child, url, ready_ms })
    }

    /// A connection to it.
    pub(super) fn client(&self) -> Client {
        Client::at(self.url.clone())
    }

    /// What it holds in memory.
    ///
    /// # Errors
    /// `unavailable` where the system does not tell.
    pub(super) fn resident(&self) -> Result<Resident> {
        Resident::of(&self.child.id().to_string())
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// `unavailable` when it cannot be told to end.
    pub(super) fn stop(mut self) -> Result<()> {
        let failed = |error| Error::new(Code::Unavailable, "the server cannot be stopped").because(error);
        end(&mut self.child).map_err(failed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Tells a process to end and waits until it has.
pub(super) fn end(child: &mut Child) -> std::io::Result<()> {
    // The shell's own `kill` is there wherever a shell is.
    Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status()?;
    child.wait().map(drop)
}

fn started(lab: &Lab, data: &Path) -> Result<(Child, String)> {
    let failed = |error| Error::new(Code::Unavailable, "the binary cannot be started again").because(error);
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command
        .env_clear()
        .envs([("SOMA_LOG", "info"), ("SOMA_LOG_FORMAT", "json")])
        .envs([("SOMA_API_PORT", "0"), ("CONSUMER_METRICS_PORT", "0")])
        .envs(lab.config.embedder.in_process())
        .args(["up", "--no-env-file", "--data-dir"])
        .arg(data);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let url =
        child.stderr.take().map_or_else(|| Err(silent("it has no log")), |log| announced(&lines(log)?, "api.url"));
    let ready = url.and_then(|url| {
        Client::at(url.clone()).call(&Call::get("/readyz"))?;
        Ok(url)
    });
    if ready.is_err() {
        drop(child.kill());
        drop(child.wait());
    }
    Ok((child, ready?))
}

/// Where a process says that it listens, in this field of its log.
pub(super) fn announced(log: &Receiver<String>, field: &str) -> Result<String> {
    let mut last = String::new();
    loop {
        match log.recv_timeout(START_TIMEOUT) {
            Ok(line) => {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(url) = entry.get(field).and_then(Value::as_str) {
                    return Ok(url.to_owned());
                }
                last = line;
            }
            Err(RecvTimeoutError::Timeout) => return Err(silent("it takes too long to start")),
            Err(RecvTimeoutError::Disconnected) => return Err(silent(&last)),
        }
    }
}

pub(super) fn silent(why: &str) -> Error {
    Error::new(Code::Unavailable, format!("a process that is measured did not become ready: {why}"))
        .remedy("start it by hand (`soma up`, `soma consumer`) and look at its log")
}

/// The lines of a log, read to its end by a thread of their own, so that its writer never waits.
pub(super) fn lines(log: impl std::io::Read + Send + 'static) -> Result<Receiver<String>> {
    let (send, receive) = sync_channel(LOG_LINES);
    let read = move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            drop(send.try_send(line));
        }
    };
    let started = std::thread::Builder::new().name("bench log".into()).spawn(read);
    started.map_err(|error| Error::new(Code::Unavailable, "a thread cannot be started").because(error))?;
    Ok(receive)
}

impl Resident {
    /// Of a process by its number, or of `self`.
    ///
    /// # Errors
    /// `unavailable` where the system does not tell.
    pub(super) fn of(process: &str) -> Result<Self> {
        let file = format!("/proc/{process}/status");
        let text = std::fs::read_to_string(&file);
        let text = text.map_err(|error| {
            Error::new(Code::Unavailable, format!("resident memory cannot be read: {file}"))
                .remedy("leave the figures of memory out with --only, or measure on Linux")
                .because(error)
        })?;
        let mib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        let files = mib("RssFile:") + mib("RssShmem:");
        Ok(Self { anonymous: mib("RssAnon:"), files, peak: mib("VmHWM:") })
    }
}

/// Waits until both stores have passed a position, however long it takes.
///
/// # Errors
/// Whatever the server answers.
pub(super) fn drain(client: &Client, position: &Value) -> Result<()> {
    while !client.wait_for(Some(position))? {}
    Ok(())
}

/// The path of a read that waits for a position.
pub(super) fn after(path: &str, position: &str) -> String {
    format!("{path}?after={position}&wait_ms={}", limits::WAIT_MAX.as_millis())
}
