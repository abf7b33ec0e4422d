use std::sync::Arc;

use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::testing::SeededClock;

use super::context::Sentence;
use super::*;
use rdkafka::error::RDKafkaErrorCode as Kafka;

fn secret_settings() -> Settings {
    let mut settings = Settings::new("broker:9092");
    settings.security = Security {
        protocol: Protocol::SaslSsl,
        mechanism: Mechanism::OauthBearer,
        key_password: Some(Secret::new("hush-1")),
        username: Some("somebody".to_owned()),
        password: Some(Secret::new("hush-2")),
        oauth: Some(Oauth {
            token_endpoint_url: "https://tokens.example/".to_owned(),
            client_id: "me".to_owned(),
            client_secret: Secret::new("hush-3"),
            scope: None,
        }),
        ..Security::default()
    };
    settings.extra.push(("ssl.keystore.password".to_owned(), "hush-4".to_owned()));
    settings
}

#[test]
fn settings_show_no_secret() {
    let shown = format!("{:?}", secret_settings());
    assert!(!shown.contains("hush"), "{shown}");
    for there in ["broker:9092", "somebody", "tokens.example", "ssl.keystore.password", "***"] {
        assert!(shown.contains(there), "{shown} lacks {there}");
    }
}

#[test]
fn keys_that_would_break_a_promise_are_refused_by_name() {
    let refused = [
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "partitioner",
        "acks",
        "auto.offset.reset",
        "group.id",
        "bootstrap.servers",
        "allow.auto.create.topics",
        "isolation.level",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "Acks",
        "sasl.oauthbearer.client.secret",
    ];
    for key in refused {
        assert!(refused_key(key).is_some_and(|why| why.len() > 5), "{key} is taken");
    }
    for key in ["linger.ms", "compression.type", "client.rack", "socket.timeout.ms"] {
        assert_eq!(refused_key(key), None, "{key} is refused");
    }
    let mut settings = Settings::new("broker:9092");
    settings.extra.push(("acks".to_owned(), "0".to_owned()));
    let error = client::base(&settings).expect_err("acks may not be set");
    assert_eq!((error.code, error.field.as_deref()), (Code::BadConfig, Some("KAFKA_CONFIG_ACKS")));
}

#[test]
fn every_client_is_told_the_same_cluster() {
    let mut settings = Settings::new("broker:9092");
    settings.security = Security {
        protocol: Protocol::SaslPlaintext,
        mechanism: Mechanism::ScramSha512,
        username: Some("somebody".to_owned()),
        password: Some(Secret::new("hush")),
        ..Security::default()
    };
    settings.extra.push(("linger.ms".to_owned(), "9".to_owned()));
    let configs =
        [client::base(&settings), client::producer(&settings), client::reader(&settings), client::member(&settings)];
    for config in configs {
        let config = config.expect("the settings are whole");
        for (key, value) in [
            ("bootstrap.servers", "broker:9092"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "somebody"),
            ("sasl.password", "hush"),
            ("linger.ms", "9"),
        ] {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
    }
}

#[test]
fn settings_that_are_not_whole_name_the_variable() {
    let mut settings = Settings::new("broker:9092");
    settings.security.protocol = Protocol::SaslSsl;
    let field = |settings: &Settings| client::base(settings).err().and_then(|error| error.field);
    assert_eq!(field(&settings).as_deref(), Some("KAFKA_SASL_USERNAME"));
    settings.security.username = Some("somebody".to_owned());
    assert_eq!(field(&settings).as_deref(), Some("KAFKA_SASL_PASSWORD"));
    settings.security.mechanism = Mechanism::OauthBearer;
    assert_eq!(field(&settings).as_deref(), Some("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL"));
    settings.security.ca_location = Some("no/such/file.pem".into());
    assert_eq!(field(&settings).as_deref(), Some("KAFKA_SSL_CA_LOCATION"));
}

#[test]
fn what_happened_is_kept_however_often_brokers_are_counted() {
    let signals = super::context::Signals::default();
    let (refused, down) = (Some(Kafka::BrokerTransportFailure), Some(Kafka::AllBrokersDown));
    signals.note(refused, "broker:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused");
    for count in 0..1_000 {
        signals.note(down, if count % 2 == 0 { "0/1 brokers are down" } else { "1/1 brokers are down" });
    }
    let told = diagnose::reason("broker:9092", &signals.all()).expect("a reason").error.to_string();
    assert!(told.contains("nobody answers there") && told.contains("Connection refused"), "{told}");
    signals.clear();
    assert!(diagnose::reason("broker:9092", &signals.all()).is_none());
}

#[test]
fn names_are_read_as_they_are_written() {
    for protocol in Protocol::ALL {
        assert_eq!(Protocol::parse(&protocol.as_str().to_lowercase()), Some(protocol));
    }
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::parse(mechanism.as_str()), Some(mechanism));
    }
    assert_eq!((Protocol::parse("TLS"), Mechanism::parse("GSSAPI")), (None, None));
}

#[test]
fn an_outage_is_told_from_a_record_that_no_broker_takes() {
    let code = |kafka| classify::code("do something", kafka).code;
    for kafka in [
        Kafka::BrokerTransportFailure,
        Kafka::AllBrokersDown,
        Kafka::MessageTimedOut,
        Kafka::QueueFull,
        Kafka::TopicAuthorizationFailed,
        Kafka::UnknownTopicOrPartition,
        Kafka::NotEnoughReplicas,
        Kafka::Authentication,
        Kafka::Unknown,
    ] {
        assert_eq!(code(kafka), Code::Unavailable, "{kafka:?}");
        assert!(classify::code("do something", kafka).remedy.is_some(), "{kafka:?} has no remedy");
    }
    assert_eq!(code(Kafka::MessageSizeTooLarge), Code::TooLarge);
    assert_eq!(code(Kafka::AutoOffsetReset), Code::LogReplaced);
}

#[test]
fn the_most_telling_sentence_of_the_client_is_the_reason() {
    let said = |code, text: &str| Sentence { code, text: text.to_owned() };
    let refused = said(Some(Kafka::BrokerTransportFailure), "Connect to ipv4#127.0.0.1:1 failed: Connection refused");
    let down = said(Some(Kafka::AllBrokersDown), "1/1 brokers are down");
    let password = said(Some(Kafka::Authentication), "SASL authentication error: Authentication failed");
    let remedy = |sentences: &[Sentence]| {
        diagnose::reason("broker:9092", sentences)
            .map(|reason| (reason.lasting, reason.error.remedy.unwrap_or_default()))
    };
    assert_eq!(remedy(&[]), None);
    let (lasting, what) = remedy(&[refused.clone(), down.clone()]).expect("there is a reason");
    assert!(!lasting && what.contains("start the broker"), "{what}");
    let (lasting, what) = remedy(&[password, refused, down]).expect("there is a reason");
    assert!(lasting && what.contains("KAFKA_SASL_PASSWORD"), "{what}");
}

#[test]
fn a_context_fetches_tokens_only_where_they_are_wanted() {
    let clock: Arc<dyn Clock> = Arc::new(SeededClock::new(1));
    assert!(client::context(&secret_settings(), &clock).tokens.is_some());
    let mut settings = secret_settings();
    settings.security.mechanism = Mechanism::Plain;
    assert!(client::context(&settings, &clock).tokens.is_none());
}
