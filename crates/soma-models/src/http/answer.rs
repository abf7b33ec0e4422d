//! What the endpoint answers: vectors, or why there are none and what that means.

use serde::Deserialize;
use serde_json::Value;
use soma_core::Error;
use soma_core::error::Code;

use crate::unit;

/// Characters of its own words that are passed on.
const MESSAGE_CHARS_MAX: usize = 200;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there are no vectors.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer from that host.
    Away(String, Cause),
    /// That host answers with that status, and says that.
    Refused(String, u16, String),
    /// That host's vectors have another length than the configured one: the found one, the configured one.
    Length(String, usize, usize),
    /// What that host sends is no answer to what it was asked.
    Broken(String, String),
    /// Something here is wrong.
    Defect(Cause),
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors of an answer, of norm 1, in the order of the texts.
pub(super) fn vectors(host: &str, bytes: &[u8], count: usize, dims: usize) -> Result<Vec<Vec<f32>>, Failure> {
    let broken = |what: String| Failure::Broken(host.to_owned(), what);
    let answer: Answer = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
    if answer.data.len() != count {
        return Err(broken(format!("{} vectors for {count} texts", answer.data.len())));
    }
    let mut vectors = vec![Vec::new(); count];
    for (at, item) in answer.data.into_iter().enumerate() {
        let Item { index, mut embedding } = item;
        if embedding.len() != dims {
            return Err(Failure::Length(host.to_owned(), embedding.len(), dims));
        }
        if !unit::normalise(&mut embedding) {
            return Err(broken("a vector that is zero or not finite".to_owned()));
        }
        match vectors.get_mut(index.unwrap_or(at)) {
            Some(place) if place.is_empty() => *place = embedding,
            Some(_) => return Err(broken("two vectors for one text".to_owned())),
            None => return Err(broken("a vector for a text that was not sent".to_owned())),
        }
    }
    Ok(vectors)
}

impl Failure {
    /// A status other than 200; the words may be of any shape.
    pub(super) fn refused(host: String, status: u16, bytes: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let said =
            body.pointer("/error/message").or_else(|| body.pointer("/error")).or_else(|| body.pointer("/message"));
        let said = said.and_then(Value::as_str).unwrap_or("no reason");
        let said = said.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        Self::Refused(host, status, said)
    }

    /// Whether the texts may be the reason.
    pub(super) const fn is_about_content(&self) -> bool {
        matches!(self, Self::Refused(_, 400 | 413 | 422, _))
    }

    /// The error when the texts are the reason.
    pub(super) fn of_content(self, code: Code) -> Error {
        self.error(code).remedy("shorten the text, or name a model that reads it")
    }

    /// The error at the start, where settings can still be mended.
    pub(super) fn at_the_start(self) -> Error {
        match self {
            Self::Refused(_, 401 | 403, _) => {
                self.error(Code::BadConfig).at("SOMA_EMBEDDER_API_KEY").remedy("set the key that the endpoint wants")
            }
            Self::Refused(_, 400..=428, _) => self
                .error(Code::BadConfig)
                .at("SOMA_EMBEDDER_MODEL")
                .remedy("check SOMA_EMBEDDER_MODEL and the address in SOMA_EMBEDDER"),
            Self::Length(_, found, _) => {
                let remedy = format!("set MEMORY_VECTOR_DIM={found}, or name another model");
                self.error(Code::BadConfig).at("MEMORY_VECTOR_DIM").remedy(remedy)
            }
            Self::Broken(..) => self
                .error(Code::BadConfig)
                .at("SOMA_EMBEDDER")
                .remedy("name an endpoint that is compatible with OpenAI's /v1/embeddings"),
            Self::Away(..) | Self::Refused(..) | Self::Defect(_) => self.later(),
        }
    }

    /// The error while everything runs: what worked before and may work again is waited for.
    pub(super) fn later(self) -> Error {
        match self {
            Self::Away(..) => {
                self.error(Code::Unavailable).remedy("check that the endpoint runs and can be reached from here")
            }
            Self::Refused(..) => self.error(Code::Unavailable).remedy("look at the endpoint, its key and its limits"),
            Self::Length(..) | Self::Broken(..) => self.error(Code::Corrupt).remedy(
                "name the model that filled the index; another one needs an index of its own, and nothing was stored",
            ),
            Self::Defect(_) => self.error(Code::Internal),
        }
    }

    fn error(self, code: Code) -> Error {
        match self {
            Self::Away(host, cause) => {
                Error::new(code, format!("the embedder at {host} does not answer: {cause}")).because(cause)
            }
            Self::Refused(host, status, said) => {
                Error::new(code, format!("the embedder at {host} answers {status}: {said}"))
            }
            Self::Length(host, found, wanted) => Error::new(
                code,
                format!("the embedder at {host} makes {found} dimensions, and {wanted} are configured"),
            ),
            Self::Broken(host, what) => {
                Error::new(code, format!("the embedder at {host} sends what it was not asked for: {what}"))
            }
            Self::Defect(cause) => Error::new(code, "asking the embedder met a defect").because(cause),
        }
    }
}
