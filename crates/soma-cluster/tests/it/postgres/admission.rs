//! What a server asks of us, and what we ask of it, in every mode of TLS: on a server of the test's own,
//! which has databases for everybody, for TLS alone, and for certificates of clients.

use std::sync::Arc;

use soma_cluster::postgres::{Records, Settings, SslMode};
use soma_core::error::{Code, Error, Result};
use soma_core::testing::SeededClock;
use soma_testkit::certificates::{Authority, Signed};
use soma_testkit::postgres::{CERTIFIED, ENCRYPTED, OPEN, Postgres};

use super::{settings, skipped, variable};

/// A server, who signed it, and who did not.
struct World {
    server: Postgres,
    ours: Authority,
    other: Authority,
    folder: tempfile::TempDir,
}

/// Where the tests of this tier run, PostgreSQL is installed.
fn is_installed() -> bool {
    const NAME: &str = "SOMA_TEST_POSTGRES_URL";
    let installed = variable(NAME).is_some();
    if !installed {
        skipped(NAME);
    }
    installed
}

fn world(names: &[&str], sign: fn(&Authority, &[&str]) -> Signed) -> Option<World> {
    if !is_installed() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let signed = sign(&ours, names);
    let server = Postgres::start(folder.path(), Some((&signed, &ours.certificate())));
    Some(World { server, ours, other, folder })
}

fn usual() -> Option<World> {
    world(&["IP:127.0.0.1"], |authority, names| authority.sign("server", names))
}

impl World {
    fn to(&self, database: &str, ssl_mode: SslMode) -> Settings {
        Settings { ssl_mode, ssl_root_cert: Some(self.ours.certificate()), ..settings(&self.server.url(database)) }
    }

    /// With a certificate of ours.
    fn shown(&self, signed: &Signed) -> Settings {
        let (ssl_cert, ssl_key) = (Some(signed.certificate.clone()), Some(signed.key.clone()));
        Settings { ssl_cert, ssl_key, ..self.to(CERTIFIED, SslMode::VerifyFull) }
    }
}

async fn connect(settings: &Settings) -> Result<Records> {
    Records::connect(settings, Arc::new(SeededClock::new(1))).await
}

/// The version of TLS of a connection that is let in.
async fn tls(settings: &Settings) -> Option<String> {
    connect(settings).await.expect("it connects").facts().await.expect("facts").tls
}

/// Why it is not let in, which is said at once with what to do.
async fn refused(settings: &Settings) -> (String, String) {
    let error: Error = connect(settings).await.map(|_| ()).expect_err("this way is closed");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    let remedy = error.remedy.clone().unwrap_or_default();
    (error.message, remedy)
}

#[tokio::test]
async fn every_mode_does_what_it_says_where_tls_is_a_must_and_where_it_is_a_choice() {
    let Some(world) = usual() else { return };
    for mode in [SslMode::Allow, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let version = tls(&world.to(ENCRYPTED, mode)).await;
        assert!(version.is_some_and(|version| version.starts_with("TLSv1.")), "{mode}");
    }
    let (what, remedy) = refused(&world.to(ENCRYPTED, SslMode::Disable)).await;
    assert!(what.contains("no encryption") && remedy.contains("POSTGRES_SSL_MODE"), "{what}; {remedy}");
    for mode in [SslMode::Disable, SslMode::Allow] {
        assert_eq!(tls(&world.to(OPEN, mode)).await, None, "{mode}");
    }
    for mode in [SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        assert!(tls(&world.to(OPEN, mode)).await.is_some(), "{mode}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_named_by_every_mode_that_asks_for_it() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let server = Postgres::start(folder.path(), None);
    let to = |ssl_mode| Settings { ssl_mode, ..settings(&server.url(OPEN)) };
    for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer] {
        assert_eq!(tls(&to(mode)).await, None, "{mode}");
    }
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let (what, remedy) = refused(&to(mode)).await;
        assert!(what.contains("offers no TLS") && remedy.contains("ssl = on"), "{mode}: {what}; {remedy}");
    }
}

#[tokio::test]
async fn an_authority_that_did_not_sign_is_named_with_the_variable_that_mends_it() {
    let Some(world) = usual() else { return };
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let wrong = Settings { ssl_root_cert: Some(world.other.certificate()), ..world.to(ENCRYPTED, mode) };
        let (what, remedy) = refused(&wrong).await;
        assert!(what.contains("nobody that we trust") && remedy.contains("POSTGRES_SSL_ROOT_CERT"), "{mode}: {what}");
    }
    let blind = Settings { ssl_root_cert: None, ..world.to(ENCRYPTED, SslMode::Require) };
    assert!(tls(&blind).await.is_some(), "without an authority nothing is checked");
}

#[tokio::test]
async fn another_host_is_named_by_full_verification_alone() {
    let Some(world) = usual() else { return };
    let url = world.server.url_as("elsewhere.example", ENCRYPTED);
    let elsewhere = |mode| Settings { url: url.clone(), ..world.to(ENCRYPTED, mode) };
    let (what, remedy) = refused(&elsewhere(SslMode::VerifyFull)).await;
    assert!(what.contains("another host") && remedy.contains("POSTGRES_URL"), "{what}; {remedy}");
    assert!(tls(&elsewhere(SslMode::VerifyCa)).await.is_some());
}

#[tokio::test]
async fn a_certificate_that_is_over_is_named() {
    let sign = |authority: &Authority, names: &[&str]| authority.sign_expired("server", names);
    let Some(world) = world(&["IP:127.0.0.1"], sign) else { return };
    for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
        let (what, remedy) = refused(&world.to(ENCRYPTED, mode)).await;
        assert!(what.contains("expired") && remedy.contains("renew"), "{mode}: {what}; {remedy}");
    }
}

#[tokio::test]
async fn a_certificate_of_ours_lets_us_in() {
    let Some(world) = usual() else { return };
    let signed = world.ours.sign("soma", &["DNS:soma"]);
    assert!(tls(&world.shown(&signed)).await.is_some());
}

#[tokio::test]
async fn a_certificate_that_is_missing_foreign_or_of_somebody_else_is_named() {
    let Some(world) = usual() else { return };
    let (what, remedy) = refused(&world.to(CERTIFIED, SslMode::VerifyFull)).await;
    assert!(what.contains("certificate") && remedy.contains("POSTGRES_SSL_CERT"), "{what}; {remedy}");
    let (what, remedy) = refused(&world.shown(&world.other.sign("soma", &["DNS:soma"]))).await;
    assert!(what.contains("ends the TLS handshake") && remedy.contains("POSTGRES_SSL_CERT"), "{what}; {remedy}");
    let (what, remedy) = refused(&world.shown(&world.ours.sign("somebody", &["DNS:somebody"]))).await;
    assert!(what.contains("soma") && remedy.contains("common name"), "{what}; {remedy}");
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_named_before_anything_connects() {
    let Some(world) = usual() else { return };
    let (one, two) = (world.ours.sign("soma", &["DNS:soma"]), world.ours.sign("two", &["DNS:two"]));
    let locked = one.behind("hush-hush");
    let (what, remedy) = refused(&world.shown(&locked)).await;
    assert!(what.contains("behind a password") && what.contains("soma.locked"), "{what}");
    assert!(remedy.contains("openssl pkey") && remedy.contains("POSTGRES_SSL_KEY"), "{remedy}");
    let unfit = Signed { certificate: one.certificate.clone(), key: two.key.clone() };
    let (what, remedy) = refused(&world.shown(&unfit)).await;
    assert!(what.contains("do not fit") && remedy.contains("POSTGRES_SSL_KEY"), "{what}; {remedy}");
    let missing = Signed { certificate: one.certificate, key: world.folder.path().join("none.key") };
    let (what, _) = refused(&world.shown(&missing)).await;
    assert!(what.contains("none.key"), "{what}");
}
