//! Ranks to scores: fraction and any-hit at each rank, for all questions and by category.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::RANKS;

/// One question that was asked.
pub(super) struct Asked<'a> {
    pub(super) category: &'a str,
    /// How many memories answer it; at least one.
    pub(super) relevant: usize,
    /// At which ranks they were found, from 1, ascending.
    pub(super) ranks: Vec<usize>,
    pub(super) took: Duration,
}

/// What all questions together scored.
#[derive(Default)]
pub(super) struct Scores {
    all: Sums,
    categories: BTreeMap<String, Sums>,
    took: Vec<Duration>,
}

#[derive(Clone, Default)]
struct Sums {
    asked: usize,
    fraction: [f64; RANKS.len()],
    any: [usize; RANKS.len()],
}

impl Scores {
    pub(super) fn add(&mut self, asked: Asked<'_>) {
        self.all.add(&asked);
        self.categories.entry(asked.category.to_owned()).or_default().add(&asked);
        self.took.push(asked.took);
    }

    /// How many questions were asked.
    pub(super) const fn asked(&self) -> usize {
        self.all.asked
    }

    /// The share of questions that took at most this long.
    fn quantile_ms(&self, share: f64) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = (share * took.len() as f64) as usize;
        took.get(at.min(took.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }

    pub(super) fn to_json(&self) -> Value {
        let categories: Map<String, Value> =
            self.categories.iter().map(|(name, sums)| (name.clone(), sums.to_json())).collect();
        json!({
            "all": self.all.to_json(),
            "categories": categories,
            "latency_ms": {"p50": self.quantile_ms(0.5), "p95": self.quantile_ms(0.95)},
        })
    }

    pub(super) fn table(&self, title: &str) -> String {
        let mut table = format!("{title}\n{:24}{:>6}", "", "n");
        for rank in RANKS {
            let _ = write!(table, "{:>8}", format!("R@{rank}"));
        }
        for rank in RANKS {
            let _ = write!(table, "{:>8}", format!("any@{rank}"));
        }
        for (name, sums) in std::iter::once(("all", &self.all)).chain(self.categories.iter().map(|(n, s)| (&**n, s))) {
            let _ = write!(table, "\n{name:24}{:>6}", sums.asked);
            for share in sums.shares() {
                let _ = write!(table, "{:>8.1}", share * 100.0);
            }
        }
        let _ = write!(table, "\nrecall p50 {:.1} ms, p95 {:.1} ms", self.quantile_ms(0.5), self.quantile_ms(0.95));
        table
    }
}

impl Sums {
    fn add(&mut self, asked: &Asked<'_>) {
        self.asked += 1;
        for (at, most) in RANKS.into_iter().enumerate() {
            let found = asked.ranks.iter().filter(|rank| **rank <= most).count();
            self.fraction[at] += found as f64 / asked.relevant as f64;
            self.any[at] += usize::from(found > 0);
        }
    }

    /// Fractions, then any-hits, each 0 to 1.
    fn shares(&self) -> impl Iterator<Item = f64> {
        let asked = self.asked.max(1) as f64;
        let any = self.any.map(|found| found as f64);
        self.fraction.into_iter().chain(any).map(move |sum| sum / asked)
    }

    fn to_json(&self) -> Value {
        let names = RANKS.iter().map(|rank| format!("R@{rank}")).chain(RANKS.iter().map(|rank| format!("any@{rank}")));
        let mut scores: Map<String, Value> = names.zip(self.shares().map(Value::from)).collect();
        scores.insert("n".into(), self.asked.into());
        Value::Object(scores)
    }
}

#[cfg(test)]
mod tests;
