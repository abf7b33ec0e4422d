//! PostgreSQL and Qdrant behind TLS, certificates and keys: the start, readiness and the doctor name what is
//! wrong, and what mends it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use soma_testkit::certificates::{Authority, Signed};
use soma_testkit::postgres::{CERTIFIED, ENCRYPTED, Postgres};
use soma_testkit::qdrant::{Options, StandIn};
use ureq::Agent;

use crate::harness::{PATIENCE, Server, call, lines, run, soma, text};

type Settings = Vec<(&'static str, String)>;

/// A fault: its settings, what is said of it, and what of its remedy.
type Fault = (&'static str, Settings, &'static str, &'static str);

fn shown(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// What the doctor finds of one server: its state, and all that it says.
fn doctor(folder: &Path, settings: &Settings, check: &str) -> (String, String) {
    let mut command = soma(&folder.join("data"), &["doctor", "--json"]);
    let output = command.envs(settings.iter().map(|(name, value)| (*name, value))).output().expect("the binary runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let row = report["checks"].as_array().expect("checks").iter().find(|row| row["check"] == check);
    let row = row.unwrap_or_else(|| panic!("no check {check} in {report}"));
    let failed = report["checks"].as_array().expect("checks").iter().any(|row| row["state"] == "failed");
    assert_eq!(output.status.code(), Some(i32::from(failed)), "{report}");
    let part = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (part("state"), format!("{}; {}", part("measured"), part("remedy")))
}

fn found(folder: &Path, (name, settings, what, remedy): &Fault, check: &str) {
    let (state, told) = doctor(folder, settings, check);
    assert_eq!(state, "failed", "{name}: {told}");
    says(name, &told, what, remedy);
}

fn says(name: &str, told: &str, what: &str, remedy: &str) {
    assert!(told.contains(what) && told.contains(remedy), "{name}: {told}");
    assert!(!told.contains("hush"), "{name}: {told}");
}

/// A start that ends, because waiting does not mend it.
fn ends(folder: &Path, (name, settings, what, remedy): &Fault) {
    let mut command = soma(&folder.join("data"), &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0");
    let output = command.envs(settings.iter().map(|(name, value)| (*name, value))).output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {said}");
    says(name, &said, what, remedy);
}

/// A start that goes on trying, and says why in its log and to whoever asks whether it is ready.
fn waits(folder: &Path, (name, settings, what, remedy): &Fault) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
    let mut command = soma(&folder.join("data"), &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", port.to_string());
    command.envs(settings.iter().map(|(name, value)| (*name, value)));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let log = lines(child.stderr.take().expect("standard error is piped"));
    let mut said = Vec::new();
    // The second line comes when the first reason stands where readiness is told.
    while said.iter().filter(|line: &&String| line.contains("waiting for what the start needs")).count() < 2 {
        let Ok(line) = log.recv_timeout(PATIENCE) else { panic!("{name}: it does not say that it waits: {said:?}") };
        said.push(line);
    }
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let ready = call(&agent, &format!("http://127.0.0.1:{port}/readyz"), "GET", &[], b"").expect("it answers");
    child.kill().expect("the process can be killed");
    child.wait().expect("the process ends");
    says(name, &said.join("\n"), what, remedy);
    assert_eq!(ready.status, 503, "{name}");
    says(name, &ready.text, what, remedy);
}

struct Qdrant {
    server: StandIn,
    ours: Authority,
    other: Authority,
    folder: tempfile::TempDir,
}

impl Qdrant {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
        let tls = Some(ours.sign("server", &["IP:127.0.0.1"]));
        let options = Options { tls, api_key: Some("right-key".into()), ..Options::default() };
        let server = StandIn::start_with(options).expect("it starts");
        Self { server, ours, other, folder }
    }

    fn settings(&self, url: &str, authority: &Authority, key: &str) -> Settings {
        let ca = shown(&authority.certificate());
        let all = [("QDRANT_URL", url.to_owned()), ("QDRANT_CA_LOCATION", ca), ("QDRANT_API_KEY", key.to_owned())];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    fn right(&self) -> Settings {
        self.settings(&self.server.url(), &self.ours, "right-key")
    }

    fn faults(&self) -> Vec<Fault> {
        let url = self.server.url();
        // Both names lead here, and the certificate has one of them.
        let elsewhere = url.replace("127.0.0.1", "localhost");
        let plain = url.replace("https", "http");
        let ours = |url: &str, key: &str| self.settings(url, &self.ours, key);
        vec![
            (
                "wrong authority",
                self.settings(&url, &self.other, "right-key"),
                "nobody that we trust",
                "QDRANT_CA_LOCATION",
            ),
            ("wrong host", ours(&elsewhere, "right-key"), "another host", "QDRANT_URL"),
            ("wrong key", ours(&url, "hush-hush"), "refuses the API key", "QDRANT_API_KEY"),
            ("no key", ours(&url, ""), "refuses the API key", "QDRANT_API_KEY"),
            ("no TLS", ours(&plain, "right-key"), "cannot be reached", "https"),
        ]
    }
}

#[test]
fn every_fault_of_qdrant_is_named_by_the_doctor_the_start_and_readiness() {
    let qdrant = Qdrant::new();
    for fault in qdrant.faults() {
        found(qdrant.folder.path(), &fault, "qdrant");
        waits(qdrant.folder.path(), &fault);
    }
}

#[test]
fn qdrant_behind_tls_and_a_key_keeps_what_is_remembered() {
    let qdrant = Qdrant::new();
    let data = qdrant.folder.path().join("data");
    let settings = qdrant.right();
    let pairs: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    remembers(&Server::on(&data, &pairs));
    let (state, told) = doctor(qdrant.folder.path(), &settings, "qdrant");
    assert!(state == "ok" && told.contains("https://"), "{told}");
}

/// Writes and finds again.
fn remembers(server: &Server) {
    let written =
        server.post("/v1/memories?wait=stored", &serde_json::json!({ "payload": { "text": "the sky is blue" } }));
    assert_eq!(written.status, 201, "{}", written.text);
    let found = server.post("/v1/recall", &serde_json::json!({ "query": "sky" })).json();
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(1), "{found}");
}

struct Records {
    server: Postgres,
    ours: Authority,
    other: Authority,
    folder: tempfile::TempDir,
}

impl Records {
    /// `None` where nobody promises that PostgreSQL is installed.
    fn new() -> Option<Self> {
        const NAME: &str = "SOMA_TEST_POSTGRES_URL";
        #[expect(clippy::disallowed_methods, reason = "which servers there are for tests is said in the environment")]
        let named = std::env::var_os(NAME).is_some_and(|url| !url.is_empty());
        if !named {
            #[expect(clippy::print_stderr, reason = "a tier that is skipped has to be seen")]
            {
                eprintln!("skipped: {NAME} is not set");
            }
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
        let signed = ours.sign("server", &["IP:127.0.0.1"]);
        let server = Postgres::start(folder.path(), Some((&signed, &ours.certificate())));
        Some(Self { server, ours, other, folder })
    }

    fn settings(&self, url: String, mode: &str, authority: &Authority, client: Option<&Signed>) -> Settings {
        let mut all = vec![
            ("POSTGRES_URL", url),
            ("POSTGRES_SSL_MODE", mode.to_owned()),
            ("POSTGRES_SSL_ROOT_CERT", shown(&authority.certificate())),
        ];
        if let Some(client) = client {
            all.push(("POSTGRES_SSL_CERT", shown(&client.certificate)));
            all.push(("POSTGRES_SSL_KEY", shown(&client.key)));
        }
        all
    }

    fn faults(&self) -> Vec<Fault> {
        let (encrypted, certified) = (self.server.url(ENCRYPTED), self.server.url(CERTIFIED));
        let elsewhere = self.server.url_as("elsewhere.example", ENCRYPTED);
        let ours = |url: &str, mode, client: Option<&Signed>| self.settings(url.to_owned(), mode, &self.ours, client);
        let foreign = self.other.sign("soma", &["DNS:soma"]);
        let foreign_settings = ours(&certified, "verify-full", Some(&foreign));
        let locked = self.ours.sign("soma-locked", &["DNS:soma"]).behind("hush-hush");
        vec![
            (
                "wrong authority",
                self.settings(encrypted.clone(), "verify-full", &self.other, None),
                "nobody that we trust",
                "POSTGRES_SSL_ROOT_CERT",
            ),
            ("wrong host", ours(&elsewhere, "verify-full", None), "another host", "POSTGRES_URL"),
            ("no TLS", ours(&encrypted, "disable", None), "no encryption", "POSTGRES_SSL_MODE"),
            ("no certificate", ours(&certified, "verify-full", None), "certificate", "POSTGRES_SSL_CERT"),
            ("foreign certificate", foreign_settings, "TLS handshake", "POSTGRES_SSL_CERT"),
            ("locked key", ours(&certified, "verify-full", Some(&locked)), "behind a password", "POSTGRES_SSL_KEY"),
        ]
    }
}

#[test]
fn every_fault_of_postgresql_is_named_by_the_doctor_and_ends_the_start() {
    let Some(records) = Records::new() else { return };
    for fault in records.faults() {
        found(records.folder.path(), &fault, "postgres");
        ends(records.folder.path(), &fault);
    }
}

#[test]
fn postgresql_that_asks_for_a_certificate_keeps_what_is_remembered() {
    let Some(records) = Records::new() else { return };
    let client = records.ours.sign("soma", &["DNS:soma"]);
    let settings = records.settings(records.server.url(CERTIFIED), "verify-full", &records.ours, Some(&client));
    let pairs: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    remembers(&Server::on(&records.folder.path().join("data"), &pairs));
    let (state, told) = doctor(records.folder.path(), &settings, "postgres");
    assert!(state == "ok" && told.contains("TLSv1."), "{told}");
    assert!(run(&records.folder.path().join("other"), &["doctor"]).status.success(), "without servers all is well");
}
