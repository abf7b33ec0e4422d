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
}

impl Plan {
    /// `namespaces` are those of the request, if not all.
    pub(super) async fn of(engine: &Engine, request: &Request, namespaces: Option<&[Namespace]>) -> Result<Self> {
        let dense_weight = engine.embedder.hybrid_weight();
        let language = engine.embedder.language();
        let alone = |mode, words, sparse, dense| Self { mode, words, sparse, dense, dense_weight, language };
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
        let dense = async || vector(engine, text, namespaces, language).await.map(Some);
        Ok(match request.mode {
            Mode::Lexical => alone(Mode::Lexical, words, sparse().await?, None),
            Mode::Dense => alone(Mode::Dense, words, None, dense().await?),
            Mode::Hybrid if wordless => alone(Mode::Dense, words, None, dense().await?),
            Mode::Hybrid if dense_weight == 0.0 => alone(Mode::Hybrid, words, sparse().await?, None),
            Mode::Hybrid => {
                // How rare words are is looked up while a model reads the question.
                let (sparse, dense) = tokio::try_join!(sparse(), dense())?;
                alone(Mode::Hybrid, words, sparse, dense)
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

/// The vector of a question without the names of those who speak in the namespaces asked: every turn of
/// theirs names them, so a vector that does too is near to all of their turns and to none in particular.
async fn vector(engine: &Engine, text: &str, namespaces: Option<&[Namespace]>, language: Language) -> Result<Vec<f32>> {
    let namespaces = namespaces.unwrap_or_default();
    let actors = if namespaces.len() <= limits::ACTOR_NAMESPACES_MAX {
        engine.store.actors(namespaces, limits::ACTORS_MAX).await?
    } else {
        Vec::new()
    };
    let names: Vec<Words> = actors.iter().map(|actor| Words::of(actor)).collect();
    let nameless = without(text, &names, language);
    engine.embedder.query(nameless.as_deref().unwrap_or(text)).await
}

fn normalised(vector: &[f32]) -> Vec<f32> {
    // The largest component first: squares of very large or very small numbers leave f64 otherwise.
    let largest = vector.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max);
    let norm = vector.iter().map(|value| (f64::from(*value) / largest).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|value| (f64::from(*value) / largest / norm) as f32).collect()
}
