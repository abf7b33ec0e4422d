//! The sparse vector: which words a memory holds, weighted so that a sum over shared words is BM25.
//!
//! The inverse document frequency is the index's business; here is the part that depends on the
//! memory alone. Only additions, multiplications and divisions of doubles in one fixed order, so
//! the bits are the same on every platform.
//!
//! A memory is indexed as one or more [`Section`]s. Each is normalised by its own length and counts
//! by its weight, so a section that is looked up as an aside (other fields, a neighbouring turn)
//! does not make the memory's own words rarer.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

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

/// Words that count together: one text of a memory.
pub struct Section<'a> {
    /// The text.
    pub words: &'a Words,
    /// How much each of its words counts, finite and above 0; the memory's own text counts 1.
    pub weight: f64,
}

/// The vector of a memory alone, `event_time` giving its day when its payload does not.
#[must_use]
pub fn memory(turn: &Turn, event_time: Timestamp) -> Sparse {
    let (text, rest) = (Words::of(&turn.text), Words::of(&turn.rest));
    let sections = [Section { words: &text, weight: 1.0 }, Section { words: &rest, weight: REST_WEIGHT }];
    document(&sections, &Words::of(&turn.day_words(event_time)))
}

/// The vector of these sections and the words of a day.
#[must_use]
pub fn document(sections: &[Section<'_>], day: &Words) -> Sparse {
    let stems = Stems::default();
    let mut frequencies: BTreeMap<u32, f64> = BTreeMap::new();
    for Section { words, weight } in sections {
        let terms: Vec<u32> = words.content().map(|word| term(&stems.of(word))).collect();
        let share = weight / (1.0 - B + B * terms.len() as f64 / AVERAGE_WORDS);
        let mut counts: BTreeMap<u32, f64> = BTreeMap::new();
        for term in terms {
            *counts.entry(term).or_default() += 1.0;
        }
        for (term, count) in counts {
            *frequencies.entry(term).or_default() += share * count;
        }
    }
    for word in day.content() {
        *frequencies.entry(term(&stems.of(word))).or_default() += DAY_WEIGHT;
    }
    let values = frequencies.values().map(|tf| (tf * (K1 + 1.0) / (tf + K1)) as f32).collect();
    Sparse { indices: frequencies.into_keys().collect(), values }
}

/// The vector of a question: each distinct word counts 1. Empty when it holds function words only,
/// which no memory is indexed under.
#[must_use]
pub fn query(words: &Words) -> Sparse {
    let stems = Stems::default();
    let mut indices: Vec<u32> = words.content().map(|word| term(&stems.of(word))).collect();
    indices.sort_unstable();
    indices.dedup();
    let values = vec![1.0; indices.len()];
    Sparse { indices, values }
}

/// The question's words, as they are indexed, that the memory holds; in the order of the question.
#[must_use]
pub fn shared(question: &Words, turn: &Turn, event_time: Timestamp) -> Vec<String> {
    let stems = Stems::default();
    let held = memory(turn, event_time);
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
