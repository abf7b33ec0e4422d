//! The sparse vector: which words a memory holds, weighted so that a sum over shared words is BM25.
//!
//! The inverse document frequency is the index's business; here is the part that depends on the
//! memory alone. Only additions, multiplications and divisions of doubles in one fixed order, so
//! the bits are the same on every platform.
//!
//! A word has a number of its own in each namespace ([`Lexicon`]), and every memory of a namespace is
//! also indexed under a term that no word has. So an index that counts how many points hold a term
//! counts for each namespace alone, and recall can weigh words by how rare they are among the
//! memories that it is asked about (docs/decisions/0020).
//!
//! A memory is indexed as one or more [`Section`]s. Each is normalised by its own length and counts
//! by its weight, so a section that is looked up as an aside (other fields, a neighbouring turn)
//! does not make the memory's own words rarer.

mod known;

use std::collections::HashSet;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::language::Language;
use super::words::{Stems, Words};
use crate::ids::{Namespace, Timestamp};
use crate::index::Sparse;
use crate::limits;
use crate::turn::Turn;

/// How quickly a repeated word stops counting (BM25's k1; Robertson and Zaragoza 2009).
const K1: f64 = 0.9;
/// How much the length of a section counts (BM25's b).
const B: f64 = 0.75;
/// The length that counts as average, in content words. Fixed, so that a memory's vector never
/// depends on other memories, and short, because that ranked long replies best.
const AVERAGE_WORDS: f64 = 12.0;
/// How much one word of the event's day counts.
const DAY_WEIGHT: f64 = 0.5;
/// How much the fields beside a recognised text count.
const REST_WEIGHT: f64 = 0.5;

/// How the words of one namespace are cut and numbered.
pub struct Lexicon {
    stems: Stems,
    /// Makes the numbers of one namespace its own.
    seed: u64,
}

impl Lexicon {
    /// That of a namespace, in a language.
    #[must_use]
    pub fn of(namespace: &Namespace, language: Language) -> Self {
        Self { stems: Stems::in_language(language), seed: xxh3_64(namespace.as_str().as_bytes()) }
    }

    /// The number of a word.
    #[must_use]
    pub fn term(&self, word: &str) -> u32 {
        self.number(&self.stems.of(word))
    }

    /// The term that every memory of the namespace is indexed under, and no word is.
    #[must_use]
    pub fn everywhere(&self) -> u32 {
        self.number("")
    }

    /// The number of a stem: the low half of XXH3-64, seeded by the namespace; fixed for ever.
    #[must_use]
    pub fn number(&self, stem: &str) -> u32 {
        (xxh3_64_with_seed(stem.as_bytes(), self.seed) & u64::from(u32::MAX)) as u32
    }
}

/// The words of one text, as they are indexed, and how often each occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Ascending by term.
    counts: Vec<(u32, f64)>,
    /// How many words there are.
    len: usize,
}

impl Terms {
    /// Of a text; function words are left out.
    #[must_use]
    pub fn of(text: &str, lexicon: &Lexicon) -> Self {
        let words = Words::of(text);
        let mut terms = known::terms(&words, lexicon);
        terms.sort_unstable();
        let counts = terms.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        Self { counts, len: terms.len() }
    }

    /// Whether a term is among them.
    #[must_use]
    pub fn holds(&self, term: u32) -> bool {
        self.counts.binary_search_by_key(&term, |(term, _)| *term).is_ok()
    }

    /// How many words there are, repeated ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Words that count together: one text of a memory, or of a turn beside it.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// The words.
    pub terms: &'a Terms,
    /// How much each of them counts, finite and above 0; the memory's own text counts 1.
    pub weight: f64,
}

/// What a memory says, ready to be put into vectors: its own, and those of its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its text.
    pub text: Terms,
    rest: Terms,
    day: Terms,
    /// [`Lexicon::everywhere`].
    everywhere: u32,
}

impl Said {
    /// By a memory, `event_time` giving its day when its payload does not.
    #[must_use]
    pub fn by(turn: &Turn, event_time: Timestamp, lexicon: &Lexicon) -> Self {
        Self {
            text: Terms::of(&turn.text, lexicon),
            rest: Terms::of(&turn.rest, lexicon),
            day: Terms::of(&turn.day_words(event_time), lexicon),
            everywhere: lexicon.everywhere(),
        }
    }

    /// The vector of the memory among what is said around it.
    #[must_use]
    pub fn among<'a>(&'a self, around: impl IntoIterator<Item = Section<'a>>) -> Sparse {
        let own = [Section { terms: &self.text, weight: 1.0 }, Section { terms: &self.rest, weight: REST_WEIGHT }];
        document(own.into_iter().chain(around), &self.day, self.everywhere)
    }
}

/// The vector of a memory alone, `event_time` giving its day when its payload does not.
#[must_use]
pub fn memory(turn: &Turn, event_time: Timestamp, lexicon: &Lexicon) -> Sparse {
    Said::by(turn, event_time, lexicon).among([])
}

/// The vector of these sections, the words of a day, and the term that every memory holds.
fn document<'a>(sections: impl Iterator<Item = Section<'a>>, day: &Terms, everywhere: u32) -> Sparse {
    let mut parts: Vec<(u32, f64)> = Vec::new();
    for Section { terms, weight } in sections {
        let share = weight / (1.0 - B + B * terms.len as f64 / AVERAGE_WORDS);
        parts.extend(terms.counts.iter().map(|(term, count)| (*term, share * count)));
    }
    parts.extend(day.counts.iter().map(|(term, count)| (*term, DAY_WEIGHT * count)));
    // Stable: what a term gets from each section is added up in the order of the sections.
    parts.sort_by_key(|(term, _)| *term);
    let of_a_term = parts.chunk_by(|a, b| a.0 == b.0);
    let weigh = |same: &[(u32, f64)]| {
        let tf: f64 = same.iter().fold(0.0, |sum, (_, part)| sum + part);
        (same[0].0, (tf * (K1 + 1.0) / (tf + K1)) as f32)
    };
    let (mut indices, mut values): (Vec<u32>, Vec<f32>) = of_a_term.map(weigh).unzip();
    // A word with the same number, one in four thousand million, counts as this one does.
    match indices.binary_search(&everywhere) {
        Ok(at) => values[at] = 1.0,
        Err(at) => {
            indices.insert(at, everywhere);
            values.insert(at, 1.0);
        }
    }
    Sparse { indices, values }
}

/// What a question asks for: the stems of its first [`limits::QUESTION_WORDS_MAX`] different words, in
/// their order. Empty when it holds function words only, which no memory is indexed under.
#[must_use]
pub fn question(words: &Words, language: Language) -> Vec<String> {
    let stems = Stems::in_language(language);
    let mut seen = HashSet::new();
    let stems = stems.content(words).map(|word| stems.of(word).into_owned()).filter(|stem| seen.insert(stem.clone()));
    stems.take(limits::QUESTION_WORDS_MAX).collect()
}

#[cfg(test)]
mod tests;
