//! The table for people.

use super::super::machine;
use super::{Curve, Figure, Report, ratio, rounded};

/// The columns of the figures.
const HEAD: [&str; 9] = ["figure", "unit", "p50", "p95", "n", "beside it, bare", "p50", "p95", "ratio"];

pub(super) fn of(report: &Report) -> String {
    let mut parts = vec![machine::words(&report.machine)];
    let on_empty: Vec<&Figure> = report.figures.iter().filter(|figure| figure.memories == 0).collect();
    if !on_empty.is_empty() {
        parts.push(format!("on an empty directory\n{}", figures(&on_empty)));
    }
    for size in report.sizes() {
        let of_size: Vec<&Figure> = report.figures.iter().filter(|figure| figure.memories == size).collect();
        parts.push(format!("with {} memories\n{}", thousands(size), figures(&of_size)));
    }
    let curves = report.curve();
    if !curves.is_empty() {
        parts.push(format!("cost as memories grow\n{}", growth(&curves, &report.sizes())));
    }
    parts.join("\n\n")
}

fn figures(figures: &[&Figure]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for figure in figures {
        let better = figure.kind.unit.better();
        let mut left = vec![
            figure.kind.title.to_owned(),
            figure.kind.unit.as_str().to_owned(),
            number(figure.ours.median()),
            number(figure.ours.p95(better)),
            figure.ours.count().to_string(),
        ];
        for (name, samples) in figure.beside() {
            let ratio = ratio(&figure.ours, samples).map_or_else(|| "–".to_owned(), number);
            left.extend([name.to_owned(), number(samples.median()), number(samples.p95(better)), ratio]);
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
