//! Which candidate answers best: raw scores and records in, an order out. Pure.
//!
//! Hybrid scores are sums, not fused ranks: a sum keeps the margin by which the best candidate
//! leads. The constants were found on LoCoMo (five development conversations, turn level), where the
//! priors together bring 3.7 points of R@10 (docs/recall.md has each, and what they do on BEAM). The
//! lexical and the dense list alone keep the index's own scores, for those who want to see or fuse
//! them.
//!
//! The same candidates give the same order and the same bits, whatever their order at the start.

use std::cmp::Ordering;

use super::Mode;
use crate::embed::language::Language;
use crate::embed::words::Words;
use crate::ids::MemoryId;
use crate::turn::Turn;

/// Added when the question names the actor of the turn.
const ACTOR: f64 = 0.2;
/// Far more than what adding the same summands in another order may change.
const ROUNDING: f64 = 1e-9;
/// Added when the turn ends with a question mark: a question seldom answers one. Of a turn of more than
/// [`CONTENT_WORDS_MAX`] content words, so much less as it is longer.
const ASKS: f64 = -0.2;
/// Content words that make a text long enough to say something.
const CONTENT_WORDS_MAX: usize = 12;
/// Bytes that mostly hold so many.
const BEGINNING: usize = 256;
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
    /// What its record adds: [`priors`] in hybrid mode, and what the request adds to it.
    pub given: Vec<(&'static str, f64)>,
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

/// How both lists count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighing {
    /// Which lists take part.
    pub mode: Mode,
    /// What the dense list counts beside the lexical one: the embedder's.
    pub dense: f64,
    /// The best score of each list, of which those of hybrid mode are shares.
    best: (f64, f64),
}

impl Weighing {
    /// That of these candidates.
    #[must_use]
    pub fn of(mode: Mode, dense: f64, candidates: &[Candidate]) -> Self {
        let best = |score: fn(&Candidate) -> Option<f64>| candidates.iter().filter_map(score).fold(0.0, f64::max);
        Self { mode, dense, best: (best(|c| c.bm25), best(|c| c.cosine)) }
    }

    /// Whether scores are shares of one of this candidate's.
    #[must_use]
    pub fn is_led_by(&self, candidate: &Candidate) -> bool {
        let leads = |score: Option<f64>, best| self.mode == Mode::Hybrid && best > 0.0 && score == Some(best);
        leads(candidate.bm25, self.best.0) || leads(candidate.cosine, self.best.1)
    }

    /// The summands that the lists give.
    fn parts(&self, candidate: &Candidate) -> Vec<(&'static str, f64)> {
        match self.mode {
            Mode::Lexical => vec![("bm25", candidate.bm25.unwrap_or(0.0))],
            Mode::Dense => vec![("cosine", candidate.cosine.unwrap_or(0.0))],
            Mode::Hybrid => {
                let mut parts = Vec::with_capacity(5);
                parts.extend(candidate.bm25.map(|bm25| ("bm25", share(bm25, self.best.0))));
                let cosine = candidate.cosine.filter(|_| self.dense != 0.0);
                parts.extend(cosine.map(|cosine| ("cosine", self.dense * share(cosine, self.best.1))));
                parts
            }
        }
    }

    /// A candidate's score.
    fn score(&self, candidate: &Candidate) -> Score {
        let mut parts = self.parts(candidate);
        parts.extend(&candidate.given);
        Score { total: parts.iter().map(|(_, part)| part).sum(), parts }
    }

    /// The most that a candidate's score can be when its record adds at most so much.
    #[must_use]
    pub fn most(&self, candidate: &Candidate, given: f64) -> f64 {
        self.parts(candidate).iter().map(|(_, part)| part).sum::<f64>() + given + ROUNDING
    }
}

/// Scores candidates and sorts them, best first, ties by id.
#[must_use]
pub fn rank(weighing: &Weighing, candidates: Vec<Candidate>) -> Vec<(Candidate, Score)> {
    let scored = candidates.into_iter().map(|candidate| {
        let score = weighing.score(&candidate);
        (candidate, score)
    });
    let mut ranked: Vec<(Candidate, Score)> = scored.collect();
    ranked.sort_by(|(a, x), (b, y)| before((a, x), (b, y)));
    ranked
}

/// Adds what a reranker says of the first of them, and sorts again. What is no share counts nothing.
pub fn rerank(ranked: &mut [(Candidate, Score)], scores: &[f64]) {
    for ((_, score), given) in ranked.iter_mut().zip(scores) {
        let part = if given.is_nan() { 0.0 } else { given.clamp(0.0, 1.0) };
        score.parts.push(("reranker", part));
        score.total = score.parts.iter().map(|(_, part)| part).sum();
    }
    ranked.sort_by(|(a, x), (b, y)| before((a, x), (b, y)));
}

fn before((a, x): (&Candidate, &Score), (b, y): (&Candidate, &Score)) -> Ordering {
    y.total.total_cmp(&x.total).then_with(|| a.id.cmp(&b.id))
}

/// A score as a share of the best one.
fn share(score: f64, best: f64) -> f64 {
    if best > 0.0 { score.max(0.0) / best } else { 0.0 }
}

/// What speaks for or against a memory whatever the words, in hybrid mode. Actor and question mark mean
/// something in a conversation only; the length counts everywhere, or plain facts would stand behind turns.
#[must_use]
pub fn priors(question: &Asked<'_>, turn: &Turn) -> Vec<(&'static str, f64)> {
    let mut parts = Vec::with_capacity(3);
    if turn.thread.is_some() {
        let named = turn.actor.as_deref().is_some_and(|actor| question.words.contain(&Words::of(actor)));
        if named {
            parts.push(("actor", ACTOR));
        }
        if turn.asks() {
            // A long turn that ends with a question has mostly said something before.
            let words = Words::of(&turn.text).content(question.language).count().max(CONTENT_WORDS_MAX);
            parts.push(("asks", ASKS * (CONTENT_WORDS_MAX as f64 / words as f64)));
        }
    }
    parts.push(("length", LENGTH[content_words(&turn.text, question.language)]));
    parts
}

/// How many content words a text has, [`CONTENT_WORDS_MAX`] at most. A long text is seldom read to its end.
fn content_words(text: &str, language: Language) -> usize {
    let count = |text: &str| Words::of(text).content(language).take(CONTENT_WORDS_MAX).count();
    // Beyond ASCII a word may end elsewhere when more follows.
    let beginning = text.get(..BEGINNING).filter(|_| text.is_ascii());
    let whole_words = beginning.and_then(|beginning| Some(&beginning[..beginning.rfind(' ')?]));
    match whole_words.map(count) {
        Some(CONTENT_WORDS_MAX) => CONTENT_WORDS_MAX,
        Some(_) | None => count(text),
    }
}

/// The most that [`priors`] sum to, of a question that may name an actor and of one that does not.
#[must_use]
pub const fn priors_most(may_name_actor: bool) -> f64 {
    LENGTH[CONTENT_WORDS_MAX] + if may_name_actor { ACTOR } else { 0.0 }
}

#[cfg(test)]
mod tests;
