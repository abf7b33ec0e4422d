//! The embedder that needs no model: signed feature hashing of what a payload says.
//!
//! Words, pairs of neighbouring words and character trigrams are each hashed to one dimension and a
//! sign (Weinberger et al. 2009). All but the last sixteen dimensions hold features; those hold a
//! signature from a 128-bit digest of the canonical payload, small enough not to matter for
//! likeness, so that different payloads have different vectors whatever their words.
//!
//! Features are counted in integers and brought to norm 1 by one square root and one division per
//! component, both exactly rounded: equal payloads have equal bits on every platform. A change of
//! any constant here changes [`REVISION`].

use async_trait::async_trait;
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::language::Language;
use super::words::{Words, is_stop};
use super::{Embedder, Identity};
use crate::error::{Code, Error, Result};
use crate::json;
use crate::turn::Turn;

/// The revision of the algorithm.
pub const REVISION: &str = "1";
/// Dimensions unless configured otherwise.
pub const DIMS_DEFAULT: usize = 768;
/// The fewest and the most dimensions.
pub const DIMS: std::ops::RangeInclusive<usize> = 64..=4096;

/// Dimensions of the signature, a byte of the digest each.
const SIGNATURE: usize = 16;
/// The largest component of a signature before the vector is brought to norm 1.
const SIGNATURE_MAX: f64 = 0.01;

/// What a feature of each kind counts. A function word and what is made of it counts a tenth.
const WORD: i64 = 40;
const PAIR: i64 = 20;
const TRIGRAM: i64 = 20;
const STOP_SHARE: i64 = 10;

/// Keeps the kinds of features apart, so that the word `sea` and the trigram `sea` differ.
#[derive(Clone, Copy)]
enum Kind {
    Word = 1,
    Pair = 2,
    Trigram = 3,
}

/// Deterministic vectors without a model.
#[derive(Clone, Debug)]
pub struct HashEmbedder {
    identity: Identity,
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self::with_checked(DIMS_DEFAULT)
    }
}

impl HashEmbedder {
    /// An embedder of that many dimensions.
    ///
    /// # Errors
    /// `bad_config` outside [`DIMS`].
    pub fn new(dims: usize) -> Result<Self> {
        if DIMS.contains(&dims) {
            return Ok(Self::with_checked(dims));
        }
        let what = format!("the hash embedder makes {} to {} dimensions, not {dims}", DIMS.start(), DIMS.end());
        Err(Error::new(Code::BadConfig, what).remedy(format!("use {DIMS_DEFAULT} unless there is a reason not to")))
    }

    fn with_checked(dims: usize) -> Self {
        Self { identity: Identity { name: "hash".to_owned(), revision: REVISION.to_owned(), dims } }
    }

    fn document(&self, payload: &Value) -> Vec<f32> {
        let turn = Turn::of(payload);
        let mut features = Features::new(self.identity.dims - SIGNATURE);
        features.add(&turn.text);
        features.add(&turn.rest);
        features.normalised(Some(signature(payload)))
    }

    /// A question has no signature: it is no payload. Without a single feature it takes one after
    /// all, because no vector is zero.
    fn question(&self, text: &str) -> Vec<f32> {
        let mut features = Features::new(self.identity.dims - SIGNATURE);
        features.add(text);
        let bare = features.is_empty().then(|| signature(&Value::String(text.to_owned())));
        features.normalised(bare)
    }
}

#[async_trait]
impl Embedder for HashEmbedder {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// None: fused with BM25, hashed features made the ranking worse (80.3 to 75.1 R@10 on LoCoMo).
    fn hybrid_weight(&self) -> f64 {
        0.0
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        Ok(payloads.iter().map(|payload| self.document(payload)).collect())
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        Ok(self.question(text))
    }
}

/// Bytes of a digest spread over −[`SIGNATURE_MAX`] to +[`SIGNATURE_MAX`]; never 0.
fn signature(payload: &Value) -> [f64; SIGNATURE] {
    let digest = xxh3_128(json::canonical(payload).as_bytes());
    digest.to_le_bytes().map(|byte| (f64::from(byte) * 2.0 - 255.0) / 255.0 * SIGNATURE_MAX)
}

/// Signed counts of hashed features.
struct Features {
    counts: Vec<i64>,
}

impl Features {
    fn new(dims: usize) -> Self {
        Self { counts: vec![0; dims] }
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Counts the features of one text; a pair never spans two texts.
    fn add(&mut self, text: &str) {
        let words = Words::of(text);
        let mut before: Option<(u64, bool)> = None;
        let mut padded = String::new();
        for word in words.iter() {
            let stop = is_stop(word, Language::English);
            let hash = xxh3_64_with_seed(word.as_bytes(), Kind::Word as u64);
            self.count(hash, share(WORD, stop));
            if let Some((previous, previous_stop)) = before {
                self.count(pair(previous, hash), share(PAIR, stop || previous_stop));
            }
            before = Some((hash, stop));
            padded.clear();
            padded.push(' ');
            padded.push_str(word);
            padded.push(' ');
            self.add_trigrams(&padded, share(TRIGRAM, stop));
        }
    }

    fn add_trigrams(&mut self, padded: &str, weight: i64) {
        if padded.is_ascii() {
            for window in padded.as_bytes().windows(3) {
                self.count(xxh3_64_with_seed(window, Kind::Trigram as u64), weight);
            }
            return;
        }
        let starts: Vec<usize> = padded.char_indices().map(|(at, _)| at).chain([padded.len()]).collect();
        for window in starts.windows(4) {
            let trigram = &padded.as_bytes()[window[0]..window[3]];
            self.count(xxh3_64_with_seed(trigram, Kind::Trigram as u64), weight);
        }
    }

    fn count(&mut self, hash: u64, weight: i64) {
        let dims = self.counts.len() as u64;
        let at = ((hash >> 32) * dims) >> 32;
        self.counts[at as usize] += if hash & 1 == 0 { weight } else { -weight };
    }

    /// The vector of norm 1: features of norm 1 and the signature behind them, scaled together.
    fn normalised(self, signature: Option<[f64; SIGNATURE]>) -> Vec<f32> {
        let squares: u128 = self.counts.iter().map(|count| u128::from(count.unsigned_abs()).pow(2)).sum();
        let signature = signature.unwrap_or_default();
        let features = if squares == 0 { 0.0 } else { 1.0 };
        let norm = (features + signature.iter().map(|value| value * value).sum::<f64>()).sqrt();
        let scale = (squares as f64).sqrt() * norm;
        let scaled = |count: i64| if count == 0 { 0.0 } else { (count as f64 / scale) as f32 };
        let mut vector: Vec<f32> = Vec::with_capacity(self.counts.len() + SIGNATURE);
        vector.extend(self.counts.into_iter().map(scaled));
        vector.extend(signature.map(|value| (value / norm) as f32));
        vector
    }
}

fn share(weight: i64, stop: bool) -> i64 {
    if stop { weight / STOP_SHARE } else { weight }
}

/// A hash of two neighbouring words in their order.
fn pair(first: u64, second: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    xxh3_64_with_seed(&bytes, Kind::Pair as u64)
}

#[cfg(test)]
mod tests;
