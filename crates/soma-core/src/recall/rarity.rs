//! How rare a question's words are among the memories that it is asked about.
//!
//! The index weighs a term by how many points of the whole index hold it. Words have numbers of their
//! own in each namespace, and every memory holds the term [`Lexicon::everywhere`], so the index's
//! weight of a word tells how many memories of its namespace hold it, as a share of those that there
//! are: a word that `n` of `N` points hold has ln((N + 1) ÷ (n + 0.5)), so
//!
//! ```text
//! e^(weight of the word − weight of everywhere) = (memories + 0.5) ÷ (memories with the word + 0.5)
//! ```
//!
//! and the index's `N` falls out. Its logarithm is the word's inverse document frequency in the
//! namespace; over several namespaces the shares are added up first, so that an answer is ranked as if
//! the memories asked were all that there are. What other namespaces hold changes nothing, but
//! for words that share a number, one pair in four thousand million.
//!
//! Over more namespaces than [`limits::COUNTED_NAMESPACES_MAX`] (fewer for long questions) the counts of
//! the first of them stand for all.

use std::collections::BTreeMap;

use crate::embed::language::Language;
use crate::embed::sparse::Lexicon;
use crate::engine::Engine;
use crate::error::Result;
use crate::ids::Namespace;
use crate::index::Sparse;
use crate::limits;

/// Added to what the logarithm is taken of, so that a word which every memory holds still finds them.
const FLOOR: f64 = 0.05;

/// One search by words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ByWords {
    /// Terms of these namespaces, as they are weighted.
    pub(super) terms: Sparse,
    /// The namespaces.
    pub(super) namespaces: Vec<Namespace>,
}

/// The searches that find what holds these stems in these namespaces, each stem weighted by how rare it
/// is in all of them.
///
/// # Errors
/// Those of [`crate::index::VectorIndex::rarities`].
pub(super) async fn searches(
    engine: &Engine,
    stems: &[String],
    namespaces: &[Namespace],
    language: Language,
) -> Result<Vec<ByWords>> {
    let words = (limits::RECALL_TERMS_MAX / namespaces.len().max(1)).max(limits::QUESTION_WORDS_MIN);
    let stems = &stems[..stems.len().min(words)];
    let lexicons: Vec<Lexicon> = namespaces.iter().map(|namespace| Lexicon::of(namespace, language)).collect();
    let counted = (limits::COUNTED_TERMS_MAX / (stems.len() + 1)).clamp(1, limits::COUNTED_NAMESPACES_MAX);
    let counted = &lexicons[..counted.min(lexicons.len())];
    let terms: Vec<u32> = counted
        .iter()
        .flat_map(|lexicon| std::iter::once(lexicon.everywhere()).chain(stems.iter().map(|stem| lexicon.number(stem))))
        .collect();
    let weights = engine.index.rarities(&terms).await?;
    let factors = Factors::of(stems.len(), &weights);
    let numbered = lexicons.iter().zip(namespaces).enumerate().map(|(at, (lexicon, namespace))| {
        let factors = factors.in_namespace(at).iter().copied();
        (namespace, stems.iter().map(|stem| lexicon.number(stem)).zip(factors))
    });
    Ok(packed(numbered))
}

/// What each stem is multiplied by in each namespace, so that the index's weight becomes its rarity in
/// all of them.
#[derive(Debug, PartialEq)]
struct Factors {
    /// By namespace counted, then by stem.
    counted: Vec<Vec<f32>>,
    /// By stem, in any other namespace.
    elsewhere: Vec<f32>,
}

impl Factors {
    /// `weights` are the index's, namespace by namespace: of [`Lexicon::everywhere`], then of each stem.
    fn of(stems: usize, weights: &[Option<f32>]) -> Self {
        let rows = || weights.chunks(stems + 1).filter(|row| row.iter().any(Option::is_some));
        let share = |weight: f32| (-f64::from(weight)).exp();
        // The index rounds the weight of what every point of millions holds to zero.
        let memories: f64 = rows().map(|row| share(row[0].unwrap_or(0.0))).sum();
        let known: Vec<Option<(f64, f64)>> = (1..=stems)
            .map(|at| {
                let held: Vec<f32> = rows().filter_map(|row| row[at]).collect();
                let holding: f64 = held.iter().map(|weight| share(*weight)).sum();
                let mean = held.iter().map(|weight| f64::from(*weight)).sum::<f64>() / held.len() as f64;
                // Words of two namespaces may share a number; then more points hold it than there are memories.
                let holding = holding.min(memories);
                (holding > 0.0).then(|| ((memories / holding + FLOOR).ln(), mean))
            })
            .collect();
        // What no namespace counted holds is as rare as the rarest that one does.
        let rarest = known.iter().flatten().copied().reduce(|a, b| if a.0 < b.0 { b } else { a });
        let factor = |rarity: f64, weight: f64| if weight > 0.0 { (rarity / weight) as f32 } else { 1.0 };
        let elsewhere: Vec<f32> =
            known.iter().map(|known| known.or(rarest).map_or(1.0, |(rarity, mean)| factor(rarity, mean))).collect();
        let counted = weights.chunks(stems + 1).map(|row| {
            let stems = row[1..].iter().zip(&known).zip(&elsewhere);
            let factors = stems.map(|((weight, known), elsewhere)| match (weight, known) {
                (Some(weight), Some((rarity, _))) => factor(*rarity, f64::from(*weight)),
                _ => *elsewhere,
            });
            factors.collect()
        });
        Self { counted: counted.collect(), elsewhere }
    }

    fn in_namespace(&self, at: usize) -> &[f32] {
        self.counted.get(at).unwrap_or(&self.elsewhere)
    }
}

/// The terms of all namespaces in as few searches as [`limits::SEARCH_TERMS_MAX`] allows, those of one
/// namespace together.
fn packed<'a>(namespaces: impl Iterator<Item = (&'a Namespace, impl Iterator<Item = (u32, f32)>)>) -> Vec<ByWords> {
    let mut searches: Vec<(BTreeMap<u32, f32>, Vec<Namespace>)> = Vec::new();
    for (namespace, terms) in namespaces {
        let terms: Vec<(u32, f32)> = terms.collect();
        match searches.last_mut().filter(|(search, _)| search.len() + terms.len() <= limits::SEARCH_TERMS_MAX) {
            Some((search, names)) => {
                search.extend(terms);
                names.push(namespace.clone());
            }
            None => searches.push((terms.into_iter().collect(), vec![namespace.clone()])),
        }
    }
    let search = |(terms, namespaces): (BTreeMap<u32, f32>, _)| {
        let (indices, values) = terms.into_iter().unzip();
        ByWords { terms: Sparse { indices, values }, namespaces }
    };
    searches.into_iter().map(search).collect()
}

#[cfg(test)]
mod tests;
