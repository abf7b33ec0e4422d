//! Which candidate answers best: raw scores and records in, an order out. Pure.
//!
//! Hybrid scores are sums, not fused ranks: a sum keeps the margin by which the best candidate
//! leads. The constants were found on LoCoMo (five development conversations, turn level), where the
//! priors together bring 3.7 points of R@10; on BEAM they cost 2 (docs/recall.md has each). The
//! lexical and the dense list alone keep the index's own scores, for those who want to see or fuse
//! them.
//!
//! The same candidates give the same order and the same bits, whatever their order at the start.

use super::Mode;
use crate::embed::language::Language;
use crate::embed::words::Words;
use crate::ids::MemoryId;
use crate::turn::Turn;

/// Added when the question names the actor of the turn.
const ACTOR: f64 = 0.2;
/// Added when the turn ends with a question mark: a question seldom answers one.
const ASKS: f64 = -0.2;
/// Content words that make a text long enough to say something.
const CONTENT_WORDS_MAX: usize = 12;
/// 0.1 · ln(1 + n) for n content words: what says little seldom answers. A table, because
/// logarithms differ in their last bits between platforms.
const LENGTH: [f64; CONTENT_WORDS_MAX + 1] = [
    0.0,
    0.069_314_718_055_994_53,
    0.109_861_228_866_810_98,
    0.138_629_436_111_989_06,
    0.160_943_791_243_410_04,
    0.179_175_946_922_805_5,
    0.194_591_014_905_531_3,
    0.207_944_154_167_983_6,
    0.219_722_457_733_621_94,
    0.230_258_509_299_404_57,
    0.239_789_527_279_837_07,
    0.248_490_664_978_800_03,
    0.256_494_935_746_153_7,
];

/// One memory that may answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: MemoryId,
    /// The BM25 sum, if the lexical list takes part; 0 when it shares no word with the question.
    pub bm25: Option<f64>,
    /// The cosine similarity, if the dense list takes part.
    pub cosine: Option<f64>,
    /// What the request adds to it, whatever the mode.
    pub boosts: Vec<(&'static str, f64)>,
}

/// Its score and the summands of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The sum.
    pub total: f64,
    /// The named summands, in the order in which they were added.
    pub parts: Vec<(&'static str, f64)>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its words; none of a question by vector.
    pub words: &'a Words,
    /// Whose function words count nothing.
    pub language: Language,
}

/// Scores candidates and sorts them, best first, ties by id. `turns[i]` is what `candidates[i]`
/// says; it is read in hybrid mode only and may be left empty otherwise. `dense_weight` is the embedder's.
#[must_use]
pub fn rank(
    mode: Mode,
    question: &Asked<'_>,
    dense_weight: f64,
    candidates: &[Candidate],
    turns: &[Turn],
) -> Vec<(usize, Score)> {
    let best = |score: fn(&Candidate) -> Option<f64>| candidates.iter().filter_map(score).fold(0.0, f64::max);
    let (best_bm25, best_cosine) = (best(|c| c.bm25), best(|c| c.cosine));
    let mut ranked: Vec<(usize, Score)> = candidates
        .iter()
        .enumerate()
        .map(|(at, candidate)| {
            let mut parts = match mode {
                Mode::Lexical => vec![("bm25", candidate.bm25.unwrap_or(0.0))],
                Mode::Dense => vec![("cosine", candidate.cosine.unwrap_or(0.0))],
                Mode::Hybrid => {
                    let mut parts = Vec::with_capacity(5);
                    parts.extend(candidate.bm25.map(|bm25| ("bm25", share(bm25, best_bm25))));
                    let cosine = candidate.cosine.filter(|_| dense_weight != 0.0);
                    parts.extend(cosine.map(|cosine| ("cosine", dense_weight * share(cosine, best_cosine))));
                    priors(question, &turns[at], &mut parts);
                    parts
                }
            };
            parts.extend(&candidate.boosts);
            let total = parts.iter().map(|(_, part)| part).sum();
            (at, Score { total, parts })
        })
        .collect();
    sort(&mut ranked, candidates);
    ranked
}

/// Adds what a reranker says of the first of them, and sorts again. What is no share counts nothing.
pub fn rerank(ranked: &mut [(usize, Score)], candidates: &[Candidate], scores: &[f64]) {
    for ((_, score), given) in ranked.iter_mut().zip(scores) {
        let part = if given.is_nan() { 0.0 } else { given.clamp(0.0, 1.0) };
        score.parts.push(("reranker", part));
        score.total = score.parts.iter().map(|(_, part)| part).sum();
    }
    sort(ranked, candidates);
}

fn sort(ranked: &mut [(usize, Score)], candidates: &[Candidate]) {
    ranked
        .sort_by(|(a, x), (b, y)| y.total.total_cmp(&x.total).then_with(|| candidates[*a].id.cmp(&candidates[*b].id)));
}

/// A score as a share of the best one.
fn share(score: f64, best: f64) -> f64 {
    if best > 0.0 { score.max(0.0) / best } else { 0.0 }
}

/// What speaks for or against a memory whatever the words. Actor and question mark mean something
/// in a conversation only; the length counts everywhere, or plain facts would stand behind turns.
fn priors(question: &Asked<'_>, turn: &Turn, parts: &mut Vec<(&'static str, f64)>) {
    if turn.thread.is_some() {
        let named = turn.actor.as_deref().is_some_and(|actor| question.words.contain(&Words::of(actor)));
        if named {
            parts.push(("actor", ACTOR));
        }
        if turn.asks() {
            parts.push(("asks", ASKS));
        }
    }
    let words = Words::of(&turn.text).content(question.language).take(CONTENT_WORDS_MAX).count();
    parts.push(("length", LENGTH[words]));
}

#[cfg(test)]
mod tests;
