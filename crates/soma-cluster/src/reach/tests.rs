use super::*;

#[test]
fn places_are_read_as_settings_write_them() {
    for (text, host, port) in [
        ("broker:9093", "broker", 9093),
        (" broker.example ", "broker.example", 1),
        ("SASL_SSL://10.0.0.7:9094", "10.0.0.7", 9094),
        ("ssl://localhost:9093/bootstrap", "localhost", 9093),
        ("https://me:secret@registry/apis/ccompat/v7", "registry", 1),
        ("[::1]:6334", "::1", 6334),
        ("http://[::1]", "::1", 1),
    ] {
        let place = Endpoint::parse(text, 1).unwrap_or_else(|| panic!("{text} is not read"));
        assert_eq!((place.host.as_str(), place.port), (host, port), "{text}");
    }
    for text in ["", ":9092", "broker:many", "[::1"] {
        assert_eq!(Endpoint::parse(text, 1), None, "{text}");
    }
    assert_eq!(Endpoint { host: "::1".into(), port: 1 }.to_string(), "[::1]:1");
}
