//! The example conversation of README.md: imported whole, once, and found again.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Server, answer};

/// Of the questions that share words with their answer, so many of a hundred must be answered.
const BY_WORDS_PERCENT: usize = 95;
/// And of all of them, those in other words included.
const OF_ALL_PERCENT: usize = 65;

fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "examples", name].iter().collect()
}

fn lines(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(example(name)).expect("the example is there");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Imports the conversation into the namespace `house`; what the command answers.
fn import(data: &Path) -> Value {
    let file = example("conversation.jsonl");
    answer(data, &["import", "--namespace", "house", file.to_str().expect("a readable path")])
}

#[test]
fn every_question_knows_the_turn_that_answers_it() {
    let turns = lines("conversation.jsonl");
    for question in lines("questions.jsonl") {
        let answers = turns.iter().filter(|t| t["thread"] == question["thread"] && t["seq"] == question["seq"]);
        assert_eq!(answers.count(), 1, "{question}");
    }
}

#[test]
fn importing_the_conversation_twice_adds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = import(folder.path());
    let again = import(folder.path());
    assert_eq!((&first["refused"], &again["refused"]), (&json!(0), &json!(0)), "{first} {again}");
    assert_eq!(first["position"], again["position"]);

    let found = answer(folder.path(), &["verify"]);
    assert_eq!(found["memories"], lines("conversation.jsonl").len(), "{found}");
    assert_eq!(found["differences"], 0, "{found}");
}

#[test]
fn recall_answers_questions_about_the_conversation() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on(folder.path(), &[]);
    assert_eq!(import(folder.path())["visible"], true);
    let questions = lines("questions.jsonl");
    let answered: Vec<bool> = questions.iter().map(|question| finds(&server, question)).collect();

    let count = |of: &dyn Fn(&Value) -> bool| {
        let of_kind: Vec<bool> =
            questions.iter().zip(&answered).filter(|(q, _)| of(q)).map(|(_, found)| *found).collect();
        (of_kind.iter().filter(|found| **found).count(), of_kind.len())
    };
    let (words, words_all) = count(&|q| q["kind"] == "words");
    let (all, all_all) = count(&|_| true);
    let told = format!("among the first ten: {words} of {words_all} by words, {all} of {all_all} in all");
    assert!(words * 100 >= words_all * BY_WORDS_PERCENT, "{told}");
    assert!(all * 100 >= all_all * OF_ALL_PERCENT, "{told}");
}

/// Whether the turn that answers is among the first ten hits.
fn finds(server: &Server, question: &Value) -> bool {
    let request = json!({ "namespace": "house", "query": question["question"], "top_k": 10 });
    let answer = server.post("/v1/recall", &request).json();
    let hits = answer["hits"].as_array().expect("an answer has hits");
    assert!(hits.len() <= 10, "{answer}");
    hits.iter().any(|hit| hit["payload"]["thread"] == question["thread"] && hit["payload"]["seq"] == question["seq"])
}
