//! What a real cluster answers about rights, over each way to connect.

use soma_cluster::kafka::rights::{self, Work};
use soma_cluster::kafka::{Mechanism, Protocol, Secret, Security, Settings, topics};

use super::world::{RealClock, on, real, variable, within};

/// That the cluster was asked at all shows by an answer; that nothing is missing is not enough.
async fn tells(bootstrap: &str, security: Security) {
    let clock = RealClock::shared();
    let plain = variable("SOMA_TEST_KAFKA").expect("SOMA_TEST_KAFKA belongs to this tier");
    let settings = on(&plain);
    topics::ensure(&settings, &clock).await.expect("topics can be made");
    let shown = security.mechanism.as_str();
    let settings = Settings { bootstrap: bootstrap.to_owned(), security, ..settings };
    let lacking = within("the question", rights::lacking(&settings, &clock, Work::ALL)).await;
    assert_eq!(lacking.expect("it is asked"), Some(Vec::new()), "{shown}");
}

fn path(name: &str) -> Option<std::path::PathBuf> {
    Some(variable(name).unwrap_or_else(|| panic!("{name} belongs to this tier")).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_told_in_the_clear_and_behind_tls() {
    let Some(plain) = real("SOMA_TEST_KAFKA") else { return };
    tells(&plain, Security::default()).await;
    let Some(tls) = real("SOMA_TEST_KAFKA_SSL") else { return };
    let alone = Security { protocol: Protocol::Ssl, ca_location: path("KAFKA_SSL_CA_LOCATION"), ..Security::default() };
    tells(&tls, alone.clone()).await;
    let both = Security {
        certificate_location: path("KAFKA_SSL_CERTIFICATE_LOCATION"),
        key_location: path("KAFKA_SSL_KEY_LOCATION"),
        ..alone
    };
    tells(&tls, both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_told_to_every_mechanism_that_has_a_password() {
    for (name, protocol) in
        [("SOMA_TEST_KAFKA_SASL_SSL", Protocol::SaslSsl), ("SOMA_TEST_KAFKA_SASL_PLAINTEXT", Protocol::SaslPlaintext)]
    {
        let Some(bootstrap) = real(name) else { continue };
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
            let ca_location = if protocol == Protocol::SaslSsl { path("KAFKA_SSL_CA_LOCATION") } else { None };
            let username = variable("KAFKA_SASL_USERNAME");
            let password = variable("KAFKA_SASL_PASSWORD").map(Secret::new);
            let security = Security { protocol, mechanism, ca_location, username, password, ..Security::default() };
            tells(&bootstrap, security).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_tell_is_no_hindrance() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA_SASL_PLAINTEXT") else { return };
    let clock = RealClock::shared();
    let security = Security {
        protocol: Protocol::SaslPlaintext,
        mechanism: Mechanism::ScramSha256,
        username: variable("KAFKA_SASL_USERNAME"),
        password: Some(Secret::new("not-the-password")),
        ..Security::default()
    };
    let settings = Settings { security, ..on(&bootstrap) };
    assert_eq!(rights::lacking(&settings, &clock, Work::ALL).await.expect("it is asked"), None);
    rights::check(&settings, &clock, Work::ALL).await.expect("nothing is known, so nothing is refused");
}
