//! What the configuration accepts, refuses and reports.

use super::*;

fn with(variables: &[(&str, &str)]) -> Source {
    let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut source = Source { environment, ..Source::default() };
    source.environment.entry("SOMA_DATA_DIR".into()).or_insert_with(|| "data".into());
    source
}

fn refused(variables: &[(&str, &str)]) -> String {
    load(with(variables)).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn defaults_are_loopback_with_the_hash_embedder() {
    let config = load(with(&[])).expect("defaults are valid");
    assert_eq!((config.api.host.as_str(), config.api.port), ("127.0.0.1", 9595));
    assert!(matches!(config.api.access, api::Access::Loopback));
    assert_eq!((config.metrics.host.as_str(), config.metrics.port), ("127.0.0.1", 8001));
    assert!(matches!(config.embedder, embedder::Embedder::Hash { dims: 768 }));
    assert_eq!(config.events.value_bytes_max, 1 << 20);
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let mut source = with(&[("SOMA_API_PORT", "2"), ("CONSUMER_METRICS_PORT", "5")]);
    source.parse_file("SOMA_API_PORT=3\nCONSUMER_METRICS_PORT=6\nMEMORY_VECTOR_DIM=64\n");
    source.flags.insert("SOMA_API_PORT", "1".into());
    let config = load(source).expect("valid");
    assert_eq!((config.api.port, config.metrics.port), (1, 5));
    assert!(matches!(config.embedder, embedder::Embedder::Hash { dims: 64 }));
    let origin = |name: &str| config.settings.iter().find(|s| s.variable.name == name).map(|s| s.origin);
    assert_eq!(origin("SOMA_API_PORT"), Some(Origin::Flag));
    assert_eq!(origin("CONSUMER_METRICS_PORT"), Some(Origin::Environment));
    assert_eq!(origin("MEMORY_VECTOR_DIM"), Some(Origin::File));
    assert_eq!(origin("SOMA_API_HOST"), Some(Origin::Default));
}

#[test]
fn an_empty_value_counts_as_unset() {
    assert_eq!(load(with(&[("SOMA_API_PORT", " ")])).expect("valid").api.port, 9595);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = refused(&[("SOMA_API_PORT", "nine"), ("MEMORY_VECTOR_DIM", "0"), ("KAFKA_BOOTSTRAP_SERVERS", "kafka")]);
    for name in ["3 settings", "SOMA_API_PORT=nine", "MEMORY_VECTOR_DIM=0", "KAFKA_BOOTSTRAP_SERVERS"] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
}

#[test]
fn an_address_beyond_loopback_needs_a_token_or_a_word() {
    assert!(refused(&[("SOMA_API_HOST", "0.0.0.0")]).contains("SOMA_API_TOKEN"));
    assert!(refused(&[("SOMA_API_HOST", "::")]).contains("SOMA_API_TOKEN"));
    let open = load(with(&[("SOMA_API_HOST", "0.0.0.0"), ("SOMA_API_ALLOW_ANONYMOUS", "YES")])).expect("allowed");
    assert!(matches!(open.api.access, api::Access::Anyone));
    let guarded = load(with(&[("SOMA_API_HOST", "0.0.0.0"), ("SOMA_API_TOKEN", "0123456789abcdef")])).expect("allowed");
    assert!(matches!(guarded.api.access, api::Access::Token(_)));
}

#[test]
fn a_broker_turns_eventing_on_unless_it_is_told_off() {
    let eventing = |variables: &[(&str, &str)]| load(with(variables)).expect("valid").events.eventing;
    assert!(!eventing(&[]));
    assert!(eventing(&[("KAFKA_BOOTSTRAP_SERVERS", "k:9092")]));
    assert!(!eventing(&[("KAFKA_BOOTSTRAP_SERVERS", "k:9092"), ("EVENTING_ENABLED", "OFF")]));
    assert!(refused(&[("EVENTING_ENABLED", "true")]).contains("KAFKA_BOOTSTRAP_SERVERS"));
    assert!(refused(&[("EVENTING_ENABLED", "maybe")]).contains("neither true nor false"));
}

#[test]
fn servers_are_named_by_addresses() {
    for (name, wrong) in [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,"),
        ("POSTGRES_URL", "db:5432"),
        ("QDRANT_URL", "qdrant:6334"),
        ("SCHEMA_REGISTRY_URL", "registry:8081"),
        ("KAFKA_MEMORY_EVENTS_TOPIC", "memory events"),
    ] {
        assert!(refused(&[(name, wrong)]).contains(name), "{name}={wrong} was accepted");
    }
    let same = [("KAFKA_MEMORY_DLQ_TOPIC", "memory.events")];
    assert!(refused(&same).contains("topic of their own"));
}

#[test]
fn half_of_a_pair_is_refused() {
    let kafka = ("KAFKA_BOOTSTRAP_SERVERS", "k:9092");
    let said = refused(&[kafka, ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_SASL_USERNAME", "u")]);
    assert!(said.contains("KAFKA_SASL_PASSWORD"), "{said}");
    let unused = [kafka, ("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")];
    let warnings = load(with(&unused)).expect("it connects without them").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("KAFKA_SECURITY_PROTOCOL")), "{warnings:?}");
    let said =
        refused(&[kafka, ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext"), ("KAFKA_SASL_MECHANISM", "oauthbearer")]);
    assert!(said.contains("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL"), "{said}");
    assert!(refused(&[("KAFKA_VALUE_FORMAT", "confluent")]).contains("SCHEMA_REGISTRY_URL"));
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").expect("a file");
    let path = file.display().to_string();
    let base = [
        ("KAFKA_BOOTSTRAP_SERVERS", "k:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_SASL_USERNAME", "u"),
        ("KAFKA_SASL_PASSWORD_FILE", path.as_str()),
    ];
    let config = load(with(&base)).expect("valid");
    let kafka = config.kafka.as_ref().expect("a broker");
    assert_eq!(kafka.security.password.as_ref().map(|secret| secret.0.as_str()), Some("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let both: Vec<_> = base.into_iter().chain([("KAFKA_SASL_PASSWORD", "x")]).collect();
    assert!(refused(&both).contains("both set"));
    assert!(refused(&[("POSTGRES_URL_FILE", "no/such/file")]).contains("cannot be read"));
}

#[test]
fn settings_of_the_client_are_handed_on_by_its_own_names() {
    let mut source = with(&[("KAFKA_BOOTSTRAP_SERVERS", "k:9092"), ("KAFKA_CONFIG_LINGER_MS", "20")]);
    source.parse_file("KAFKA_CONFIG_CLIENT_ID=mine\nKAFKA_CONFIG_LINGER_MS=5\n");
    let extra = load(source).expect("valid").kafka.expect("a broker").extra;
    assert_eq!(extra, [("client.id".to_owned(), "mine".to_owned()), ("linger.ms".to_owned(), "20".to_owned())]);
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "correct-horse-battery";
    let config = load(with(&[("SOMA_API_TOKEN", secret)])).expect("valid");
    assert!(!format!("{config:?}").contains(secret));
    assert!(!refused(&[("SOMA_API_TOKEN", "short-secret")]).contains("short-secret"));
}

#[test]
fn a_misspelt_name_of_ours_is_noticed() {
    let config = load(with(&[("SOMA_API_PROT", "1"), ("PATH", "x")])).expect("valid");
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].starts_with("SOMA_API_PROT is set"), "{:?}", config.warnings);
    assert!(config.warnings[0].contains("the nearest name is SOMA_API_PORT"), "{:?}", config.warnings);
    for (name, nearest) in
        [("CONSUMER_METRIC_PORT", Some("CONSUMER_METRICS_PORT")), ("KAFKA_CONFIG_LINGER_MS", None), ("CONSUMERS", None)]
    {
        let warnings = load(with(&[(name, "1")])).expect("valid").warnings;
        assert_eq!(warnings.len(), usize::from(nearest.is_some()), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains(nearest.unwrap_or_default())), "{warnings:?}");
    }
}

#[test]
fn the_file_knows_export_quotes_and_comments() {
    let mut source = Source::default();
    source.parse_file("# note\nexport A=1\nB = \"two # words\" # note\nC='3'\nD=4 # four\n\nE=\n");
    assert!(source.problems.is_empty());
    let get = |name: &str| source.file.get(name).map(String::as_str);
    assert_eq!(
        [get("A"), get("B"), get("C"), get("D"), get("E")],
        [Some("1"), Some("two # words"), Some("3"), Some("4"), Some("")]
    );
    source.parse_file("no equals sign\nF=\"open\n");
    assert_eq!(source.problems.len(), 2);
    assert!(source.problems[0].contains("line 1"));
}

#[test]
fn an_embedder_is_named_with_what_it_needs() {
    use embedder::Embedder;
    let chosen = |variables: &[(&str, &str)]| load(with(variables)).map(|config| config.embedder);
    let folder = chosen(&[("SOMA_EMBEDDER", "minilm:/models/a:b")]).expect("valid");
    assert!(matches!(folder, Embedder::MiniLm { folder } if folder == std::path::Path::new("/models/a:b")));
    let given = chosen(&[("SOMA_EMBEDDER", "given:org/model:v2:1024")]).expect("valid");
    assert!(matches!(given, Embedder::Given { revision, dims: 1024 } if revision == "org/model:v2"));
    let asked = [
        ("SOMA_EMBEDDER", "http:https://api.example/v1"),
        ("SOMA_EMBEDDER_MODEL", "small"),
        ("SOMA_EMBEDDER_API_KEY", "k3y"),
        ("MEMORY_VECTOR_DIM", "512"),
    ];
    let http = chosen(&asked).expect("valid");
    assert!(!format!("{http:?}").contains("k3y"));
    let Embedder::Http { url, model, key, dims } = http else { panic!("it is an endpoint") };
    assert_eq!((url.as_str(), model.as_str(), dims), ("https://api.example/v1", "small", 512));
    assert_eq!(key, Some(Secret("k3y".into())));
    for (wrong, why) in [
        ("bert", "use hash, minilm:FOLDER"),
        ("minilm", "write minilm:FOLDER"),
        ("given:r", "given:REVISION:DIMENSIONS"),
        ("given:r:7", "64 to 4096"),
        ("http://host:1", "write http:http://host:port"),
        ("http:https://user:pass@host", "SOMA_EMBEDDER_API_KEY"),
        ("http:http://host:1", "set SOMA_EMBEDDER_MODEL"),
    ] {
        let text = refused(&[("SOMA_EMBEDDER", wrong)]);
        assert!(text.contains(why), "{wrong}: {text}");
    }
}

#[test]
fn a_length_that_the_model_decides_is_not_shown_as_ours() {
    let config = load(with(&[("SOMA_EMBEDDER", "given:r:256"), ("MEMORY_VECTOR_DIM", "512")])).expect("valid");
    let shown =
        config.settings.iter().find(|s| s.variable.name == "MEMORY_VECTOR_DIM").and_then(|s| s.shown.as_deref());
    assert_eq!(shown, Some("256"));
    assert!(config.warnings.iter().any(|warning| warning.starts_with("MEMORY_VECTOR_DIM")), "{:?}", config.warnings);
}
