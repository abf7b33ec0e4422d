//! Where the cluster is and how to speak to it: one description for every client of ours.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use soma_core::limits;

/// A password or the like: shown by nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the client that needs it.
    pub(in crate::kafka) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The cluster, the topics and the group.
#[derive(Clone)]
pub struct Settings {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// The topic that is the log of memory events.
    pub topic: String,
    /// The topic of dead letters.
    pub dlq_topic: String,
    /// The consumer group that shares partitions out.
    pub group: String,
    /// Whether missing topics are made.
    pub create_topics: bool,
    /// How connections are protected.
    pub security: Security,
    /// Further keys of the client; see [`super::refused_key`] for those that may not be set.
    pub extra: Vec<(String, String)>,
    /// How long an append may take.
    pub append_timeout: Duration,
}

impl Settings {
    /// A cluster without encryption, with the default names.
    #[must_use]
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            topic: "memory.events".to_owned(),
            dlq_topic: "memory.dlq".to_owned(),
            group: "soma-consumer-group".to_owned(),
            create_topics: true,
            security: Security::default(),
            extra: Vec::new(),
            append_timeout: limits::APPEND_TIMEOUT,
        }
    }
}

/// Values of `extra` may be secrets, so only its keys are shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.extra.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Settings")
            .field("bootstrap", &self.bootstrap)
            .field("topic", &self.topic)
            .field("dlq_topic", &self.dlq_topic)
            .field("group", &self.group)
            .field("create_topics", &self.create_topics)
            .field("security", &self.security)
            .field("extra", &keys)
            .field("append_timeout", &self.append_timeout)
            .finish()
    }
}

/// What connections are wrapped in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL inside TLS.
    SaslSsl,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// The name that Kafka gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The protocol of that name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether clients name themselves by SASL.
    #[must_use]
    pub const fn sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password in clear.
    #[default]
    Plain,
    /// Challenge and response by SHA-256.
    ScramSha256,
    /// Challenge and response by SHA-512.
    ScramSha512,
    /// A token that is fetched elsewhere.
    OauthBearer,
}

impl Mechanism {
    /// Every mechanism.
    pub const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OauthBearer];

    /// The name that Kafka gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism of that name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.as_str().eq_ignore_ascii_case(name))
    }
}

/// How connections are protected.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// What connections are wrapped in.
    pub protocol: Protocol,
    /// Certificates of the authorities that are trusted, as PEM; the system's without it.
    pub ca_location: Option<PathBuf>,
    /// The client's certificate, as PEM.
    pub certificate_location: Option<PathBuf>,
    /// The client's key, as PEM.
    pub key_location: Option<PathBuf>,
    /// What the key is encrypted with.
    pub key_password: Option<Secret>,
    /// How a client says who it is; counts with a SASL protocol.
    pub mechanism: Mechanism,
    /// The SASL user.
    pub username: Option<String>,
    /// The SASL password.
    pub password: Option<Secret>,
    /// Where tokens come from; counts with [`Mechanism::OauthBearer`].
    pub oauth: Option<Oauth>,
}

/// Client credentials for an endpoint that gives tokens (RFC 6749, section 4.4).
#[derive(Clone, Debug)]
pub struct Oauth {
    /// The endpoint.
    pub token_endpoint_url: String,
    /// Who asks.
    pub client_id: String,
    /// By which secret.
    pub client_secret: Secret,
    /// For what.
    pub scope: Option<String>,
}
