//! Requests to the registry: bounded in time and size, off the threads that serve others.
//!
//! Answers of any status come back as they are; what a status means is for the caller to say. Redirects
//! are not followed, because the password would go with them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result};
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::Settings;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take as a whole.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How much of what the registry says is shown, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Asks one registry.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    url: Arc<str>,
    authorization: Option<Arc<str>>,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `null` for a body that is no JSON.
    pub(super) body: Value,
    host: Arc<str>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let tls = TlsConfig::builder().root_certs(roots(settings)?).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .build();
        let basic = |(user, password): &(String, String)| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))).into()
        };
        Ok(Self {
            agent: config.into(),
            url: settings.url.trim_end_matches('/').into(),
            authorization: settings.login.as_ref().map(basic),
        })
    }

    pub(super) async fn get(&self, target: &str) -> Result<Answer> {
        self.send("GET", target, Vec::new()).await
    }

    pub(super) async fn post(&self, target: &str, body: &Value) -> Result<Answer> {
        self.send("POST", target, body.to_string().into_bytes()).await
    }

    async fn send(&self, method: &'static str, target: &str, body: Vec<u8>) -> Result<Answer> {
        let (client, target) = (self.clone(), target.to_owned());
        let sent = tokio::task::spawn_blocking(move || client.send_blocking(method, &target, body)).await;
        sent.map_err(|error| Error::new(Code::Internal, "asking the schema registry met a defect").because(error))?
    }

    fn send_blocking(&self, method: &str, target: &str, body: Vec<u8>) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.url));
        request =
            request.header("accept", format!("{MEDIA_TYPE}, application/json")).header("content-type", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", &**authorization);
        }
        let request = request.body(body).map_err(|error| {
            let what = format!("the schema registry cannot be asked: {error}");
            Error::new(Code::BadConfig, what)
                .at("SCHEMA_REGISTRY_URL")
                .remedy("write http://host:port or https://host:port")
        })?;
        let mut response = self.agent.run(request).map_err(|error| self.silent(error))?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| self.silent(error))?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, body, host: self.host() })
    }

    /// The address without what may be a secret in it.
    fn host(&self) -> Arc<str> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{host}").into()
    }

    /// There is no answer. A certificate that is refused does not mend by asking again.
    fn silent(&self, error: ureq::Error) -> Error {
        let host = self.host();
        let what = format!("the schema registry at {host} does not answer: {error}");
        match is_about_tls(&error) {
            true => Error::new(Code::BadConfig, what)
                .at("SCHEMA_REGISTRY_CA_LOCATION")
                .remedy("name the authorities that sign the registry, and call it by a name of its certificate"),
            false => Error::new(Code::Unavailable, what)
                .at("SCHEMA_REGISTRY_URL")
                .remedy("check that the registry runs and can be reached from here"),
        }
        .because(error)
    }
}

fn is_about_tls(error: &ureq::Error) -> bool {
    let by_hand = |error: &std::io::Error| error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_))
        || matches!(error, ureq::Error::Io(error) if by_hand(error))
}

impl Answer {
    /// What the registry says about it.
    pub(super) fn message(&self) -> String {
        let said = self.body["message"].as_str().unwrap_or_default();
        let mut said: String = said.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        if said.is_empty() {
            said = format!("status {}", self.status);
        }
        said
    }

    /// An answer that nobody expects.
    pub(super) fn refusal(&self, what: &str) -> Error {
        let what = format!("{what}: {} answers {}: {}", self.host, self.status, self.message());
        match self.status {
            401 | 403 => Error::new(Code::BadConfig, what)
                .at("SCHEMA_REGISTRY_USERNAME")
                .remedy("check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD, and what that user may do"),
            400..=499 => Error::new(Code::BadConfig, what)
                .at("SCHEMA_REGISTRY_URL")
                .remedy("check that the address is that of the Confluent API, with its path"),
            _ => Error::new(Code::Unavailable, what).at("SCHEMA_REGISTRY_URL").remedy("look at the registry's log"),
        }
    }
}

fn roots(settings: &Settings) -> Result<RootCerts> {
    let certificates = match &settings.ca {
        Some(path) => of_file(path)?,
        None if settings.url.starts_with("https:") => of_system()?,
        None => Vec::new(),
    };
    Ok(RootCerts::new_with_certs(&certificates))
}

fn of_file(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let bad = |why: String| {
        Error::new(Code::BadConfig, format!("the authorities in {} cannot be used: {why}", path.display()))
            .at("SCHEMA_REGISTRY_CA_LOCATION")
            .remedy("name a PEM file with the certificates of the authorities")
    };
    let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(bad("there is no certificate in it".into()));
    }
    Ok(certificates)
}

fn of_system() -> Result<Vec<Certificate<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Error::new(Code::BadConfig, "this system names no authorities that sign certificates")
            .at("SCHEMA_REGISTRY_CA_LOCATION")
            .remedy("install the system's authorities, or name a PEM file of your own"));
    }
    Ok(found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect())
}
