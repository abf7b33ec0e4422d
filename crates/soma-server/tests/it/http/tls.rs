//! TLS of the API: who trusts it, certificates that change, and clients that never shake hands.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use soma_testkit::certificates::{Authority, Signed};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::harness::{PATIENCE, Server, call, soma, text};

struct World {
    folder: tempfile::TempDir,
    authority: Authority,
    signed: Signed,
    server: Server,
}

impl World {
    fn new(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new(folder.path(), "ours");
        let signed = authority.sign("server", &["IP:127.0.0.1"]);
        let mut command = soma(&folder.path().join("data"), &["up"]);
        command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0").envs(settings.iter().copied());
        command.env("SOMA_API_TLS_CERT", &signed.certificate).env("SOMA_API_TLS_KEY", &signed.key);
        let server = Server::spawned(command);
        Self { folder, authority, signed, server }
    }

    fn authority(&self) -> &str {
        self.server.api.strip_prefix("https://").expect("the address says that it is behind TLS")
    }
}

fn trusting(authority: &Authority) -> Agent {
    let pem = fs::read(authority.certificate()).expect("a certificate");
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&pem).expect("PEM")]);
    let tls = TlsConfig::builder().root_certs(roots).build();
    Agent::config_builder().http_status_as_error(false).tls_config(tls).timeout_global(Some(PATIENCE)).build().into()
}

/// Whether the server is trusted, on a connection of its own.
fn is_trusted(server: &Server, authority: &Authority) -> bool {
    call(&trusting(authority), &format!("{}/livez", server.api), "GET", &[], b"").is_ok_and(|reply| reply.status == 200)
}

#[test]
fn the_api_is_behind_tls_and_a_stranger_to_the_authority_does_not_trust_it() {
    let world = World::new(&[]);
    assert!(is_trusted(&world.server, &world.authority));
    assert!(!is_trusted(&world.server, &Authority::new(world.folder.path(), "other")));
    let mut plain = TcpStream::connect(world.authority()).expect("connects");
    plain.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sends");
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP"), "no answer goes out in the clear");
}

#[test]
fn commands_reach_the_server_of_their_directory_when_they_know_its_authority() {
    let world = World::new(&[]);
    let data = world.folder.path().join("data");
    let ask = |ca: Option<&Path>| {
        let mut command = soma(&data, &["health"]);
        command.envs(ca.map(|ca| ("SOMA_URL_CA", ca)));
        command.output().expect("the binary runs")
    };
    let known = ask(Some(&world.authority.certificate()));
    assert!(known.status.success() && text(&known.stdout).contains("ready"), "{}", text(&known.stderr));
    assert!(!ask(None).status.success());
    let nothing = ask(Some(&world.signed.key));
    assert!(text(&nothing.stderr).contains("SOMA_URL_CA"), "{}", text(&nothing.stderr));
}

#[test]
fn a_renewed_certificate_counts_without_a_restart_and_a_broken_one_changes_nothing() {
    let world = World::new(&[]);
    fs::write(&world.signed.certificate, "not a certificate").expect("a file");
    world.server.wait_for_log("the certificate of before stays in force");
    assert!(is_trusted(&world.server, &world.authority));

    let next = Authority::new(world.folder.path(), "next");
    let renewed = next.sign("renewed", &["IP:127.0.0.1"]);
    fs::copy(&renewed.key, &world.signed.key).expect("a key");
    fs::copy(&renewed.certificate, &world.signed.certificate).expect("a certificate");
    world.server.wait_for_log("the certificate of the API was read again");
    assert!(is_trusted(&world.server, &next));
    assert!(!is_trusted(&world.server, &world.authority));
}

#[test]
fn a_client_that_never_shakes_hands_holds_nobody_up_and_is_cut_off() {
    let world = World::new(&[("SOMA_API_READ_TIMEOUT_SECONDS", "1")]);
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(world.authority()).expect("connects")).collect();
    assert!(is_trusted(&world.server, &world.authority));
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut rest = Vec::new();
        // Closed or reset, and not after the patience of this test.
        let ended = stream.read_to_end(&mut rest);
        let is_late = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_late, "it was not cut off");
    }
}

#[test]
fn a_pair_that_does_not_fit_is_a_start_up_error_that_names_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "ours");
    let (one, two) = (authority.sign("one", &["IP:127.0.0.1"]), authority.sign("two", &["IP:127.0.0.1"]));
    let start = |settings: &[(&str, &Path)]| {
        let mut command = soma(&folder.path().join("data"), &["up"]);
        command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0").envs(settings.iter().copied());
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let unfit = start(&[("SOMA_API_TLS_CERT", &one.certificate), ("SOMA_API_TLS_KEY", &two.key)]);
    assert!(unfit.contains("one.pem"), "{unfit}");
    let swapped = start(&[("SOMA_API_TLS_CERT", &one.key), ("SOMA_API_TLS_KEY", &one.key)]);
    assert!(swapped.contains("SOMA_API_TLS_CERT"), "{swapped}");
    let alone = start(&[("SOMA_API_TLS_CERT", &one.certificate)]);
    assert!(alone.contains("SOMA_API_TLS_KEY"), "{alone}");
}

#[test]
fn a_key_behind_a_password_is_refused_with_the_command_that_mends_it_and_changes_nothing_later() {
    let world = World::new(&[]);
    let locked = world.signed.behind("hush-hush");
    let mut command = soma(&world.folder.path().join("other"), &["up"]);
    command.env("SOMA_API_PORT", "0").env("CONSUMER_METRICS_PORT", "0");
    command.env("SOMA_API_TLS_CERT", &locked.certificate).env("SOMA_API_TLS_KEY", &locked.key);
    let output = command.output().expect("the binary runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["behind a password", "server.locked", "openssl pkey", "SOMA_API_TLS_KEY"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The command that it names makes a key that is taken.
    let plain = world.folder.path().join("plain.key");
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["pkey", "-passin", "pass:hush-hush", "-in"]).arg(&locked.key).arg("-out").arg(&plain);
    assert!(openssl.status().expect("openssl runs").success());
    let (from, to) = (&locked.key, &world.signed.key);
    fs::copy(from, to).expect("a key");
    world.server.wait_for_log("the certificate of before stays in force");
    fs::copy(&plain, to).expect("a key");
    world.server.wait_for_log("the certificate of the API was read again");
    assert!(is_trusted(&world.server, &world.authority));
}
