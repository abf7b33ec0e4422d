//! What TLS checks. Needs a server with TLS: `SOMA_TEST_POSTGRES_SSL_URL`, and in
//! `SOMA_TEST_POSTGRES_SSL_CA` the file of the authority that signed its certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use soma_cluster::postgres::{Records, Settings, SslMode};
use soma_core::error::{Code, Result};
use soma_core::testing::SeededClock;

use super::{settings, skipped, variable};

struct Server {
    url: String,
    ca: PathBuf,
}

fn server() -> Option<Server> {
    let (url, ca) = ("SOMA_TEST_POSTGRES_SSL_URL", "SOMA_TEST_POSTGRES_SSL_CA");
    let found = variable(url).and_then(|url| Some(Server { url, ca: variable(ca)?.into() }));
    if found.is_none() {
        skipped(&format!("{url} or {ca}"));
    }
    found
}

fn other_ca() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres/other-ca.pem")
}

async fn open(server: &Server, ssl_mode: SslMode, root: Option<PathBuf>) -> Result<Records> {
    let settings = Settings { ssl_mode, ssl_root_cert: root, ..settings(&server.url) };
    Records::connect(&settings, Arc::new(SeededClock::new(1))).await
}

async fn tls_version(server: &Server, ssl_mode: SslMode, root: Option<PathBuf>) -> Option<String> {
    open(server, ssl_mode, root).await.expect("it connects").facts().await.expect("facts").tls
}

#[tokio::test]
async fn every_mode_encrypts_as_it_says() {
    let Some(server) = server() else { return };
    let ca = || Some(server.ca.clone());
    for (mode, root) in [
        (SslMode::VerifyFull, ca()),
        (SslMode::VerifyCa, ca()),
        (SslMode::Require, ca()),
        (SslMode::Require, None),
        (SslMode::Prefer, None),
    ] {
        let version = tls_version(&server, mode, root).await;
        assert!(version.is_some_and(|version| version.starts_with("TLSv1.")), "{mode}");
    }
    assert_eq!(tls_version(&server, SslMode::Disable, None).await, None);
    assert_eq!(tls_version(&server, SslMode::Allow, None).await, None, "the server does not insist");
}

#[tokio::test]
async fn an_authority_that_did_not_sign_is_refused_and_named() {
    let Some(server) = server() else { return };
    for (mode, root) in [
        (SslMode::VerifyFull, Some(other_ca())),
        (SslMode::VerifyCa, Some(other_ca())),
        (SslMode::Require, Some(other_ca())),
        (SslMode::VerifyFull, None),
    ] {
        let error = open(&server, mode, root).await.map(|_| ()).expect_err("nobody we trust has signed it");
        assert_eq!(error.code, Code::BadConfig, "{mode}: {error}");
        assert!(error.to_string().contains("certificate"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn only_full_verification_minds_the_name() {
    let Some(server) = server() else { return };
    // The same server under a name that its certificate does not have.
    let sign = if server.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{sign}hostaddr=127.0.0.1", server.url.replace("127.0.0.1", "elsewhere.example"));
    assert!(url.contains("elsewhere.example"), "the server of this test is found at 127.0.0.1");
    let elsewhere = Server { url, ca: server.ca.clone() };
    let error = open(&elsewhere, SslMode::VerifyFull, Some(server.ca.clone())).await.map(|_| ());
    let error = error.expect_err("the certificate names another host");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.to_string().contains("another host"), "{error}");
    assert!(tls_version(&elsewhere, SslMode::VerifyCa, Some(server.ca)).await.is_some());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let nowhere = Server { url: "postgres://soma@127.0.0.1:1/soma".to_owned(), ca: PathBuf::new() };
    let missing = PathBuf::from("no-such-file.pem");
    let error =
        open(&nowhere, SslMode::VerifyFull, Some(missing)).await.map(|_| ()).expect_err("there is no such file");
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.to_string().contains("no-such-file.pem"), "{error}");

    let alone = Settings { ssl_mode: SslMode::Require, ssl_cert: Some(other_ca()), ..settings(&nowhere.url) };
    let error =
        Records::connect(&alone, Arc::new(SeededClock::new(1))).await.map(|_| ()).expect_err("a key is missing");
    assert_eq!(error.code, Code::BadConfig);
}
