//! `KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_MEMORY_EVENTS_TOPIC`, `KAFKA_MEMORY_DLQ_TOPIC`, `KAFKA_CONSUMER_GROUP`,
//! `KAFKA_CREATE_TOPICS`, `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SSL_*`, `KAFKA_SASL_*`, `KAFKA_CONFIG_*`.
//!
//! The broker that keeps the log, how it is reached and what it may be asked. One set of values serves
//! producer, consumer and administration alike. Whether a `KAFKA_CONFIG_*` key would break a promise is
//! the adapter's to say; the wiring asks it.

use std::path::PathBuf;

use super::source::{Reader, Variable};
use super::{Secret, file_path, switch};

const BOOTSTRAP: Variable = Variable::new("KAFKA_BOOTSTRAP_SERVERS", "", "brokers, as host:port with commas between");
const TOPIC: Variable = Variable::new("KAFKA_MEMORY_EVENTS_TOPIC", "memory.events", "topic of memory events");
const DLQ_TOPIC: Variable = Variable::new("KAFKA_MEMORY_DLQ_TOPIC", "memory.dlq", "topic of dead letters");
const GROUP: Variable =
    Variable::new("KAFKA_CONSUMER_GROUP", "soma-consumer-group", "group that shares the partitions");
const CREATE: Variable =
    Variable::new("KAFKA_CREATE_TOPICS", "true", "whether missing topics are created at the start");
const PROTOCOL: Variable =
    Variable::new("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL");
const CA: Variable = Variable::new("KAFKA_SSL_CA_LOCATION", "", "file of the authorities that sign the brokers");
const CERTIFICATE: Variable = Variable::new("KAFKA_SSL_CERTIFICATE_LOCATION", "", "file of the client's certificate");
const KEY: Variable = Variable::new("KAFKA_SSL_KEY_LOCATION", "", "file of the client's key");
const KEY_PASSWORD: Variable = Variable::secret("KAFKA_SSL_KEY_PASSWORD", "password of the client's key");
const KEY_PASSWORD_FILE: Variable = Variable::new("KAFKA_SSL_KEY_PASSWORD_FILE", "", "file that holds that password");
const MECHANISM: Variable =
    Variable::new("KAFKA_SASL_MECHANISM", "", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER");
const USERNAME: Variable = Variable::new("KAFKA_SASL_USERNAME", "", "user of the broker");
const PASSWORD: Variable = Variable::secret("KAFKA_SASL_PASSWORD", "password of that user");
const PASSWORD_FILE: Variable = Variable::new("KAFKA_SASL_PASSWORD_FILE", "", "file that holds that password");
const TOKEN_URL: Variable =
    Variable::new("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", "", "where tokens for the broker are fetched");
const CLIENT_ID: Variable = Variable::new("KAFKA_SASL_OAUTHBEARER_CLIENT_ID", "", "client that fetches tokens");
const CLIENT_SECRET: Variable = Variable::secret("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", "secret of that client");
const CLIENT_SECRET_FILE: Variable =
    Variable::new("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE", "", "file that holds that secret");
const SCOPE: Variable = Variable::new("KAFKA_SASL_OAUTHBEARER_SCOPE", "", "scope that is asked for");

/// How connections to brokers are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Not at all.
    Plaintext,
    /// By TLS.
    Ssl,
    /// Authenticated, not encrypted.
    SaslPlaintext,
    /// Authenticated and encrypted.
    SaslSsl,
}

impl Protocol {
    /// Whether the client authenticates by SASL.
    pub(crate) const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Ok(Self::Ssl),
            "SASL_PLAINTEXT" => Ok(Self::SaslPlaintext),
            "SASL_SSL" => Ok(Self::SaslSsl),
            _ => Err("is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL".into()),
        }
    }
}

/// How the client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// User and password in clear.
    Plain,
    /// Salted challenge, SHA-256.
    ScramSha256,
    /// Salted challenge, SHA-512.
    ScramSha512,
    /// A bearer token.
    OauthBearer,
}

impl Mechanism {
    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "PLAIN" => Ok(Self::Plain),
            "SCRAM-SHA-256" => Ok(Self::ScramSha256),
            "SCRAM-SHA-512" => Ok(Self::ScramSha512),
            "OAUTHBEARER" => Ok(Self::OauthBearer),
            _ => Err("is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER".into()),
        }
    }
}

/// Client credentials for a token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Oauth {
    /// Where tokens are fetched.
    pub token_url: String,
    /// Who fetches them.
    pub client_id: String,
    /// How it proves that.
    pub client_secret: Secret,
    /// What the token shall be good for.
    pub scope: Option<String>,
}

/// The protection of connections to brokers.
#[derive(Clone, Debug)]
pub(crate) struct Security {
    /// How connections are protected.
    pub protocol: Protocol,
    /// Who signs the brokers; the system's authorities unless named.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub key_password: Option<Secret>,
    /// How the client proves who it is.
    pub mechanism: Mechanism,
    /// The user.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// For bearer tokens.
    pub oauth: Option<Oauth>,
}

/// The broker that keeps the log.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    /// Brokers to begin with.
    pub bootstrap: String,
    /// Topic of events.
    pub topic: String,
    /// Topic of dead letters.
    pub dlq_topic: String,
    /// The group that shares the partitions.
    pub group: String,
    /// Whether missing topics are created.
    pub create_topics: bool,
    /// How connections are protected.
    pub security: Security,
    /// Further settings of the client, by its own names.
    pub extra: Vec<(String, String)>,
}

impl Kafka {
    /// Reads and checks; `None` when no broker is named.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let bootstrap = reader.optional(&BOOTSTRAP, brokers);
        let topic = reader.required(&TOPIC, topic);
        let dlq_topic = reader.required(&DLQ_TOPIC, self::topic);
        let group = reader.required(&GROUP, |text| Ok(text.to_owned()));
        let create_topics = reader.required(&CREATE, switch);
        let security = Security::read(reader, bootstrap.is_some());
        let extra = reader.free().into_iter().map(|(name, value)| (client_key(&name), value)).collect();
        if topic == dlq_topic {
            let what = format!("{} and {} are both {topic}", TOPIC.name, DLQ_TOPIC.name);
            reader.problem(format!("{what}; dead letters need a topic of their own"), DLQ_TOPIC.name);
        }
        Some(Self { bootstrap: bootstrap?, topic, dlq_topic, group, create_topics, security, extra })
    }
}

impl Security {
    fn read(reader: &mut Reader, is_used: bool) -> Self {
        let protocol = reader.required(&PROTOCOL, Protocol::parse);
        let mut path =
            |variable| reader.optional(variable, |text| if is_used { file_path(text) } else { Ok(text.into()) });
        let (ca, certificate, key) = (path(&CA), path(&CERTIFICATE), path(&KEY));
        let key_password = reader.secret(&KEY_PASSWORD, &KEY_PASSWORD_FILE);
        let mechanism = reader.optional(&MECHANISM, Mechanism::parse);
        let username = reader.text(&USERNAME);
        let password = reader.secret(&PASSWORD, &PASSWORD_FILE);
        let token_url = reader.text(&TOKEN_URL);
        let client_id = reader.text(&CLIENT_ID);
        let client_secret = reader.secret(&CLIENT_SECRET, &CLIENT_SECRET_FILE);
        let scope = reader.text(&SCOPE);
        let oauth = match (token_url, client_id, client_secret) {
            (Some(token_url), Some(client_id), Some(client_secret)) => {
                Some(Oauth { token_url, client_id, client_secret, scope })
            }
            _ => None,
        };
        let security = Self {
            protocol,
            ca,
            certificate,
            key,
            key_password,
            mechanism: mechanism.unwrap_or(Mechanism::Plain),
            username,
            password,
            oauth,
        };
        if is_used {
            security.check(reader, mechanism.is_some());
        }
        security
    }

    /// What contradicts itself, or lacks its other half.
    fn check(&self, reader: &mut Reader, names_mechanism: bool) {
        if self.certificate.is_some() != self.key.is_some() {
            let what = format!("{} and {} belong together; set both", CERTIFICATE.name, KEY.name);
            reader.problem(what, CERTIFICATE.name);
        }
        if !self.protocol.has_sasl() {
            if names_mechanism || self.username.is_some() || self.password.is_some() {
                let what = "a SASL user or mechanism is set and not used";
                reader.warn(format!("{what}: {} is {}, not a SASL protocol", PROTOCOL.name, self.protocol.as_str()));
            }
            return;
        }
        if self.mechanism == Mechanism::OauthBearer {
            if self.oauth.is_none() {
                let what =
                    format!("OAUTHBEARER needs {}, {} and {}", TOKEN_URL.name, CLIENT_ID.name, CLIENT_SECRET.name);
                reader.problem(what, MECHANISM.name);
            }
        } else if self.username.is_none() || self.password.is_none() {
            let what =
                format!("a SASL protocol needs {} and {} (or {})", USERNAME.name, PASSWORD.name, PASSWORD_FILE.name);
            reader.problem(what, USERNAME.name);
        }
    }
}

/// `KAFKA_CONFIG_LINGER_MS` is the client's `linger.ms`.
fn client_key(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', ".")
}

fn brokers(text: &str) -> Result<String, String> {
    let fits = |broker: &str| {
        let port = broker.trim().rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    if text.split(',').all(fits) {
        return Ok(text.to_owned());
    }
    Err("is not a list of brokers; write host:port, with commas between several".into())
}

fn topic(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= 249 && text != "." && text != ".." && text.chars().all(legal) {
        return Ok(text.to_owned());
    }
    Err("is not a topic name; use at most 249 letters, digits, dots, dashes and underscores".into())
}
