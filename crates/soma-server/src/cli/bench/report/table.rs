//! The table for people.

use super::super::machine;
use super::{Better, Curve, Figure, Report, Samples, Tail, ratio, rounded};

impl Tail {
    const fn name(self) -> &'static str {
        match self {
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    fn of(self, samples: &Samples, better: Better) -> f64 {
        match self {
            Self::P95 => samples.p95(better),
            Self::P99 => samples.p99(better),
        }
    }
}

/// The columns of the figures.
const fn head(tail: Tail) -> [&'static str; 9] {
    ["figure", "unit", "p50", tail.name(), "n", "beside it, bare", "p50", tail.name(), "ratio"]
}

pub(super) fn of(report: &Report) -> String {
    let mut parts = vec![machine::words(&report.machine)];
    let on_empty: Vec<&Figure> = report.figures.iter().filter(|figure| figure.memories == 0).collect();
    if !on_empty.is_empty() {
        parts.push(format!("on an empty directory\n{}", figures(&on_empty, report.tail)));
    }
    for size in report.sizes() {
        let of_size: Vec<&Figure> = report.figures.iter().filter(|figure| figure.memories == size).collect();
        parts.push(format!("with {} memories\n{}", thousands(size), figures(&of_size, report.tail)));
    }
    let curves = report.curve();
    if !curves.is_empty() {
        parts.push(format!("cost as memories grow\n{}", growth(&curves, &report.sizes())));
    }
    parts.join("\n\n")
}

fn figures(figures: &[&Figure], tail: Tail) -> String {
    let mut rows = vec![head(tail).map(str::to_owned).to_vec()];
    for figure in figures {
        let better = figure.kind.unit.better();
        let mut left = vec![
            figure.kind.title.to_owned(),
            figure.kind.unit.as_str().to_owned(),
            number(figure.ours.median()),
            number(tail.of(&figure.ours, better)),
            figure.ours.count().to_string(),
        ];
        for (name, samples) in figure.beside() {
            let ratio = ratio(&figure.ours, samples).map_or_else(|| "–".to_owned(), number);
            left.extend(match samples.count() {
                0 => [format!("{name}: not measured"), "–".to_owned(), "–".to_owned(), ratio],
                _ => [name.to_owned(), number(samples.median()), number(tail.of(samples, better)), ratio],
            });
            rows.push(std::mem::replace(&mut left, vec![String::new(); 5]));
        }
    }
    aligned(&rows, &[0, 1, 5])
}

fn growth(curves: &[Curve], sizes: &[u64]) -> String {
    let mut head = vec!["figure".to_owned(), "unit".to_owned()];
    head.extend(sizes.iter().map(|size| thousands(*size)));
    head.extend(["cost".to_owned(), "why".to_owned()]);
    let mut rows = vec![head];
    for curve in curves {
        let mut row = vec![curve.kind.title.to_owned(), curve.kind.unit.as_str().to_owned()];
        row.extend(sizes.iter().map(|size| {
            let point = curve.points.iter().find(|(memories, _)| memories == size);
            point.map_or_else(|| "–".to_owned(), |(_, p50)| number(*p50))
        }));
        row.push(curve.cost().map_or_else(|| "–".to_owned(), |cost| format!("×{}", number(cost))));
        row.push(curve.verdict().to_owned());
        rows.push(row);
    }
    aligned(&rows, &[0, 1, sizes.len() + 3])
}

/// Columns of equal width, those named to the left, all others to the right; two spaces between.
fn aligned(rows: &[Vec<String>], left: &[usize]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if left.contains(&column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Three digits that count, of what the JSON says.
fn number(value: f64) -> String {
    let value = rounded(value);
    match value.abs() {
        100.0.. => thousands(value.round() as u64),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A whole number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
