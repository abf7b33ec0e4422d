//! The benchmark measures everything that it names, beside what it names, and says it twice alike.
//!
//! No figure is judged: on a busy machine any of them may be anything.

use std::fs;

use serde_json::Value;

use soma_testkit::qdrant::{Options, StandIn};

use super::directory;
use crate::harness::{run, soma, text};

/// A small run of everything: two sizes, so that there is a curve, and so far apart that the second one has
/// something to fill.
const SMALL: [&str; 5] = ["bench", "--samples", "3", "--sizes", "200,3000"];

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/bench.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the schema is there")).expect("the schema is JSON")
}

/// The numbers of the table behind a title, without what is a unit or a name.
fn shown(line: &str, title: &str) -> Vec<f64> {
    let rest = line.strip_prefix(title).unwrap_or_default();
    let words = rest.split("  ").map(|cell| cell.trim().replace(',', ""));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Whether a number of the table is one of the JSON: three digits count.
fn same(shown: f64, said: &Value) -> bool {
    let said = said.as_f64().unwrap_or(f64::NAN);
    (shown - said).abs() <= said.abs() * 0.01 + 0.001
}

/// What a report says against the schema.
fn faults(report: &Value) -> Vec<String> {
    let schema = jsonschema::validator_for(&schema()).expect("a valid schema");
    schema.iter_errors(report).map(|error| error.to_string()).collect()
}

/// A server for tests, if there is one.
fn real(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this tier runs where its servers are")]
    let found = std::env::var(variable).ok();
    if found.is_none() {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("SKIPPED a test of the consumer's benchmark: {variable} names no server");
        }
    }
    found
}

#[test]
fn the_consumer_is_measured_on_its_servers_and_nothing_is_left() {
    let (Some(kafka), Some(postgres)) = (real("SOMA_TEST_KAFKA"), real("SOMA_TEST_POSTGRES_URL")) else { return };
    let folder = directory();
    let points = folder.path().join("points");
    let index = StandIn::start_with(Options { dir: Some(points.clone()), ..Options::default() }).expect("a stand-in");
    let file = folder.path().join("figures.json");
    let mut command =
        soma(&folder.path().join("data"), &["bench", "consumer", "--events", "4000", "--partitions", "2"]);
    command.args(["--seconds", "2", "--rate", "100", "--save", file.to_str().expect("a readable path")]);
    command.env("KAFKA_BOOTSTRAP_SERVERS", kafka).env("POSTGRES_URL", postgres).env("QDRANT_URL", index.url());
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", text(&output.stderr));

    let report: Value = serde_json::from_str(&fs::read_to_string(&file).expect("it was saved")).expect("JSON");
    assert_eq!(faults(&report), Vec::<String>::new());
    let figures = report["figures"].as_array().expect("a list");
    let names: Vec<&str> = figures.iter().filter_map(|figure| figure["name"].as_str()).collect();
    let wanted = [
        "consumer_backlog",
        "consumer_backlog_whole",
        "consumer_memory",
        "consumer_memory_peak",
        "consumer_cpu",
        "records_only",
        "records_only_cpu",
        "decode",
        "steady",
        "api_writes",
    ];
    assert_eq!(names, wanted);
    assert_eq!(figures[0]["bare"].as_array().map(Vec::len), Some(6), "{}", figures[0]);
    assert_eq!(figures[0]["not_measured"].as_array().map(Vec::len), Some(1), "no script was named");
    let steady = figures.iter().find(|figure| figure["name"] == "steady").expect("it is there");
    assert_eq!(steady["samples"], 200, "each event of the stream is a sample");
    let table = text(&output.stdout);
    assert!(table.contains("one message at a time, Python: not measured") && table.contains(&index.url()), "{table}");
    let left: Vec<_> = fs::read_dir(&points).expect("the folder is there").flatten().map(|left| left.path()).collect();
    assert!(left.is_empty(), "collections are left: {left:?}");
}

#[test]
fn the_consumer_is_not_measured_without_its_servers() {
    let folder = directory();
    let output = run(folder.path(), &["bench", "consumer", "--events", "1000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("KAFKA_BOOTSTRAP_SERVERS"), "{}", text(&output.stderr));
}

#[test]
fn a_run_says_everything_twice_alike() {
    let folder = directory();
    let file = folder.path().join("figures.json");
    let mut args = SMALL.to_vec();
    args.extend(["--save", file.to_str().expect("a readable path")]);
    let output = run(&folder.path().join("data"), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let report: Value = serde_json::from_str(&fs::read_to_string(&file).expect("it was saved")).expect("JSON");

    assert_eq!(faults(&report), Vec::<String>::new());

    let mut lines = table.lines();
    for figure in report["figures"].as_array().expect("a list") {
        let title = figure["title"].as_str().expect("a title");
        let bare = figure["bare"].as_array().expect("every figure stands beside something");
        assert!(!bare.is_empty() && bare.iter().all(|bare| bare["samples"].as_u64() > Some(0)), "{figure}");
        // Figures stand in the same order in both.
        let line = lines.find(|line| line.starts_with(&format!("{title}  "))).expect("a line of the table");
        let numbers = shown(line, title);
        assert_eq!(numbers.len(), 6, "{line}");
        let said = [&figure["p50"], &figure["p95"], &figure["samples"], &bare[0]["p50"], &bare[0]["p95"]];
        for (number, said) in numbers.iter().zip(said) {
            assert!(same(*number, said), "{number} is not {said} in {line}");
        }
    }
    assert!(table.contains("cost as memories grow"), "{table}");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder is there").flatten().collect();
    assert_eq!(left.len(), 1, "only the saved file is left: {left:?}");
}

#[test]
fn a_run_measures_only_what_it_is_asked_for() {
    let folder = directory();
    let args = ["bench", "--samples", "3", "--sizes", "50", "--only", "write,space", "--json"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let figures = report["figures"].as_array().expect("a list");
    let groups: std::collections::BTreeSet<&str> = figures.iter().filter_map(|f| f["group"].as_str()).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), ["space", "write"]);
    assert_eq!(report["curve"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_cannot_be_measured_is_refused_by_name() {
    let folder = directory();
    for (args, words) in [
        (&["bench", "--sizes", "0"][..], "--sizes"),
        (&["bench", "--only", "speed"], "recall"),
        (&["bench", "--dir", "/nowhere/at/all"], "--dir"),
        (&["bench", "--url", "http://127.0.0.1:1"], "--url"),
    ] {
        let output = run(folder.path(), args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
}
