//! The servers on the wire: what is wrong with one is named by the start, by the probe and by the doctor.

mod acls;
mod doctor;
mod listener;
mod migrate;
mod renew;
mod rights;
mod tls;
mod topics;
mod world;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::Value;
use ureq::Agent;

use crate::harness::{PATIENCE, Reply, call, lines, soma, text};

/// Settings of one process, by name.
pub(crate) type Settings = Vec<(&'static str, String)>;

/// A process that is not ready, and says why.
pub(crate) struct Waiting {
    child: Child,
    log: Receiver<String>,
    probes: String,
    api: String,
}

impl Waiting {
    /// Starts a role that will wait for something.
    pub(crate) fn start(data: &Path, role: &str, settings: &Settings) -> Self {
        let (port, api) = (free_port(), free_port());
        let mut command = soma(data, &[role]);
        command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
        command.env("SOMA_API_PORT", api.to_string()).env("CONSUMER_METRICS_PORT", port.to_string());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = lines(child.stderr.take().expect("standard error is piped"));
        // An API projects nothing, so it has no port of its own for probes.
        let probes = if role == "api" { api } else { port };
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Self { child, log, probes: url(probes), api: url(api) }
    }

    /// Why it waits, as its log says it for the first time.
    pub(crate) fn why(&self) -> String {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else { panic!("it does not say that it waits: {seen:?}") };
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            let message = entry["message"].as_str().unwrap_or_default();
            if let Some((_, why)) = message.split_once("waiting for what the start needs: ") {
                return why.to_owned();
            }
            seen.push(line);
        }
    }

    /// What a route of its API answers meanwhile.
    pub(crate) fn api(&self, target: &str) -> Reply {
        ask(&format!("{}{target}", self.api))
    }

    /// What its readiness says is away.
    pub(crate) fn unready(&self) -> Value {
        let reply = ask(&format!("{}/readyz", self.probes));
        assert_eq!(reply.status, 503, "{reply:?}");
        reply.json()["unavailable"].clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One question on a connection of its own.
pub(crate) fn ask(url: &str) -> Reply {
    let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    call(&agent.into(), url, "GET", &[], b"").expect("the probe answers")
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// What the doctor found.
pub(crate) struct Report(Vec<Value>);

impl Report {
    /// Examines; the exit code must agree with what is found, and the table for people with the JSON.
    pub(crate) fn of(data: &Path, settings: &Settings) -> Self {
        let run = |args: &[&str]| {
            let mut command: Command = soma(data, args);
            command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
            command.output().expect("the binary runs")
        };
        let output = run(&["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let checks = report["checks"].as_array().expect("checks").clone();
        let failed = checks.iter().any(|check| check["state"] == "failed");
        assert_eq!((output.status.code(), &report["ok"]), (Some(i32::from(failed)), &Value::Bool(!failed)), "{report}");
        for (name, value) in settings {
            let is_secret = name.ends_with("_PASSWORD") || name.ends_with("_SECRET") || name.ends_with("_KEY");
            assert!(!is_secret || !text(&output.stdout).contains(value.as_str()), "{name} is shown: {report}");
        }
        Self(checks)
    }

    /// Nothing that is told contains this.
    pub(crate) fn hides(&self, secret: &str) {
        assert!(!format!("{:?}", self.0).contains(secret), "{secret} is shown: {:?}", self.0);
    }

    /// The rows of one check.
    pub(crate) fn rows(&self, check: &str) -> Vec<&Value> {
        let rows: Vec<&Value> = self.0.iter().filter(|row| row["check"] == check).collect();
        assert!(!rows.is_empty(), "no check {check} in {:?}", self.0);
        rows
    }

    /// Every row of the check is in order, and says this.
    pub(crate) fn is_ok(&self, check: &str, words: &str) {
        let rows = self.rows(check);
        assert!(rows.iter().all(|row| row["state"] == "ok"), "{rows:?}");
        assert!(rows.iter().any(|row| measured(row).contains(words)), "{words:?} is not in {rows:?}");
    }

    /// Some row of the check is in this state and says this, with a remedy that says that.
    pub(crate) fn names(&self, check: &str, state: &str, words: &str, remedy: &str) {
        let rows = self.rows(check);
        let fits = |row: &&Value| {
            let advice = row["remedy"].as_str().unwrap_or_default();
            row["state"] == state && measured(row).contains(words) && advice.contains(remedy)
        };
        assert!(rows.iter().any(fits), "no {state} with {words:?} and {remedy:?} in {rows:?}");
    }
}

fn measured(row: &Value) -> &str {
    row["measured"].as_str().unwrap_or_default()
}
