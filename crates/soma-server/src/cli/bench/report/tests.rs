//! The table shows what the JSON says.

use std::collections::BTreeSet;

use super::table::thousands;
use super::*;

fn report(sizes: &[u64]) -> Report {
    let figure = |kind: &'static Kind, memories: u64| {
        let ours = [1.0, 2.0, 3.0].iter().map(|n| n * memories.max(1) as f64 / 10.0).collect();
        let bare = kind.bare.iter().map(|_| Samples::one(0.5)).collect();
        Figure::new(kind.name, memories, ours, bare)
    };
    let empty = |kind: &&Kind| kind.group == catalogue::Group::Start;
    let on_empty = catalogue::KINDS.iter().filter(empty).map(|kind| figure(kind, 0));
    let sized = sizes
        .iter()
        .flat_map(|size| catalogue::KINDS.iter().filter(|kind| !empty(kind)).map(move |kind| figure(kind, *size)));
    let figures = on_empty.chain(sized).collect();
    Report::new(json!({ "cores": 2 }), json!({}), figures)
}

#[test]
fn names_and_titles_are_unique() {
    let names: BTreeSet<&str> = catalogue::all().map(|kind| kind.name).collect();
    let titles: BTreeSet<&str> = catalogue::all().map(|kind| kind.title).collect();
    assert_eq!((names.len(), titles.len()), (catalogue::all().count(), catalogue::all().count()));
}

#[test]
fn every_figure_names_something_bare() {
    assert!(catalogue::all().all(|kind| !kind.bare.is_empty()));
}

#[test]
fn what_was_not_measured_is_said_and_has_no_number() {
    let kind = catalogue::of("steady");
    let figure = Figure::new(kind.name, 1_000, Samples::one(4.0), vec![Samples::one(2.0), Samples::default()]);
    let report = Report::new(json!({}), json!({}), vec![figure]).with_tail(Tail::P99);
    let shape = report.shape()["figures"][0].clone();
    assert_eq!((&shape["bare"][0]["ratio"], &shape["bare"][1]), (&json!(2.0), &Value::Null));
    assert_eq!(shape["not_measured"], json!([kind.bare[1]]));
    let words = report.words();
    assert!(words.contains(&format!("{}: not measured", kind.bare[1])) && words.contains("p99"), "{words}");
}

#[test]
fn the_table_has_a_line_for_each_bare_equivalent() {
    let report = report(&[200]);
    let words = report.words();
    for kind in catalogue::KINDS {
        let at = words.find(kind.title).expect("every figure is shown");
        for (bare, line) in kind.bare.iter().zip(words[at..].lines()) {
            assert!(line.contains(bare), "{bare} is not in {line}");
        }
    }
}

#[test]
fn one_size_has_no_curve_and_two_have_one() {
    assert_eq!(report(&[200]).shape()["curve"], json!([]));
    let two = report(&[200, 2_000]);
    let curve = two.shape()["curve"].clone();
    let sized = catalogue::KINDS.iter().filter(|kind| kind.group != catalogue::Group::Start).count();
    assert_eq!(curve.as_array().map(Vec::len), Some(sized));
    assert!(two.words().contains("cost as memories grow"));
}

#[test]
fn a_cost_that_grows_is_explained_and_one_that_falls_is_flat() {
    let shape = report(&[200, 2_000]).shape();
    let entry = |name: &str| {
        let entries = shape["curve"].as_array().expect("a list");
        entries.iter().find(|entry| entry["name"] == name).expect("an entry").clone()
    };
    let slower = entry("recall_dense");
    assert_eq!((&slower["cost"], slower["verdict"] == "flat"), (&json!(10.0), false));
    // A rate that rises costs less.
    assert_eq!((&entry("batch_stored")["cost"], &entry("batch_stored")["verdict"]), (&json!(0.1), &json!("flat")));
}

#[test]
fn large_numbers_are_readable() {
    assert_eq!(
        (thousands(7), thousands(1_000), thousands(1_234_567)),
        ("7".into(), "1,000".into(), "1,234,567".into())
    );
}
