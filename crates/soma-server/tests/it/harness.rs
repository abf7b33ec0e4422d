//! Starts the real binary on a directory of its own and talks to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Request;

/// How long anything may take before a test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a server's log that are kept for a test that does not read them.
const LOG_LINES: usize = 10_000;

/// A command of the binary, free of the settings of whoever runs the tests.
pub(crate) fn soma(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soma"));
    command.env_clear().args(args).arg("--no-env-file").env("SOMA_DATA_DIR", data).env("SOMA_LOG_FORMAT", "json");
    command
}

/// `soma up` on free ports.
pub(crate) fn up(data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = soma(data, &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0").envs(settings.iter().copied());
    command
}

/// Runs a command to its end.
pub(crate) fn run(data: &Path, args: &[&str]) -> Output {
    soma(data, args).output().expect("the binary runs")
}

/// Runs a command with `--json` that must succeed, and reads its answer.
pub(crate) fn answer(data: &Path, args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.push("--json");
    let output = run(data, &all);
    assert!(output.status.success(), "{args:?} failed: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    log: Receiver<String>,
    /// What it said until it was ready.
    before: Vec<String>,
    pub(crate) api: String,
    pub(crate) metrics: String,
    agent: Agent,
    /// Removed with the server, when it has one of its own.
    directory: Option<TempDir>,
}

impl Server {
    /// A server on an empty directory of its own.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with settings.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        let mut server = Self::on(&data, settings);
        server.directory = Some(directory);
        server
    }

    /// A server on a directory that outlives it.
    pub(crate) fn on(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::spawned(up(data, settings))
    }

    /// A server that this command starts.
    pub(crate) fn spawned(command: Command) -> Self {
        Self::spawned_telling(command, |_| {})
    }

    /// The same, with the standard output that the command has.
    pub(crate) fn spawned_with(command: Command) -> Self {
        Self::started(command, |_| {})
    }

    /// A server that this command starts, told every line of its log until it is ready.
    pub(crate) fn spawned_telling(mut command: Command, each: impl FnMut(&Value)) -> Self {
        command.stdout(Stdio::null());
        Self::started(command, each)
    }

    fn started(mut command: Command, mut each: impl FnMut(&Value)) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = lines(child.stderr.take().expect("standard error is piped"));
        let mut seen = Vec::new();
        let ready = loop {
            let Ok(line) = log.recv_timeout(PATIENCE) else { panic!("the server did not start: {seen:?}") };
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "soma is ready" {
                break entry;
            }
            each(&entry);
            seen.push(line);
        };
        // A consumer has no API, an API no port for metrics.
        let url = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        assert!(!url("api.url").is_empty() || !url("metrics.url").is_empty(), "the line names its addresses: {ready}");
        // No connection is kept: one that idles for long on a busy machine is closed while it is used again.
        let agent = Agent::config_builder().max_idle_connections(0);
        let agent = agent.http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self {
            child,
            log,
            before: seen,
            api: url("api.url"),
            metrics: url("metrics.url"),
            agent: agent.into(),
            directory: None,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process; nothing of it runs any more afterwards.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits until the log says this.
    pub(crate) fn wait_for_log(&self, words: &str) {
        while !self.log.recv_timeout(PATIENCE).expect("the log goes on").contains(words) {}
    }

    /// Asks the process to end, and returns everything that it said and nobody read.
    pub(crate) fn stopped(&mut self) -> Vec<String> {
        self.signal("TERM");
        let mut said = std::mem::take(&mut self.before);
        said.extend(std::iter::from_fn(|| self.log.recv_timeout(PATIENCE).ok()));
        self.child.wait().expect("the process ends");
        said
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        // The log ends with the process.
        while self.log.recv_timeout(PATIENCE).is_ok() {}
        self.child.wait().expect("the process ends")
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn post(&self, target: &str, body: &Value) -> Reply {
        self.send("POST", target, &[], body.to_string().as_bytes())
    }

    pub(crate) fn delete(&self, target: &str) -> Reply {
        self.send("DELETE", target, &[], b"")
    }

    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let reply =
            call(&self.agent, &format!("{}{target}", self.api), method, headers, body).expect("the server answers");
        crate::document::check(method, target, &reply);
        reply
    }

    /// Host and port of the API.
    pub(crate) fn authority(&self) -> &str {
        self.api.strip_prefix("http://").expect("an address")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of a stream, read by a thread so that the writer never waits.
pub(crate) fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = sync_channel(LOG_LINES);
    let reader = move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // A full queue loses lines that nobody waits for, never the process.
            drop(send.try_send(line));
        }
    };
    std::thread::Builder::new().name("log".into()).spawn(reader).expect("a thread");
    receive
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The stable code of a problem, which must be one in every respect.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        for member in ["type", "title", "detail"] {
            assert!(body[member].is_string(), "{member} is missing in {body}");
        }
        body["code"].as_str().expect("a problem has a code").to_owned()
    }
}

/// Makes one request; `Err` when there is no answer.
pub(crate) fn call(
    agent: &Agent,
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Reply, ureq::Error> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body.to_vec())?)?;
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
    Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), text })
}
