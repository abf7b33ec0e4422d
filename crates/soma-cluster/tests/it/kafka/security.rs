//! Every way to connect, and every way not to, on a real broker's listeners.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use soma_cluster::kafka::{Log, Mechanism, Oauth, Protocol, Secret, Security, Settings, diagnose, topics};
use soma_core::error::{Code, Error};
use soma_core::log::{EventLog, ReadLimit};
use soma_core::testing::sample::{created, record};

use super::world::{RealClock, on, real, variable, within};

fn path(name: &str) -> Option<PathBuf> {
    Some(variable(name).unwrap_or_else(|| panic!("{name} belongs to this tier")).into())
}

fn with_password(protocol: Protocol, mechanism: Mechanism, password: &str) -> Security {
    let username = variable("KAFKA_SASL_USERNAME");
    let password = Some(Secret::new(password));
    let ca_location = if protocol == Protocol::SaslSsl { path("KAFKA_SSL_CA_LOCATION") } else { None };
    Security { protocol, mechanism, username, password, ca_location, ..Security::default() }
}

fn right_password() -> String {
    variable("KAFKA_SASL_PASSWORD").expect("KAFKA_SASL_PASSWORD belongs to this tier")
}

/// Topics, an append, a read, letters' topic and group: by every client of ours.
async fn works(bootstrap: &str, security: Security) {
    let clock = RealClock::shared();
    let oauth = security.mechanism == Mechanism::OauthBearer;
    let settings = Settings { security, ..on(bootstrap) };
    if oauth {
        let error = topics::ensure(&settings, &clock).await.expect_err("the library cannot make topics so");
        assert_eq!(error.code, Code::BadConfig, "{error}");
        let (topic, remedy) = (&settings.topic, remedy(&error));
        let command = format!(
            "kafka-topics.sh --bootstrap-server {bootstrap} --command-config client.properties --create --topic {topic} --partitions 3 "
        );
        assert!(remedy.contains(&command) && remedy.contains("KAFKA_CREATE_TOPICS=false"), "{remedy}");
        assert!(remedy.contains("OAUTHBEARER") && !remedy.contains("soma topics"), "{remedy}");
        let plain = variable("SOMA_TEST_KAFKA").expect("SOMA_TEST_KAFKA belongs to this tier");
        let plain = Settings { bootstrap: plain, security: Security::default(), ..settings.clone() };
        topics::ensure(&plain, &clock).await.expect("topics can be made");
    }
    let notes = topics::ensure(&settings, &clock).await.expect("topics are there or can be made");
    assert_eq!(notes.iter().any(|note| note.contains("cannot be read with OAUTHBEARER")), oauth, "{notes:?}");
    let log = Log::connect(&settings, 1, &clock).await.expect("this way is open");
    log.append((0..10).map(|n| record(&created(n, n, "text"))).collect()).await.expect("it can be written");
    let mut read = 0;
    for bounds in log.bounds().await.expect("it can be asked") {
        let limit = ReadLimit { records: 100, bytes: 1 << 20 };
        read += log.read(bounds.partition, bounds.first, limit).await.expect("it can be read").len();
    }
    assert_eq!(read, 10);
}

async fn refuses(bootstrap: &str, security: Security) -> Error {
    let settings = Settings { security, ..on(bootstrap) };
    let refused = within("connecting", diagnose::diagnose(&settings, &RealClock::shared())).await;
    let error = refused.expect_err("this way is closed");
    assert_eq!(error.code, Code::Unavailable, "{error}");
    error
}

fn remedy(error: &Error) -> &str {
    error.remedy.as_deref().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_works_with_and_without_a_certificate_of_ours() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA_SSL") else { return };
    let alone = Security { protocol: Protocol::Ssl, ca_location: path("KAFKA_SSL_CA_LOCATION"), ..Security::default() };
    works(&bootstrap, alone.clone()).await;
    let both = Security {
        certificate_location: path("KAFKA_SSL_CERTIFICATE_LOCATION"),
        key_location: path("KAFKA_SSL_KEY_LOCATION"),
        ..alone
    };
    works(&bootstrap, both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_authority_is_named() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA_SSL") else { return };
    let ca_location = path("KAFKA_SSL_OTHER_CA_LOCATION");
    let error = refuses(&bootstrap, Security { protocol: Protocol::Ssl, ca_location, ..Security::default() }).await;
    assert!(remedy(&error).contains("KAFKA_SSL_CA_LOCATION"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_protocol_is_named() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA_SSL") else { return };
    let error = refuses(&bootstrap, Security::default()).await;
    assert!(remedy(&error).contains("KAFKA_SECURITY_PROTOCOL"), "{error}");
    let Some(plain) = real("SOMA_TEST_KAFKA") else { return };
    let tls = Security { protocol: Protocol::Ssl, ca_location: path("KAFKA_SSL_CA_LOCATION"), ..Security::default() };
    let error = refuses(&plain, tls).await;
    assert!(remedy(&error).contains("KAFKA_SECURITY_PROTOCOL"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_work_inside_tls_and_without() {
    for (variable, protocol) in
        [("SOMA_TEST_KAFKA_SASL_SSL", Protocol::SaslSsl), ("SOMA_TEST_KAFKA_SASL_PLAINTEXT", Protocol::SaslPlaintext)]
    {
        let Some(bootstrap) = real(variable) else { continue };
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
            works(&bootstrap, with_password(protocol, mechanism, &right_password())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_and_not_shown() {
    for (variable, protocol) in
        [("SOMA_TEST_KAFKA_SASL_SSL", Protocol::SaslSsl), ("SOMA_TEST_KAFKA_SASL_PLAINTEXT", Protocol::SaslPlaintext)]
    {
        let Some(bootstrap) = real(variable) else { continue };
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha512] {
            let error = refuses(&bootstrap, with_password(protocol, mechanism, "wrong-hush")).await;
            assert!(remedy(&error).contains("KAFKA_SASL_PASSWORD"), "{error}");
            assert!(!error.to_string().contains("wrong-hush"), "{error}");
        }
    }
}

/// Answers every request with one response, until the test's process ends.
fn token_endpoint(response: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/token", listener.local_addr().expect("it is bound"));
    let serve = move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            let asked = reader.read_exact(&mut body).is_ok()
                && String::from_utf8_lossy(&body).contains("grant_type=client_credentials");
            let answer =
                if asked { response.as_str() } else { "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n" };
            drop((&stream).write_all(answer.as_bytes()));
        }
    };
    std::thread::Builder::new().name("token-endpoint".into()).spawn(serve).expect("a thread");
    url
}

/// An unsecured token, as the test broker takes it.
fn token() -> String {
    fn base64url(text: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut encoded = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for digit in 0..=chunk.len() {
                encoded.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
            }
        }
        encoded
    }
    let expires = RealClock::shared().now().0 / 1_000_000 + 3_600;
    let claims = format!(r#"{{"sub":"soma","exp":{expires}}}"#);
    format!("{}.{}.", base64url(r#"{"alg":"none"}"#), base64url(&claims))
}

fn oauth(url: String, protocol: Protocol) -> Security {
    let client_secret = Secret::new("hush");
    let oauth =
        Oauth { token_endpoint_url: url, client_id: "soma".to_owned(), client_secret, scope: Some("kafka".to_owned()) };
    Security { mechanism: Mechanism::OauthBearer, oauth: Some(oauth), ..with_password(protocol, Mechanism::Plain, "") }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_and_used() {
    let body = format!(r#"{{"access_token":"{}","token_type":"bearer","expires_in":3600}}"#, token());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
    let url = token_endpoint(format!("{head}: {}\r\n\r\n{body}", body.len()));
    for (variable, protocol) in
        [("SOMA_TEST_KAFKA_SASL_SSL", Protocol::SaslSsl), ("SOMA_TEST_KAFKA_SASL_PLAINTEXT", Protocol::SaslPlaintext)]
    {
        let Some(bootstrap) = real(variable) else { continue };
        works(&bootstrap, oauth(url.clone(), protocol)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_gives_no_token_is_named() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA_SASL_PLAINTEXT") else { return };
    let url = token_endpoint("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned());
    let error = refuses(&bootstrap, oauth(url, Protocol::SaslPlaintext)).await;
    assert!(remedy(&error).contains("TOKEN_ENDPOINT_URL"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}
