//! Evaluation goes through the real system and leaves nothing behind.

use std::fs;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, run, text};

const CORPUS: &str = r#"{"id": "key", "payload": {"text": "The spare key is with Mrs Adeyemi."}}
{"id": "rent", "payload": {"text": "The allotment rent is due in December."}}

{"id": "key", "namespace": "other", "payload": "A key of another house."}
"#;
const QUERIES: &str = r#"{"query": "Who has the spare key?", "relevant": ["key"]}
{"query": "Whose is the house?", "relevant": ["key", "rent", "key"], "category": "half"}
{"query": "Nothing answers this", "relevant": []}
"#;

fn check(report: &Value) {
    assert_eq!((&report["memories"], &report["questions"], &report["skipped"]), (&json!(3), &json!(2), &json!(1)));
    let categories = &report["scores"]["categories"];
    assert_eq!(categories["questions"]["R@1"], 1.0);
    // No word is shared, so nothing is found in lexical mode.
    assert_eq!((&categories["half"]["any@20"], &categories["half"]["n"]), (&json!(0.0), &json!(1)));
    assert_eq!(report["scores"]["all"]["R@20"], 0.5);
}

#[test]
fn a_data_set_is_scored_in_a_directory_of_its_own_or_on_a_server() {
    let folder = directory();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("the file is written");
        path.display().to_string()
    };
    let (corpus, queries) = (file("corpus", CORPUS), file("queries", QUERIES));
    let data = folder.path().join("data");
    let eval = ["eval", "jsonl", &corpus, &queries, "--mode", "lexical"];
    check(&answer(&data, &eval));
    assert!(!data.exists(), "the data directory is not touched");

    let server = Server::start();
    let on_server = [&eval[..], &["--url", &server.api]].concat();
    check(&answer(&data, &on_server));
    assert_eq!(server.get("/v1/stats").json()["memories"], 0, "the namespaces are deleted again");

    let unknown = file("unknown", "{\"query\": \"Who?\", \"relevant\": [\"gone\"]}");
    let refused = run(&data, &["eval", "jsonl", &corpus, &unknown]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("is named gone"));
    let nothing = file("nothing", "");
    let refused = run(&data, &["eval", "jsonl", &corpus, &nothing]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("nothing was measured"));

    let broken = file("broken", "{\"id\": \"key\"}");
    let refused = run(&data, &["eval", "jsonl", &broken, &queries]);
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("line 1 of the corpus") && said.contains("payload is missing"), "{said}");
}
