//! Listing, histories, and forgetting by selection.

use serde_json::json;

use super::directory;
use crate::harness::{Server, answer, run, text};

#[test]
fn a_list_selects_by_namespace_filter_and_order() {
    let folder = directory();
    let data = folder.path();
    for (words, namespace, importance) in [("one", "demo", "1"), ("two", "demo", "3"), ("three", "other", "2")] {
        answer(data, &["remember", words, "-n", namespace, "--importance", importance]);
    }
    let texts = |args: &[&str]| {
        let listed = answer(data, args);
        let items = listed["items"].as_array().expect("items");
        items.iter().map(|item| item["payload"]["text"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&["list", "-n", "demo", "--order", "oldest"]), ["one", "two"]);
    assert_eq!(texts(&["list", "--namespace-prefix", "", "--order", "importance"]), ["two", "three", "one"]);
    assert_eq!(texts(&["list", "-n", "demo", "--filter", r#"{"field":"importance","gt":2}"#]), ["two"]);
    assert_eq!(texts(&["list", "-n", "demo", "--limit", "1"]), ["two"]);
    assert_eq!(text(&run(data, &["list", "-n", "nobody"]).stdout), "no memories\n");
    assert_eq!(run(data, &["list", "--filter", "{"]).status.code(), Some(2));
    // Whoever looks in the wrong place is told of the others.
    for (args, words) in [(&["list"][..], "no memories"), (&["recall", "one"][..], "nothing found")] {
        let told = text(&run(data, args).stdout);
        assert_eq!(
            told,
            format!("{words} in the default namespace; there are memories in demo, other: add --namespace\n")
        );
    }
    assert_eq!(text(&run(data, &["recall", "one", "-n", "nobody"]).stdout), "nothing found\n");
}

#[test]
fn a_selection_is_forgotten_only_when_somebody_agrees() {
    let folder = directory();
    let server = Server::on(folder.path(), &[]);
    let data = folder.path();
    for number in 0..5 {
        answer(data, &["remember", "--payload", &json!({ "n": number }).to_string(), "-n", "demo"]);
    }
    answer(data, &["remember", "stays", "-n", "other"]);
    let filter = r#"{"field":"payload.n","lt":2}"#;
    let asked = run(data, &["forget", "-n", "demo", "--filter", filter]);
    assert_eq!(asked.status.code(), Some(2));
    let words = text(&asked.stderr);
    assert!(words.contains("2 memories") && words.contains("--yes"), "{words}");
    assert_eq!(server.get("/v1/stats").json()["deleted"], 0);
    assert_eq!(answer(data, &["forget", "-n", "demo", "--filter", filter, "--yes"])["deleted"], 2);
    assert_eq!(answer(data, &["forget", "--namespace", "demo", "--yes"])["deleted"], 3);
    assert_eq!(answer(data, &["forget", "--namespace", "demo", "--yes"])["deleted"], 0);
    assert_eq!(answer(data, &["list", "-n", "other"])["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(run(data, &["forget", "--yes"]).status.code(), Some(2), "everything needs to be named");
}

#[test]
fn a_history_tells_what_happened_in_order() {
    let folder = directory();
    let data = folder.path();
    let id = answer(data, &["remember", "first", "--coordinate", "1"])["id"].clone();
    let id = id.as_str().expect("an id");
    answer(data, &["remember", "second", "--coordinate", "1"]);
    assert_eq!(answer(data, &["history", id])["items"].as_array().map(Vec::len), Some(2));
    let told = text(&run(data, &["history", id]).stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].ends_with("first") && lines[1].ends_with("second"), "{told}");
    assert_eq!(run(data, &["history", "0190b8a0-0000-7000-8000-00000000ffff"]).status.code(), Some(3));
}

#[test]
fn the_status_tells_counts_and_lag_with_and_without_a_server() {
    let folder = directory();
    let data = folder.path();
    answer(data, &["remember", "one"]);
    let alone = answer(data, &["status"]);
    assert_eq!(
        (&alone["server"], &alone["counts"]["memories"], &alone["partitions"][0]["lag"]),
        (&json!(null), &json!(1), &json!(0))
    );
    let server = Server::on(data, &[]);
    assert_eq!(answer(data, &["status"])["server"], server.api.as_str());
    assert!(text(&run(data, &["status"]).stdout).contains("memories      1"));
}
