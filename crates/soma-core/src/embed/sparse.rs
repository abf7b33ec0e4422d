//! The sparse vector: which words a memory holds, weighted so that a sum over shared words is BM25.
//!
//! The inverse document frequency is the index's business; here is the part that depends on the
//! memory alone. Only additions, multiplications and divisions of doubles in one fixed order, so
//! the bits are the same on every platform.
//!
//! A memory is indexed as one or more [`Section`]s. Each is normalised by its own length and counts
//! by its weight, so a section that is looked up as an aside (other fields, a neighbouring turn)
//! does not make the memory's own words rarer.

mod known;

use xxhash_rust::xxh3::xxh3_64;

use super::language::Language;
use super::words::{Stems, Words};
use crate::ids::Timestamp;
use crate::index::Sparse;
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
    pub fn of(text: &str, language: Language) -> Self {
        let words = Words::of(text);
        let mut terms = known::terms(&words, language);
        terms.sort_unstable();
        let counts = terms.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        Self { counts, len: terms.len() }
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
}

impl Said {
    /// By a memory, `event_time` giving its day when its payload does not.
    #[must_use]
    pub fn by(turn: &Turn, event_time: Timestamp, language: Language) -> Self {
        let day = Terms::of(&turn.day_words(event_time), language);
        Self { text: Terms::of(&turn.text, language), rest: Terms::of(&turn.rest, language), day }
    }

    /// The vector of the memory among what is said around it.
    #[must_use]
    pub fn among<'a>(&'a self, around: impl IntoIterator<Item = Section<'a>>) -> Sparse {
        let own = [Section { terms: &self.text, weight: 1.0 }, Section { terms: &self.rest, weight: REST_WEIGHT }];
        document(own.into_iter().chain(around), &self.day)
    }
}

/// The vector of a memory alone, `event_time` giving its day when its payload does not.
#[must_use]
pub fn memory(turn: &Turn, event_time: Timestamp, language: Language) -> Sparse {
    Said::by(turn, event_time, language).among([])
}

/// The vector of these sections and the words of a day.
fn document<'a>(sections: impl Iterator<Item = Section<'a>>, day: &Terms) -> Sparse {
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
    let (indices, values) = of_a_term.map(weigh).unzip();
    Sparse { indices, values }
}

/// The vector of a question: each distinct word counts 1. Empty when it holds function words only,
/// which no memory is indexed under.
#[must_use]
pub fn query(words: &Words, language: Language) -> Sparse {
    let stems = Stems::in_language(language);
    let mut indices: Vec<u32> = words.content().map(|word| term(&stems.of(word))).collect();
    indices.sort_unstable();
    indices.dedup();
    let values = vec![1.0; indices.len()];
    Sparse { indices, values }
}

/// The question's words, as they are indexed, that the memory holds; in the order of the question.
#[must_use]
pub fn shared(question: &Words, turn: &Turn, event_time: Timestamp, language: Language) -> Vec<String> {
    let stems = Stems::in_language(language);
    let held = memory(turn, event_time, language);
    let mut shared: Vec<String> = Vec::new();
    for word in question.content() {
        let stem = stems.of(word);
        if held.indices.binary_search(&term(&stem)).is_ok() && !shared.iter().any(|known| *known == stem) {
            shared.push(stem.into_owned());
        }
    }
    shared
}

/// The number of a term: the low half of XXH3-64, which is fixed for ever.
fn term(stem: &str) -> u32 {
    (xxh3_64(stem.as_bytes()) & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
