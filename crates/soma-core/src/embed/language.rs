//! The language whose suffixes are cut off words and whose function words are left out.
//!
//! It belongs to what fills an index: words of memories and of questions have to be cut alike. So it
//! is a property of the embedder, and its [`Identity`] names any other than English: an index that was
//! filled in one language is refused in another.

use std::sync::Arc;

use async_trait::async_trait;
use rust_stemmers::Algorithm;
use serde_json::Value;

use super::{Embedder, Identity, words};
use crate::error::Result;

/// A language with a Snowball stemmer, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of languages say it")]
pub enum Language {
    Arabic,
    Danish,
    Dutch,
    #[default]
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
    /// Words stay as they are.
    None,
}

impl Language {
    /// Every one of them, in the order of their names.
    pub const ALL: [Self; 19] = [
        Self::Arabic,
        Self::Danish,
        Self::Dutch,
        Self::English,
        Self::Finnish,
        Self::French,
        Self::German,
        Self::Greek,
        Self::Hungarian,
        Self::Italian,
        Self::None,
        Self::Norwegian,
        Self::Portuguese,
        Self::Romanian,
        Self::Russian,
        Self::Spanish,
        Self::Swedish,
        Self::Tamil,
        Self::Turkish,
    ];

    /// By its English name, in lower case; `none` cuts nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.as_str() == name)
    }

    /// Its English name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arabic => "arabic",
            Self::Danish => "danish",
            Self::Dutch => "dutch",
            Self::English => "english",
            Self::Finnish => "finnish",
            Self::French => "french",
            Self::German => "german",
            Self::Greek => "greek",
            Self::Hungarian => "hungarian",
            Self::Italian => "italian",
            Self::None => "none",
            Self::Norwegian => "norwegian",
            Self::Portuguese => "portuguese",
            Self::Romanian => "romanian",
            Self::Russian => "russian",
            Self::Spanish => "spanish",
            Self::Swedish => "swedish",
            Self::Tamil => "tamil",
            Self::Turkish => "turkish",
        }
    }

    pub(super) const fn algorithm(self) -> Option<Algorithm> {
        Some(match self {
            Self::Arabic => Algorithm::Arabic,
            Self::Danish => Algorithm::Danish,
            Self::Dutch => Algorithm::Dutch,
            Self::English => Algorithm::English,
            Self::Finnish => Algorithm::Finnish,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Greek => Algorithm::Greek,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Italian => Algorithm::Italian,
            Self::None => return None,
            Self::Norwegian => Algorithm::Norwegian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Romanian => Algorithm::Romanian,
            Self::Russian => Algorithm::Russian,
            Self::Spanish => Algorithm::Spanish,
            Self::Swedish => Algorithm::Swedish,
            Self::Tamil => Algorithm::Tamil,
            Self::Turkish => Algorithm::Turkish,
        })
    }
}

/// An embedder beside which words are cut in another language than English.
struct Speaking {
    inner: Arc<dyn Embedder>,
    language: Language,
    identity: Identity,
}

/// What an embedder is called once words are cut in this language. The number behind a language tells
/// indexes apart that leave other function words out or cut others' suffixes off.
#[must_use]
pub fn identity(inner: Identity, language: Language) -> Identity {
    if language == Language::English {
        return inner;
    }
    let name = format!("{}+{}", inner.name, language.as_str());
    let revision = if language == Language::Russian {
        ".3"
    } else if words::has_own_stops(language) {
        ".2"
    } else {
        ""
    };
    let name = name + revision;
    Identity { name, ..inner }
}

/// The embedder, with words cut in this language.
#[must_use]
pub fn speaking(inner: Arc<dyn Embedder>, language: Language) -> Arc<dyn Embedder> {
    if inner.language() == language {
        return inner;
    }
    let identity = identity(inner.identity().clone(), language);
    Arc::new(Speaking { inner, language, identity })
}

#[async_trait]
impl Embedder for Speaking {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn hybrid_weight(&self) -> f64 {
        self.inner.hybrid_weight()
    }

    fn tolerance(&self) -> f32 {
        self.inner.tolerance()
    }

    fn mixes_neighbours(&self) -> bool {
        self.inner.mixes_neighbours()
    }

    fn language(&self) -> Language {
        self.language
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        self.inner.documents(payloads).await
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        self.inner.query(text).await
    }
}

#[cfg(test)]
mod tests;
