//! What settings say, and what they do not.

use soma_core::error::Code;
use tokio_postgres::config::SslMode as Wanted;

use super::{Settings, SslMode};

fn settings(url: &str, ssl_mode: SslMode) -> Settings {
    Settings { url: url.to_owned(), ssl_mode, ssl_root_cert: None, ssl_cert: None, ssl_key: None, pool_size: 4 }
}

#[test]
fn no_password_is_shown() {
    let urls = [
        "postgres://soma:hunter2@db.example:5433/memories",
        "postgres://soma@db.example:5433/memories?password=hunter2",
        "host=db.example port=5433 user=soma password=hunter2 dbname=memories",
        "postgres://soma:hunter2@db.example:hunter2/memories",
        "hunter2",
    ];
    for url in urls {
        let shown = format!("{:?}", settings(url, SslMode::Prefer));
        assert!(!shown.contains("hunter2"), "{shown}");
        if let Err(error) = settings(url, SslMode::Prefer).config() {
            assert_eq!(error.code, Code::BadConfig);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
    let shown = format!("{:?}", settings(urls[0], SslMode::Prefer));
    assert!(shown.contains("soma@db.example:5433/memories"), "{shown}");
}

#[test]
fn every_mode_has_one_spelling() {
    for (text, mode) in SslMode::ALL {
        assert_eq!(text.parse::<SslMode>().expect("it is a mode"), mode);
        assert_eq!(mode.to_string(), text);
    }
    assert_eq!("VERIFY-FULL".parse::<SslMode>().expect("case does not matter"), SslMode::VerifyFull);
    let error = "maybe".parse::<SslMode>().expect_err("it is none");
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.to_string().contains("verify-full"), "{error}");
}

#[test]
fn a_url_may_name_the_mode_if_nothing_else_contradicts() {
    let url = "postgres://soma@db.example/memories?sslmode=verify-full&application_name=mine";
    assert_eq!(SslMode::of_url(url).expect("it names one"), Some(SslMode::VerifyFull));
    assert_eq!(SslMode::of_url("postgres://soma@db.example/memories").expect("it names none"), None);
    assert!(SslMode::of_url("postgres://h/?sslmode=sometimes").is_err());

    let config = settings(url, SslMode::VerifyFull).config().expect("they agree");
    assert_eq!((config.get_ssl_mode(), config.get_application_name()), (Wanted::Require, Some("mine")));
    let error = settings(url, SslMode::Prefer).config().expect_err("they contradict each other");
    assert_eq!(error.code, Code::BadConfig);
}

#[test]
fn a_url_without_a_host_is_refused() {
    for url in ["postgres://", "user=soma", "memories"] {
        assert_eq!(settings(url, SslMode::Prefer).config().map(|_| ()).expect_err(url).code, Code::BadConfig);
    }
}
