//! Certificates of a broker that are not good, and listeners that do not speak as we do. No server is needed:
//! the listener is made here.

use std::net::SocketAddr;
use std::path::Path;

use soma_testkit::certificates::{Authority, Signed};

use super::{Report, Settings, Waiting, listener};

/// How the broker is reached: TLS with this authority, or in the clear.
fn settings(broker: &str, ca: Option<&Path>) -> Settings {
    let mut settings = vec![("KAFKA_BOOTSTRAP_SERVERS", broker.to_owned())];
    if let Some(ca) = ca {
        settings.push(("KAFKA_SECURITY_PROTOCOL", "SSL".to_owned()));
        settings.push(("KAFKA_SSL_CA_LOCATION", ca.to_str().expect("text").to_owned()));
    }
    settings
}

/// The start, its probe and the doctor say the same words, and the remedy.
fn is_named(settings: &Settings, check: &str, words: &str, remedy: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let waiting = Waiting::start(&folder.path().join("data"), "up", settings);
    let why = waiting.why();
    assert!(why.contains(words) && why.contains(remedy), "the start says: {why}");
    let unready = waiting.unready();
    let shown = unready["start"].as_str().unwrap_or_default();
    assert!(shown.contains(words) && shown.contains(remedy), "the probe says: {unready}");
    let ready = waiting.api("/readyz");
    assert!(ready.status == 503 && ready.text.contains(words), "the API's own probe says: {ready:?}");
    assert_eq!(waiting.api("/livez").status, 200);
    let refused = waiting.api("/v1/stats");
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    drop(waiting);
    let report = Report::of(folder.path(), settings);
    report.names("kafka", "failed", words, remedy);
    report.names(check, "failed", words, remedy);
}

struct World {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new(folder.path(), "ours");
        Self { folder, authority }
    }

    /// The settings of somebody who trusts the authority, for a broker with this certificate.
    fn trusting(&self, signed: &Signed, host: &str) -> Settings {
        settings(&at(listener::tls(signed), host), Some(&self.authority.certificate()))
    }
}

fn at(listens: SocketAddr, host: &str) -> String {
    format!("{host}:{}", listens.port())
}

#[test]
fn an_expired_certificate_is_named_with_its_end() {
    let world = World::new();
    let signed = world.authority.sign_expired("broker", &["IP:127.0.0.1"]);
    let end = "has expired at 2020-01-31T00:00:00";
    is_named(&world.trusting(&signed, "127.0.0.1"), "TLS", end, "renew the server's certificate");
}

#[test]
fn a_certificate_of_the_future_is_named_with_its_beginning() {
    let world = World::new();
    let signed = world.authority.sign_early("broker", &["IP:127.0.0.1"]);
    let beginning = "does not hold before 2090-01-01T00:00:00";
    is_named(&world.trusting(&signed, "127.0.0.1"), "TLS", beginning, "set the clock");
}

#[test]
fn a_certificate_for_another_host_is_named_with_both_names() {
    let world = World::new();
    let signed = world.authority.sign("broker", &["DNS:broker.example", "IP:10.1.2.3"]);
    let names = "is for broker.example, 10.1.2.3, not for 127.0.0.1";
    is_named(&world.trusting(&signed, "127.0.0.1"), "TLS", names, "by a name of its certificate");
    let names = "is for broker.example, 10.1.2.3, not for localhost";
    is_named(&world.trusting(&signed, "localhost"), "TLS", names, "issue one for localhost");
}

#[test]
fn an_authority_that_did_not_sign_is_named_with_the_file_that_holds_it() {
    let world = World::new();
    let other = Authority::new(world.folder.path(), "other");
    let listens = listener::tls(&world.authority.sign("broker", &["IP:127.0.0.1"]));
    let settings = settings(&at(listens, "127.0.0.1"), Some(&other.certificate()));
    let words = format!("is not signed by an authority that we trust: those in {}", other.certificate().display());
    is_named(&settings, "TLS", &words, "KAFKA_SSL_CA_LOCATION");
}

#[test]
fn a_listener_without_tls_is_named_where_tls_is_meant() {
    let world = World::new();
    let settings = settings(&at(listener::plain(), "127.0.0.1"), Some(&world.authority.certificate()));
    is_named(&settings, "TLS", "does not speak TLS", "check the port, and KAFKA_SECURITY_PROTOCOL");
}

#[test]
fn a_listener_with_tls_is_named_where_none_is_meant() {
    let world = World::new();
    let listens = listener::tls(&world.authority.sign("broker", &["IP:127.0.0.1"]));
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(&at(listens, "127.0.0.1"), None);
    let waiting = Waiting::start(&folder.path().join("data"), "up", &settings);
    let (why, unready) = (waiting.why(), waiting.unready().to_string());
    for said in [why, unready] {
        assert!(
            said.contains("speaks TLS, and KAFKA_SECURITY_PROTOCOL is PLAINTEXT")
                && said.contains("to SSL or SASL_SSL"),
            "{said}"
        );
    }
    let report = Report::of(folder.path(), &settings);
    report.names("kafka", "failed", "speaks TLS, and KAFKA_SECURITY_PROTOCOL is PLAINTEXT", "to SSL or SASL_SSL");
}

#[test]
fn a_good_certificate_is_told_with_its_end_and_one_that_ends_soon_is_a_warning() {
    let world = World::new();
    let settings = world.trusting(&world.authority.sign("broker", &["IP:127.0.0.1"]), "127.0.0.1");
    let report = Report::of(world.folder.path(), &settings);
    report.is_ok("names", "127.0.0.1");
    report.is_ok("ports", "Kafka at 127.0.0.1:");
    // Certificates of the tests hold for two days.
    report.names("TLS", "warning", "whose certificate holds until ", "renew it before it expires");
}

#[test]
fn a_name_that_does_not_resolve_and_a_port_that_nobody_opens_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = Report::of(folder.path(), &settings("no-such-broker.invalid:9092", None));
    report.names("names", "failed", "no-such-broker.invalid does not resolve", "check the spelling");
    report.names("kafka", "failed", "a host name does not resolve", "KAFKA_BOOTSTRAP_SERVERS");
    let closed = format!("127.0.0.1:{}", super::free_port());
    let report = Report::of(folder.path(), &settings(&closed, None));
    report.names("ports", "failed", &format!("nobody answers at {closed}"), "start the server");
    report.names("kafka", "failed", "nobody answers there", "start the broker");
}
