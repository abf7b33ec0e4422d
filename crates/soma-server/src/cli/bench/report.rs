//! What was measured, as a table for people and as JSON for machines, of the same numbers.
//!
//! Both are made from [`Figure`]s; the table rounds what the JSON says. The format of the JSON is
//! `schemas/bench.json`.

mod table;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::catalogue::{self, Kind};
use super::stats::{Better, Samples, ratio};

/// The name of the JSON's format.
pub(super) const FORMAT: &str = "soma.bench/1";
/// A cost that grows by no more than this from the smallest to the largest store counts as flat.
const FLAT: f64 = 1.5;

/// One figure with its bare equivalents.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    kind: &'static Kind,
    /// How many memories were stored; none for what is measured on an empty directory.
    memories: u64,
    ours: Samples,
    /// In the order in which the catalogue names them; without samples where it was not measured.
    bare: Vec<Samples>,
}

impl Figure {
    pub(super) fn new(name: &str, memories: u64, ours: Samples, bare: Vec<Samples>) -> Self {
        Self { kind: catalogue::of(name), memories, ours, bare }
    }

    fn beside(&self) -> impl Iterator<Item = (&'static str, &Samples)> {
        self.kind.bare.iter().copied().zip(&self.bare)
    }

    fn shape(&self) -> Value {
        let better = self.kind.unit.better();
        let measured = |(_, samples): &(&str, &Samples)| samples.count() > 0;
        let bare: Vec<Value> = self
            .beside()
            .filter(measured)
            .map(|(name, samples)| {
                json!({
                    "name": name,
                    "p50": rounded(samples.median()),
                    "p95": rounded(samples.p95(better)),
                    "p99": rounded(samples.p99(better)),
                    "samples": samples.count(),
                    "ratio": ratio(&self.ours, samples).map(rounded),
                })
            })
            .collect();
        let mut shape = json!({
            "name": self.kind.name,
            "group": self.kind.group.as_str(),
            "title": self.kind.title,
            "memories": self.memories,
            "unit": self.kind.unit.as_str(),
            "p50": rounded(self.ours.median()),
            "p95": rounded(self.ours.p95(better)),
            "p99": rounded(self.ours.p99(better)),
            "samples": self.ours.count(),
            "bare": bare,
        });
        let without: Vec<&str> = self.beside().filter(|one| !measured(one)).map(|(name, _)| name).collect();
        if !without.is_empty() {
            shape["not_measured"] = json!(without);
        }
        shape
    }
}

/// Everything that one run found out.
#[derive(Clone, Debug)]
pub(super) struct Report {
    machine: Value,
    settings: Value,
    figures: Vec<Figure>,
    tail: Tail,
}

/// Which tail the table shows beside the median.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    P95,
    P99,
}

impl Report {
    /// Puts the figures into the order of sizes and, for one size, of the catalogue.
    pub(super) fn new(machine: Value, settings: Value, mut figures: Vec<Figure>) -> Self {
        let place = |figure: &Figure| catalogue::all().position(|kind| std::ptr::eq(kind, figure.kind));
        figures.sort_by_key(|figure| (figure.memories, place(figure)));
        Self { machine, settings, figures, tail: Tail::P95 }
    }

    /// The same with another tail in the table.
    pub(super) fn with_tail(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// For machines.
    pub(super) fn shape(&self) -> Value {
        json!({
            "format": FORMAT,
            "machine": self.machine,
            "settings": self.settings,
            "figures": self.figures.iter().map(Figure::shape).collect::<Vec<_>>(),
            "curve": self.curve().iter().map(Curve::shape).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        table::of(self)
    }

    /// The sizes that were measured, ascending.
    fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.figures.iter().map(|f| f.memories).filter(|memories| *memories > 0).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// How each figure changes with the memories; nothing for one size.
    fn curve(&self) -> Vec<Curve> {
        if self.sizes().len() < 2 {
            return Vec::new();
        }
        let points = |kind: &'static Kind| -> Vec<(u64, f64)> {
            let of_kind = self.figures.iter().filter(|f| f.memories > 0 && std::ptr::eq(f.kind, kind));
            of_kind.map(|figure| (figure.memories, figure.ours.median())).collect()
        };
        let curves = catalogue::all().map(|kind| Curve { kind, points: points(kind) });
        curves.filter(|curve| curve.points.len() > 1).collect()
    }
}

/// One figure over several sizes.
struct Curve {
    kind: &'static Kind,
    /// Memories and the median there, ascending.
    points: Vec<(u64, f64)>,
}

impl Curve {
    /// How many times the cost of the smallest store the largest one has.
    fn cost(&self) -> Option<f64> {
        let ((_, first), (_, last)) = (*self.points.first()?, *self.points.last()?);
        let (more, less) = match self.kind.unit.better() {
            Better::Lower => (last, first),
            Better::Higher => (first, last),
        };
        (less > 0.0).then(|| more / less)
    }

    /// Flat, or why not.
    fn verdict(&self) -> &'static str {
        if self.cost().is_some_and(|cost| cost > FLAT) { self.kind.growth } else { "flat" }
    }

    fn shape(&self) -> Value {
        let points: Vec<Value> =
            self.points.iter().map(|(memories, p50)| json!({ "memories": memories, "p50": rounded(*p50) })).collect();
        json!({
            "name": self.kind.name,
            "unit": self.kind.unit.as_str(),
            "points": points,
            "cost": self.cost().map(rounded),
            "verdict": self.verdict(),
        })
    }
}

/// To a thousandth: no figure is more exact than that.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
