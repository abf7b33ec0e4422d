//! Evaluation goes through the real system and leaves nothing behind.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, run, soma, text};

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

    let taken = json!({"namespace": "other", "payload": "What somebody keeps."});
    assert_eq!(server.post("/v1/memories?wait=stored", &taken).status, 201);
    let refused = run(&data, &on_server);
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("namespace other of the server holds memories"), "{said}");
    assert_eq!(server.get("/v1/stats").json()["memories"], 1, "what was there stays");

    let broken = file("broken", "{\"id\": \"key\"}");
    let refused = run(&data, &["eval", "jsonl", &broken, &queries]);
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("line 1 of the corpus") && said.contains("payload is missing"), "{said}");
}

/// A conversation of two turns on each of two days, as LoCoMo has it.
fn locomo(folder: &Path) -> String {
    let turn = |id, speaker, text| json!({"dia_id": id, "speaker": speaker, "text": text});
    let sample = json!({
        "sample_id": "one",
        "conversation": {
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [turn("D1:1", "Ines", "The ferry leaves at noon."), turn("D1:2", "Otto", "I shall pack.")],
            "session_2_date_time": "9 am on 9 June, 2023",
            "session_2": [turn("D2:1", "Otto", "The lighthouse was closed.")],
        },
        "qa": [
            {"question": "When does the ferry leave?", "evidence": ["D1:1"], "category": 4},
            {"question": "Was the lighthouse open?", "evidence": ["D2:1"], "category": 2},
        ],
    });
    let file = folder.join("locomo.json");
    fs::write(&file, json!([sample]).to_string()).expect("the file is written");
    file.display().to_string()
}

/// Two chats of two batches, as BEAM has them.
fn beam(folder: &Path) -> String {
    let size = folder.join("beam/100K");
    for (number, plant) in [(1, "quince"), (2, "medlar")] {
        let said = |id, role, content: &str| json!({"id": id, "role": role, "content": content});
        let chat = json!([
            {"batch_number": 1, "time_anchor": null, "turns": [[
                said(0, "user", &format!("Where shall I plant the {plant}? ->-> 1,1")),
                said(1, "assistant", "By the south wall, where it is warm."),
            ]]},
            {"batch_number": 2, "time_anchor": "April-02-2024", "turns": [[said(2, "user", "It has leaves.")]]},
        ]);
        let asked = json!({
            "abstention": [{"question": "Who sold it?"}],
            "information_extraction": [
                {"question": format!("Where does the {plant} stand?"), "source_chat_ids": [0, 1]},
            ],
            "knowledge_update": [
                {"question": "Does it have leaves?", "source_chat_ids": {"original": [], "updated": [2]}},
            ],
        });
        let conversation = size.join(number.to_string());
        fs::create_dir_all(conversation.join("probing_questions")).expect("a folder is made");
        fs::write(conversation.join("chat.json"), chat.to_string()).expect("the chat is written");
        let file = conversation.join("probing_questions/probing_questions.json");
        fs::write(file, asked.to_string()).expect("the questions are written");
    }
    size.display().to_string()
}

#[test]
fn conversations_and_chats_are_scored_here_and_on_a_server() {
    let folder = directory();
    let (locomo, beam) = (locomo(folder.path()), beam(folder.path()));
    let data = folder.path().join("data");
    let server = Server::start();
    for (args, counts, categories) in [
        (["eval", "locomo", &locomo], (3, 2, 0), ["single-hop", "temporal"]),
        (["eval", "beam", &beam], (6, 4, 2), ["information extraction", "knowledge update"]),
    ] {
        let here = answer(&data, &args);
        let there = answer(&data, &[&args[..], &["--url", &server.api]].concat());
        for report in [&here, &there] {
            assert_eq!(
                (&report["memories"], &report["questions"], &report["skipped"]),
                (&json!(counts.0), &json!(counts.1), &json!(counts.2))
            );
            // There are fewer memories than ranks, and words are shared.
            assert_eq!(report["scores"]["all"]["R@5"], 1.0, "{report}");
            let known = report["scores"]["categories"].as_object().expect("categories").keys();
            assert_eq!(known.collect::<Vec<_>>(), categories);
            assert_eq!(report["embedder"], "hash with 768 dimensions");
        }
        assert_eq!(here["scores"]["all"], there["scores"]["all"]);
        assert_eq!(server.get("/v1/stats").json()["memories"], 0, "the namespaces are deleted again");
    }
}

#[test]
fn the_embedder_is_that_of_the_server() {
    let folder = directory();
    let server = Server::start_with(&[("MEMORY_VECTOR_DIM", "64")]);
    let report = answer(folder.path(), &["eval", "locomo", &locomo(folder.path()), "--url", &server.api]);
    assert_eq!(report["embedder"], "hash with 64 dimensions");
}

#[test]
fn without_an_address_no_server_that_is_set_is_written_to() {
    let folder = directory();
    let mut command = soma(&folder.path().join("data"), &["eval", "locomo", &locomo(folder.path()), "--json"]);
    // Nobody listens there: whatever is asked of it fails.
    command.envs([
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
        ("POSTGRES_URL", "postgres://soma@127.0.0.1:1/soma"),
        ("QDRANT_URL", "http://127.0.0.1:1"),
    ]);
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}
