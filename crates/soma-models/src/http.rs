//! Any endpoint that speaks OpenAI's `/v1/embeddings`: texts go out, vectors come back.
//!
//! Nothing is asked twice: an endpoint that is away is `unavailable`, so the projector pauses and a
//! question fails. What it answers is checked before it is used; a vector of another length, a missing
//! one or one without a direction is never stored. A text that the endpoint alone refuses is told from a
//! request that it refuses always by asking for the vector of a plain word.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};
use ureq::Agent;
use ureq::http::header::InvalidHeaderValue;
use ureq::http::{HeaderValue, Request};

use crate::text;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Texts of one request.
const BATCH: usize = 64;
/// Bytes of a text that are sent; endpoints refuse or cut what is longer than their model reads.
const TEXT_BYTES_MAX: usize = 6 * 1024;
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A text that every model has a vector for.
const PLAIN: &str = "hello";

/// Where the endpoint is and what is asked of it.
#[derive(Clone)]
pub struct Settings {
    /// `http(s)://host:port`, with or without `/v1` or `/v1/embeddings`.
    pub url: String,
    /// The model to ask for.
    pub model: String,
    /// The key, if it wants one.
    pub key: Option<String>,
    /// The length of its vectors.
    pub dims: usize,
}

/// An endpoint for embeddings.
#[derive(Clone)]
pub struct Endpoint {
    identity: Identity,
    agent: Agent,
    url: Arc<str>,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Which embedder these settings name.
#[must_use]
pub fn identity(settings: &Settings) -> Identity {
    Identity { name: "http".to_owned(), revision: settings.model.clone(), dims: settings.dims }
}

impl Endpoint {
    /// Makes the client and asks for one vector, so that what cannot work is known at the start.
    ///
    /// # Errors
    /// `bad_config` when the endpoint refuses key or model or its vectors have another length;
    /// `unavailable` when it is away.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let endpoint = Self::new(settings)?;
        match endpoint.ask(vec![PLAIN.to_owned()]).await {
            Ok(_) => Ok(endpoint),
            Err(failure) => Err(failure.at_the_start()),
        }
    }

    fn new(settings: &Settings) -> Result<Self> {
        let illegal = |error: InvalidHeaderValue| {
            Error::new(Code::BadConfig, "the key of the embedder cannot stand in a header")
                .at("SOMA_EMBEDDER_API_KEY")
                .remedy("write the key alone, without line breaks")
                .because(error)
        };
        let header = |key: &String| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(illegal)?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let authorization = settings.key.as_ref().map(header).transpose()?;
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Ok(Self {
            identity: identity(settings),
            agent: config.into(),
            url: target(&settings.url).into(),
            authorization,
        })
    }

    /// One request.
    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, answer::Failure> {
        let endpoint = self.clone();
        let asked = tokio::task::spawn_blocking(move || endpoint.ask_blocking(&texts)).await;
        asked.map_err(|error| answer::Failure::Defect(error.into()))?
    }

    fn ask_blocking(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, answer::Failure> {
        let body = json!({ "model": self.identity.revision, "input": texts, "encoding_format": "float" });
        let mut request = Request::builder().method("POST").uri(&*self.url).header("content-type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body.to_string().into_bytes());
        let request = request.map_err(|error| answer::Failure::Defect(error.into()))?;
        let away = |error: ureq::Error| answer::Failure::Away(self.host(), error.into());
        let mut response = self.agent.run(request).map_err(away)?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(away)?;
        match status {
            200 => answer::vectors(&self.host(), &bytes, texts.len(), self.identity.dims),
            status => Err(answer::Failure::refused(self.host(), status, &bytes)),
        }
    }

    /// As [`Self::ask`], telling a text that is refused from an endpoint that refuses everything.
    async fn ask_for(&self, texts: Vec<String>, refused: Code) -> Result<Vec<Vec<f32>>> {
        match self.ask(texts).await {
            Ok(vectors) => Ok(vectors),
            Err(failure) if failure.is_about_content() => match self.ask(vec![PLAIN.to_owned()]).await {
                Ok(_) => Err(failure.of_content(refused)),
                Err(failure) => Err(failure.later()),
            },
            Err(failure) => Err(failure.later()),
        }
    }

    /// The address without what may be a secret in it.
    fn host(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{host}")
    }
}

/// The address that is asked.
fn target(url: &str) -> String {
    let url = url.trim_end_matches('/');
    match url {
        _ if url.ends_with("/embeddings") => url.to_owned(),
        _ if url.ends_with("/v1") => format!("{url}/embeddings"),
        _ => format!("{url}/v1/embeddings"),
    }
}

#[async_trait]
impl Embedder for Endpoint {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn hybrid_weight(&self) -> f64 {
        0.8
    }

    /// Endpoints compute in batches of their own, and some in half precision.
    fn tolerance(&self) -> f32 {
        0.01
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(payloads.len());
        for batch in payloads.chunks(BATCH) {
            let texts = batch.iter().map(|payload| text::first_bytes(&text::of(payload), TEXT_BYTES_MAX).to_owned());
            vectors.extend(self.ask_for(texts.collect(), Code::StoreRejected).await?);
        }
        Ok(vectors)
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        let text = text::first_bytes(text, TEXT_BYTES_MAX).to_owned();
        let made = self.ask_for(vec![text], Code::BadRequest).await?;
        made.into_iter().next().ok_or_else(|| Error::new(Code::Internal, "a question got no vector"))
    }
}

#[cfg(test)]
mod tests;
