//! What a question asks for: its words, its vector, and how the candidates of both are ranked.

use super::rarity::{self, ByWords};
use super::{Mode, Probe, Request};
use crate::embed::language::Language;
use crate::embed::sparse;
use crate::embed::words::{Words, without};
use crate::engine::Engine;
use crate::error::Result;
use crate::ids::Namespace;
use crate::limits;

/// What takes part in answering.
pub(super) struct Plan {
    /// How the candidates are ranked.
    pub(super) mode: Mode,
    pub(super) words: Words,
    /// What finds the candidates by word; each memory is found by one of them at most.
    pub(super) sparse: Option<Vec<ByWords>>,
    pub(super) dense: Option<Vec<f32>>,
    pub(super) dense_weight: f64,
    /// In which the words are cut.
    pub(super) language: Language,
    /// Whether it may name somebody who speaks in the namespaces asked.
    pub(super) may_name_actor: bool,
}

impl Plan {
    /// `namespaces` are those of the request, if not all.
    pub(super) async fn of(engine: &Engine, request: &Request, namespaces: Option<&[Namespace]>) -> Result<Self> {
        let dense_weight = engine.embedder.hybrid_weight();
        let language = engine.embedder.language();
        let alone = |mode, words, sparse, dense| {
            let may_name_actor = false;
            Self { mode, words, sparse, dense, dense_weight, language, may_name_actor }
        };
        let text = match &request.probe {
            Probe::Vector(vector) => {
                return Ok(alone(Mode::Dense, Words::default(), None, Some(normalised(vector))));
            }
            Probe::Text(text) => text,
        };
        let words = Words::of(text);
        let stems = sparse::question(&words, language);
        let wordless = stems.is_empty();
        let sparse = async || by_words(engine, request, namespaces, &stems, language).await.map(Some);
        let dense = async || {
            let actors = Actors::of(engine, namespaces).await?;
            Ok((vector(engine, text, &actors, language).await?, actors))
        };
        Ok(match request.mode {
            Mode::Lexical => alone(Mode::Lexical, words, sparse().await?, None),
            Mode::Dense => alone(Mode::Dense, words, None, Some(dense().await?.0)),
            Mode::Hybrid if wordless => alone(Mode::Dense, words, None, Some(dense().await?.0)),
            Mode::Hybrid if dense_weight == 0.0 => {
                let (sparse, actors) = tokio::try_join!(sparse(), Actors::of(engine, namespaces))?;
                let may_name_actor = actors.may_be_named(&words);
                Self { may_name_actor, ..alone(Mode::Hybrid, words, sparse, None) }
            }
            Mode::Hybrid => {
                // How rare words are is looked up while a model reads the question.
                let (sparse, (dense, actors)) = tokio::try_join!(sparse(), dense())?;
                let may_name_actor = actors.may_be_named(&words);
                Self { may_name_actor, ..alone(Mode::Hybrid, words, sparse, Some(dense)) }
            }
        })
    }
}

/// What finds the memories that share a word with the question, in all the namespaces that it covers.
async fn by_words(
    engine: &Engine,
    request: &Request,
    namespaces: Option<&[Namespace]>,
    stems: &[String],
    language: Language,
) -> Result<Vec<ByWords>> {
    if stems.is_empty() {
        return Ok(Vec::new());
    }
    match namespaces {
        Some(namespaces) => rarity::searches(engine, stems, namespaces, language).await,
        None => rarity::searches(engine, stems, &request.scope.names(engine).await?, language).await,
    }
}

/// Those who speak in the namespaces asked.
struct Actors {
    names: Vec<Words>,
    /// Whether these are all of them.
    all: bool,
}

impl Actors {
    async fn of(engine: &Engine, namespaces: Option<&[Namespace]>) -> Result<Self> {
        let few = namespaces.filter(|namespaces| namespaces.len() <= limits::ACTOR_NAMESPACES_MAX);
        let Some(namespaces) = few else { return Ok(Self { names: Vec::new(), all: false }) };
        let actors = engine.store.actors(namespaces, limits::ACTORS_MAX).await?;
        let names = actors.iter().map(|actor| Words::of(actor)).collect();
        Ok(Self { names, all: actors.len() < limits::ACTORS_MAX })
    }

    /// Whether a question may name one of them.
    fn may_be_named(&self, question: &Words) -> bool {
        !self.all || self.names.iter().any(|name| question.contain(name))
    }
}

/// The vector of a question without the names of those who speak in the namespaces asked: every turn of
/// theirs names them, so a vector that does too is near to all of their turns and to none in particular.
async fn vector(engine: &Engine, text: &str, actors: &Actors, language: Language) -> Result<Vec<f32>> {
    let nameless = without(text, &actors.names, language);
    engine.embedder.query(nameless.as_deref().unwrap_or(text)).await
}

fn normalised(vector: &[f32]) -> Vec<f32> {
    // The largest component first: squares of very large or very small numbers leave f64 otherwise.
    let largest = vector.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max);
    let norm = vector.iter().map(|value| (f64::from(*value) / largest).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|value| (f64::from(*value) / largest / norm) as f32).collect()
}
