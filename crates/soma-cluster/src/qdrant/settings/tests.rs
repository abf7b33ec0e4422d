//! What a URL may look like, and what is never shown.

use super::{Settings, TIMEOUT_DEFAULT};

fn settings(url: &str) -> Settings {
    Settings {
        url: url.into(),
        api_key: Some("the-key".into()),
        collection: "c".into(),
        ca_location: None,
        timeout: TIMEOUT_DEFAULT,
    }
}

#[test]
fn the_rest_port_and_a_missing_port_mean_the_grpc_port_beside_it() {
    for (url, meant) in [
        ("http://localhost:6333", "http://localhost:6334/"),
        ("http://localhost:6333/", "http://localhost:6334/"),
        ("http://localhost:6334", "http://localhost:6334/"),
        ("http://localhost", "http://localhost:6334/"),
        ("https://qdrant.example.com", "https://qdrant.example.com:6334/"),
        ("https://qdrant.example.com:443", "https://qdrant.example.com:443/"),
        ("localhost:6333", "http://localhost:6334/"),
        (" http://[::1]:7000 ", "http://[::1]:7000/"),
    ] {
        let endpoint = settings(url).endpoint().unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(endpoint.to_string(), meant, "{url}");
    }
}

#[test]
fn what_is_no_address_of_a_server_is_refused_without_showing_it() {
    for url in ["", "http://", "ftp://host", "http://key@host:6334", "http://host:6334/collections", "http://a b"] {
        let error = settings(url).endpoint().expect_err(url);
        assert_eq!(error.code, soma_core::error::Code::BadConfig, "{url}");
        assert!(!error.to_string().contains("key@"), "{error}");
    }
}

#[test]
fn the_key_is_never_shown() {
    let shown = format!("{:?}", settings("http://localhost:6333"));
    assert!(!shown.contains("the-key"), "{shown}");
    assert!(shown.contains("localhost:6334"), "{shown}");
    assert!(!format!("{:?}", settings("http://secret@host")).contains("secret@"));
}
