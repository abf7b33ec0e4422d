//! The schema registry, by the API that Confluent published and others speak.
//!
//! Two questions are asked of it. At the start: is the schema of memory events registered under
//! `<topic>-value`, or may it be ([`Registry::prepare`])? And for every record that names a schema: is
//! there such a one ([`Schemas`])? Content is never fetched, because events are read without it.
//!
//! Invariants:
//! - A schema that exists is asked for once: schemas do not change and do not go. One that does not exist
//!   is asked for again, because somebody may register it.
//! - While the registry is away, or refuses us, nothing is called unknown: the answer is `unavailable`.
//! - No error shows user or password, nor what stands in the address beside host and path.

mod client;
mod framed;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::event::frame::SchemaId;
use soma_core::event::schemas::Schemas;
use soma_core::{Error, Result};

use crate::reach::{Authorities, Endpoint};
use client::{Answer, Client};
pub use framed::FramedLog;

/// The schema of memory events, as it is registered.
pub const EVENT_SCHEMA: &str = include_str!("../../../schemas/memory.event.json");

/// Schemas that are remembered to exist; beyond them all are asked for again.
const KNOWN_MAX: usize = 10_000;
/// Numbers of schemas have 31 bits.
const ID_MAX: u32 = i32::MAX.unsigned_abs();

/// Where the registry is, and how it is reached.
#[derive(Clone)]
pub struct Settings {
    /// Its address, with the path of the Confluent API if it is not at the root.
    pub url: String,
    /// User and password, if it wants them.
    pub login: Option<(String, String)>,
    /// PEM file of the authorities that sign its certificate; the system's unless named.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl Settings {
    /// The server, and who must have signed its certificate; `None` for a URL that cannot be used.
    #[must_use]
    pub fn place(&self) -> Option<(Endpoint, Option<Authorities>)> {
        let encrypts = self.url.starts_with("https:");
        let place = Endpoint::parse(&self.url, if encrypts { 443 } else { 80 })?;
        let (variable, switch) = ("SCHEMA_REGISTRY_CA_LOCATION", "SCHEMA_REGISTRY_URL");
        let authorities = Authorities { file: self.ca.clone(), variable, switch };
        Some((place, encrypts.then_some(authorities)))
    }
}

/// What happens to a schema that is not registered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is registered.
    Register,
    /// It is left out: somebody else registers schemas here.
    Leave,
}

/// A registry of schemas.
pub struct Registry {
    client: Client,
    known: Mutex<BTreeSet<SchemaId>>,
}

impl Registry {
    /// A registry that is not asked anything yet.
    ///
    /// # Errors
    /// `bad_config` for a file of authorities that cannot be read.
    pub fn new(settings: &Settings) -> Result<Self> {
        Ok(Self { client: Client::new(settings)?, known: Mutex::default() })
    }

    /// Makes sure that events of `schema` may be written under `subject`, and answers with the schema's id;
    /// `None` when it is not registered and not to be.
    ///
    /// A schema that is registered already is taken as it is, also where newer ones stand beside it.
    ///
    /// # Errors
    /// `bad_config` naming subject and reason, when the schema is incompatible with those before it or the
    /// registry refuses it or us; `unavailable` when it does not answer.
    pub async fn prepare(&self, subject: &str, schema: &str, missing: Missing) -> Result<Option<u32>> {
        let body = json!({ "schema": schema, "schemaType": "JSON" });
        let at = encoded(subject);
        let found = self.client.post(&format!("/subjects/{at}"), &body).await?;
        match found.status {
            200 => return id_of(&found, subject).map(Some),
            404 => {}
            _ => return Err(found.refusal(&format!("the schema of {subject} cannot be looked up"))),
        }
        self.check(subject, &body).await?;
        if missing == Missing::Leave {
            return Ok(None);
        }
        let made = self.client.post(&format!("/subjects/{at}/versions"), &body).await?;
        match made.status {
            200 | 201 => id_of(&made, subject).map(Some),
            409 => Err(incompatible(subject, &made.message())),
            _ => Err(made.refusal(&format!("the schema of {subject} cannot be registered"))),
        }
    }

    /// Whether the newest schema of the subject lets this one follow.
    async fn check(&self, subject: &str, body: &Value) -> Result<()> {
        let target = format!("/compatibility/subjects/{}/versions/latest?verbose=true", encoded(subject));
        let answer = self.client.post(&target, body).await?;
        match (answer.status, answer.body["is_compatible"].as_bool()) {
            // There is nothing yet that it has to be compatible with.
            (404, _) | (200, Some(true)) => Ok(()),
            (200, Some(false)) => {
                let reasons = answer.body["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let reasons = reasons.collect::<Vec<_>>().join("; ");
                let reasons = if reasons.is_empty() { self.level(subject).await } else { reasons };
                Err(incompatible(subject, &reasons))
            }
            (409, _) => Err(incompatible(subject, &answer.message())),
            (_, _) => Err(answer.refusal(&format!("the compatibility of the schema of {subject} cannot be checked"))),
        }
    }

    /// What a registry demands of a subject, for one that does not say what breaks it.
    async fn level(&self, subject: &str) -> String {
        let target = format!("/config/{}?defaultToGlobal=true", encoded(subject));
        let answer = self.client.get(&target).await.ok();
        let level = answer.as_ref().and_then(|answer| answer.body["compatibilityLevel"].as_str());
        match level {
            Some(level) => format!("it breaks the compatibility {level} with the newest version there"),
            None => "it breaks the compatibility with the newest version there".to_owned(),
        }
    }

    /// Asks the registry something harmless, to tell whether it is there and lets us in.
    ///
    /// # Errors
    /// `unavailable`, `bad_config`.
    pub async fn ping(&self) -> Result<()> {
        let answer = self.client.get("/subjects").await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.refusal("the schema registry refuses to list subjects")) }
    }

    fn is_known(&self, id: SchemaId) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn learn(&self, id: SchemaId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(id);
    }
}

#[async_trait]
impl Schemas for Registry {
    async fn knows(&self, id: SchemaId) -> Result<bool> {
        if self.is_known(id) {
            return Ok(true);
        }
        let target = match id {
            SchemaId::Id(id) if id > ID_MAX => return Ok(false),
            SchemaId::Id(id) => format!("/schemas/ids/{id}"),
            SchemaId::Guid(guid) => format!("/schemas/guids/{guid}"),
        };
        let away = |error: Error| Error::new(Code::Unavailable, error.message.clone()).because(error);
        let answer = self.client.get(&target).await.map_err(away)?;
        match answer.status {
            200 => {
                self.learn(id);
                Ok(true)
            }
            404 => Ok(false),
            _ => {
                Err(away(answer.refusal(&format!("the schema registry does not tell whether there is a schema {id}"))))
            }
        }
    }
}

fn id_of(answer: &Answer, subject: &str) -> Result<u32> {
    let id = answer.body["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| Error::new(Code::Unavailable, format!("the schema registry names no id for {subject}")))
}

fn incompatible(subject: &str, reason: &str) -> Error {
    let what = format!("the schema of memory events is incompatible with the subject {subject}: {reason}");
    Error::new(Code::BadConfig, what).at("SCHEMA_REGISTRY_URL").remedy(
        "write to a topic whose subject holds memory events, or let the subject take the schema: delete what \
         stands there, or change its compatibility",
    )
}

/// A subject as one segment of a path.
fn encoded(subject: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let encode = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    subject.bytes().map(encode).collect()
}
