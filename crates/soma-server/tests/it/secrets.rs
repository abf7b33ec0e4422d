//! No secret that is given in the environment is ever shown: in no log, setting, finding, error or metric.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{PATIENCE, Server, lines, soma, text};

/// Every variable that the configuration marks as a secret, found in its source.
fn variables() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let files = fs::read_dir(folder).expect("the configuration is there");
    let names = files.flat_map(|file| {
        let source = fs::read_to_string(file.expect("a file").path()).expect("text");
        let named = source.split("Variable::secret(").skip(1).filter_map(|rest| rest.split('"').nth(1));
        named.map(str::to_owned).collect::<Vec<_>>()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A value that the variable takes, and the part of it that nobody may see.
fn value(number: usize, name: &str) -> (String, String) {
    let secret = format!("zebra{number}crossing0123456789");
    let value =
        if name.ends_with("_URL") { format!("postgres://soma:{secret}@127.0.0.1:1/soma") } else { secret.clone() };
    (value, secret)
}

struct Secrets(Vec<(String, String, String)>);

impl Secrets {
    fn all() -> Self {
        let names = variables();
        assert!(names.iter().any(|name| name == "SOMA_API_TOKEN"), "{names:?}");
        let with_values = names.into_iter().enumerate().map(|(number, name)| {
            let (value, secret) = value(number, &name);
            (name, value, secret)
        });
        Self(with_values.collect())
    }

    /// Those that make a process look for servers.
    fn without_servers(mut self) -> Self {
        self.0.retain(|(name, ..)| !name.ends_with("_URL"));
        self
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value, _)| (name.as_str(), value.as_str())).collect()
    }

    fn are_hidden_in(&self, what: &str, shown: &str) {
        for (name, _, secret) in &self.0 {
            assert!(!shown.contains(secret), "{what} shows {name}: {shown}");
        }
    }
}

#[test]
fn settings_findings_and_errors_show_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = Secrets::all();
    let shown = |args: &[&str], more: &[(&str, &str)]| {
        let mut command = soma(folder.path(), args);
        command.envs(secrets.settings()).envs(more.iter().copied()).env("SOMA_LOG", "trace");
        let output = command.output().expect("the binary runs");
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    for args in [&["config"][..], &["config", "--json"]] {
        let all = shown(args, &[]);
        assert!(all.contains("SOMA_API_TOKEN") && all.contains("<hidden>"), "{all}");
        secrets.are_hidden_in("soma config", &all);
    }
    for args in [&["doctor"][..], &["doctor", "--json"]] {
        secrets.are_hidden_in("soma doctor", &shown(args, &[]));
    }
    let wrong = [("SOMA_API_PORT", "none"), ("SOMA_RATE_LIMIT_MAX", "-1"), ("EVENTING_ENABLED", "maybe")];
    let refused = shown(&["up"], &wrong);
    assert!(refused.contains("SOMA_API_PORT"), "{refused}");
    secrets.are_hidden_in("a refused start", &refused);
    secrets.are_hidden_in("a server that is away", &shown(&["status", "--url", "http://127.0.0.1:1"], &[]));
}

#[test]
fn a_secret_that_is_refused_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    for bad in ["zebra", "zebra crossing zebra crossing", "zebracrossingzebracrossing\u{e9}"] {
        let mut command = soma(folder.path(), &["config"]);
        let output = command.env("SOMA_API_TOKEN", bad).output().expect("the binary runs");
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("SOMA_API_TOKEN") && !said.contains("zebra"), "{said}");
    }
}

#[test]
fn a_start_that_waits_for_its_servers_shows_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = Secrets::all();
    let mut command = soma(&folder.path().join("data"), &["up"]);
    command.envs(secrets.settings()).envs([
        ("SOMA_API_PORT", "0"),
        ("CONSUMER_METRICS_PORT", "0"),
        ("SOMA_LOG", "trace"),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_SASL_USERNAME", "soma"),
        ("QDRANT_URL", "http://127.0.0.1:1"),
        ("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1"),
        ("SCHEMA_REGISTRY_USERNAME", "soma"),
    ]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let log = lines(child.stderr.take().expect("standard error is piped"));
    let mut said = Vec::new();
    while said.iter().filter(|line: &&String| line.contains("waiting for what the start needs")).count() < 2 {
        let Ok(line) = log.recv_timeout(PATIENCE) else { panic!("it does not say that it waits: {said:?}") };
        said.push(line);
    }
    child.kill().expect("the process can be killed");
    child.wait().expect("the process ends");
    secrets.are_hidden_in("a start that waits", &said.join("\n"));
}

#[test]
fn logs_answers_and_metrics_of_a_server_show_none() {
    let secrets = Secrets::all().without_servers();
    let folder = tempfile::tempdir().expect("a folder");
    let audit = folder.path().join("audit");
    let mut settings = secrets.settings();
    settings.extend([("SOMA_LOG", "trace"), ("SOMA_AUDIT_LOG", audit.to_str().expect("text"))]);
    let mut server = Server::start_with(&settings);
    let token = settings.iter().find(|(name, _)| *name == "SOMA_API_TOKEN").expect("the token").1;
    let bearer = format!("Bearer {token}");
    let bad = format!("Bearer {token}x");
    let mut shown = String::new();
    for headers in [&[("authorization", bearer.as_str())][..], &[("authorization", bad.as_str())], &[]] {
        for (method, target) in [
            ("GET", "/v1/status"),
            ("GET", "/v1/stats"),
            ("POST", "/v1/memories"),
            ("POST", "/v1/recall"),
            ("GET", "/metrics"),
            ("GET", "/readyz"),
            ("GET", "/openapi.json"),
            ("DELETE", "/v1/memories"),
            ("GET", "/nowhere"),
        ] {
            let reply = server.send(method, target, headers, b"{}");
            shown.push_str(&format!("{:?}{}", reply.headers, reply.text));
        }
    }
    secrets.are_hidden_in("an answer", &shown);
    secrets.are_hidden_in("the audit log", &fs::read_to_string(&audit).expect("the audit log"));
    let log = server.stopped().join("\n");
    assert!(log.contains("soma"), "something is logged: {log}");
    secrets.are_hidden_in("the log", &log);
}
