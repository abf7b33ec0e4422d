//! Who is let in.

use axum::http::HeaderValue;

use super::*;

fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn keeper(strangers: Strangers, keys: Vec<Key>) -> Gatekeeper {
    Gatekeeper {
        strangers,
        own: None,
        file: None,
        first: None,
        keys: RwLock::new(Arc::new(keys)),
        limiter: None,
        origins: Arc::default(),
        audit: None,
    }
}

fn code(keeper: &Gatekeeper, pairs: &[(header::HeaderName, &'static str)]) -> Option<Code> {
    keeper.admit(&headers(pairs), None).0.err().map(|e| e.code)
}

#[test]
fn only_the_right_token_is_let_in() {
    let access = keeper(Strangers::Refused, vec![Key::of_all("0123456789abcdef")]);
    let with = |value| code(&access, &[(header::AUTHORIZATION, value)]);
    assert_eq!(with("Bearer 0123456789abcdef"), None);
    assert_eq!(with("bearer 0123456789abcdef"), None);
    for wrong in ["Bearer 0123456789abcdeX", "Bearer 0123456789abcde", "Bearer ", "Basic 0123456789abcdef", ""] {
        assert_eq!(with(wrong), Some(Code::Unauthorized), "{wrong:?}");
    }
    assert_eq!(code(&access, &[]), Some(Code::Unauthorized));
}

#[test]
fn without_a_token_no_web_page_is_let_in() {
    let host = |value| code(&keeper(Strangers::Loopback, Vec::new()), &[(header::HOST, value)]);
    for ours in ["localhost:9595", "LOCALHOST", "127.0.0.1:9595", "127.9.9.9", "[::1]:9595"] {
        assert_eq!(host(ours), None, "{ours}");
    }
    for foreign in ["evil.example:9595", "localhost.evil.example", "192.168.1.7", "[::2]:9595", "", "::1"] {
        assert_eq!(host(foreign), Some(Code::Forbidden), "{foreign}");
    }
    let origin =
        |value| code(&keeper(Strangers::Loopback, Vec::new()), &[(header::HOST, "localhost"), (header::ORIGIN, value)]);
    assert_eq!(origin("http://localhost:3000"), None);
    assert_eq!(origin("https://evil.example"), Some(Code::Forbidden));
    assert_eq!(origin("null"), Some(Code::Forbidden));
}

#[test]
fn everybody_is_let_in_when_the_operator_said_so() {
    assert_eq!(code(&keeper(Strangers::Welcome, Vec::new()), &[(header::HOST, "memory.example")]), None);
}
