use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn chat() -> Value {
    json!([
        {"batch_number": 1, "time_anchor": null, "turns": [
            [
                {"role": "user", "id": 0, "time_anchor": "March-15-2024", "index": "1,1",
                 "question_type": "main_question", "content": "Where shall we plant the quince? ->-> 1,1"},
                {"role": "assistant", "id": 1, "content": "By the south wall.\n\n### Why\nIt is warm ->-> there, I think."},
            ],
            [{"role": "user", "id": 2, "content": "And the medlar? ->-> 1,N/A"}],
        ]},
        {"batch_number": 2, "time_anchor": "April-02-2024", "turns": [[
            {"role": "user", "id": 3, "question_type": "main_question", "content": "The quince has leaves."},
        ]]},
    ])
}

fn asked() -> Value {
    json!({
        "abstention": [{"question": "Who sold us the quince?", "ideal_response": "It is not said."}],
        "event_ordering": [{"question": "What came first?", "source_chat_ids": [[0, 1], [3, 1]]}],
        "information_extraction": [{"question": "Where is the quince?", "source_chat_ids": [1, 0, 1, 99]}],
        "knowledge_update": [{"question": "How is the quince?",
                              "source_chat_ids": {"original_info": [1], "updated_info": [3]}}],
        "summarization": [{"question": "What did we plant?", "source_chat_ids": []}],
    })
}

fn write(conversation: &Path, chat_name: &str, chat: &Value, asked: &Value) {
    fs::create_dir_all(conversation.join("probing_questions")).expect("a folder is made");
    fs::write(conversation.join(chat_name), chat.to_string()).expect("the chat is written");
    fs::write(conversation.join(QUESTIONS), asked.to_string()).expect("the questions are written");
}

#[test]
fn messages_are_turns_of_their_batch_in_their_order_on_its_day() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    write(&folder.path().join("7"), "chat.json", &chat(), &asked());
    let set = read(folder.path()).expect("it is like BEAM's");
    assert!(set.memories.iter().all(|memory| memory.namespace == "eval/beam/7"));
    assert_eq!(set.memories.iter().map(|memory| &*memory.name).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let payloads: Vec<&Value> = set.memories.iter().map(|memory| &memory.payload).collect();
    assert_eq!(
        *payloads[0],
        json!({"role": "user", "content": "Where shall we plant the quince?", "thread": "batch 1", "seq": 0,
               "occurred_at": "March-15-2024"})
    );
    assert_eq!(payloads[1]["content"], "By the south wall.\n\n### Why\nIt is warm ->-> there, I think.");
    assert_eq!(
        (&payloads[2]["content"], &payloads[2]["occurred_at"]),
        (&json!("And the medlar?"), &json!("March-15-2024"))
    );
    assert_eq!(
        *payloads[3],
        json!({"role": "user", "content": "The quince has leaves.", "thread": "batch 2", "seq": 3,
               "occurred_at": "April-02-2024"})
    );
}

#[test]
fn questions_name_their_evidence_in_lists_of_any_shape() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    write(&folder.path().join("1"), "chat.json", &chat(), &asked());
    let set = read(folder.path()).expect("it is like BEAM's");
    let questions: Vec<(&str, Vec<&str>)> = set
        .questions
        .iter()
        .map(|question| (&*question.category, question.relevant.iter().map(|name| &**name).collect()))
        .collect();
    assert_eq!(
        questions,
        [
            ("abstention", vec![]),
            ("event ordering", vec!["0", "1", "3"]),
            ("information extraction", vec!["0", "1", "99"]),
            ("knowledge update", vec!["1", "3"]),
            ("summarization", vec![]),
        ]
    );
}

#[test]
fn conversations_come_by_number_and_one_may_be_named_alone() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for number in [10, 2, 1] {
        write(&folder.path().join(number.to_string()), "chat.json", &chat(), &asked());
    }
    let spaces = |set: &Set| {
        let mut spaces: Vec<String> = set.memories.iter().map(|memory| memory.namespace.clone()).collect();
        spaces.dedup();
        spaces
    };
    assert_eq!(spaces(&read(folder.path()).expect("a folder")), ["eval/beam/1", "eval/beam/2", "eval/beam/10"]);
    assert_eq!(spaces(&read(&folder.path().join("2")).expect("a conversation")), ["eval/beam/2"]);
}

#[test]
fn a_chat_that_was_shortened_is_read_as_it_is_asked_about() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut short = chat();
    short.as_array_mut().expect("batches").pop();
    write(&folder.path().join("1"), "chat_trunecated.json", &short, &asked());
    write(&folder.path().join("1"), "chat.json", &chat(), &asked());
    assert_eq!(read(folder.path()).expect("it is like BEAM's").memories.len(), 3);
}

#[test]
fn chats_of_several_plans_keep_their_batches_apart_and_shared_ids_name_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let plans = json!([{"plan-1": chat()}, {"plan-2": chat()}]);
    write(&folder.path().join("1"), "chat.json", &plans, &asked());
    let set = read(folder.path()).expect("it is like BEAM's");
    assert_eq!(set.memories.len(), 8);
    assert_eq!(set.memories[3].payload["thread"], "plan-1 batch 2");
    assert_eq!(
        (&set.memories[4].payload["thread"], &set.memories[4].payload["seq"]),
        (&json!("plan-2 batch 1"), &json!(4))
    );
    let names: std::collections::BTreeSet<&str> = set.memories.iter().map(|memory| &*memory.name).collect();
    assert_eq!(names.len(), 8, "every name is there once");
    assert!(!names.contains("0") && !names.contains("3"));
}

#[test]
fn a_folder_of_another_shape_is_refused_with_what_to_name_instead() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let refused = |path: &Path| read(path).expect_err("it has another shape");
    let remedy = |path: &Path| refused(path).remedy.unwrap_or_default();
    assert!(refused(&folder.path().join("gone")).to_string().contains("cannot be read as a folder"));
    assert!(remedy(folder.path()).contains("chat.json and probing_questions"));

    let tables = folder.path().join("tables");
    fs::create_dir_all(tables.join("data")).expect("a folder is made");
    fs::write(tables.join("data/100K-00000-of-00001.parquet"), "PAR1").expect("a file is written");
    assert!(remedy(&tables).contains("download_dataset.py"));

    let whole = folder.path().join("whole");
    write(&whole.join("chats/100K/1"), "chat.json", &chat(), &asked());
    assert!(remedy(&whole).contains("one size below"));
    assert!(remedy(&whole.join("chats")).contains("100K"));
}

#[test]
fn a_file_of_another_shape_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let refusal = |chat: &Value, asked: &Value| {
        write(&folder.path().join("1"), "chat.json", chat, asked);
        read(folder.path()).expect_err("it has another shape").to_string()
    };
    let cases = [
        (json!({}), asked(), "lacks a list of batches"),
        (json!([]), asked(), "lacks messages"),
        (json!([{"batch_number": 1, "turns": [{"id": 1}]}]), asked(), "lacks a list of messages in each turn"),
        (json!([{"batch_number": 1, "turns": [[{"id": 1, "role": "user"}]]}]), asked(), "lacks the content"),
        (json!([{"batch_number": 1, "turns": [[{"content": "x", "role": "user"}]]}]), asked(), "lacks an id"),
        (json!([{"batch_number": 1, "turns": [[{"content": "x", "id": 1}]]}]), asked(), "lacks the role"),
        (json!([{"turns": [[]]}]), asked(), "lacks a number of each batch"),
        (chat(), json!([]), "lacks questions by ability"),
        (chat(), json!({"abstention": {}}), "lacks a list of questions"),
        (chat(), json!({"abstention": [{}]}), "lacks a question"),
    ];
    for (chat, asked, what) in cases {
        let said = refusal(&chat, &asked);
        assert!(said.contains(what) && said.contains(".json is not like BEAM's"), "{said}");
    }
    write(&folder.path().join("1"), "chat.json", &chat(), &asked());
    fs::write(folder.path().join("1/chat.json"), "[").expect("the chat is written");
    assert!(read(folder.path()).expect_err("it is no JSON").to_string().contains("chat.json"));
    fs::write(folder.path().join("1/chat.json"), chat().to_string()).expect("the chat is written");
    fs::remove_file(folder.path().join("1").join(QUESTIONS)).expect("the questions are removed");
    assert!(read(folder.path()).expect_err("there are no questions").to_string().contains("cannot be read"));
}

#[test]
fn only_a_mark_at_the_end_is_left_out() {
    assert_eq!(unmarked("Where? ->-> 1,1"), "Where?");
    assert_eq!(unmarked("Where?  ->->  12,N/A "), "Where?");
    assert_eq!(unmarked("Where? ->-> 1,2, 3)"), "Where?");
    assert_eq!(unmarked("a ->-> b, and so on for ever"), "a ->-> b, and so on for ever");
    assert_eq!(unmarked("plain"), "plain");
}
