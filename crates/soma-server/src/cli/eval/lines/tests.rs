use super::*;

fn refusal(corpus: &str, queries: &str) -> (String, String) {
    let error = read(corpus.as_bytes(), queries.as_bytes()).expect_err("a line is not as it should be");
    (error.message.clone(), error.remedy.unwrap_or_default())
}

#[test]
fn memories_and_questions_are_read_with_what_they_leave_out() {
    let corpus = r#"{"id": "key", "payload": "With Mrs Adeyemi.", "lang": "en"}

        {"id": 7, "namespace": "house", "payload": {"text": "Blue."}}"#;
    let queries = r#"{"query": "Who has the key?", "relevant": ["key", "key"]}
        {"query": "Which colour?", "relevant": [7], "namespace": "house", "category": 3}
        {"query": "Nobody knows?", "relevant": []}"#;
    let set = read(corpus.as_bytes(), queries.as_bytes()).expect("every line is as it should be");
    let memories: Vec<(&str, &str)> = set.memories.iter().map(|m| (&*m.namespace, &*m.name)).collect();
    assert_eq!(memories, [("eval", "key"), ("house", "7")]);
    let questions: Vec<(&str, &[String], &str)> =
        set.questions.iter().map(|q| (&*q.namespace, &*q.relevant, &*q.category)).collect();
    assert_eq!(
        questions,
        [
            ("eval", &["key".to_owned()][..], "questions"),
            ("house", &["7".to_owned()][..], "3"),
            ("eval", &[][..], "questions"),
        ]
    );
}

#[test]
fn a_line_of_another_shape_is_named_with_what_a_line_looks_like() {
    let (good, asked) = (r#"{"id": "a", "payload": "x"}"#, r#"{"query": "x?", "relevant": ["a"]}"#);
    for (line, what) in [
        ("[]", "line 2 of the corpus is not an object"),
        (r#"{"payload": "x"}"#, "line 2 of the corpus: id is missing"),
        (r#"{"id": ["a"], "payload": "x"}"#, "line 2 of the corpus: id is neither a string nor a number"),
        (r#"{"id": "b"}"#, "line 2 of the corpus: payload is missing"),
        (r#"{"id": "b", "payload": "x", "namespace": 1}"#, "line 2 of the corpus: namespace is not a string"),
        (asked, "line 2 of the corpus: payload is missing"),
    ] {
        let (message, remedy) = refusal(&format!("{good}\n{line}"), asked);
        assert_eq!(message, what);
        assert!(remedy.contains(r#"{"id": "a1", "payload""#), "{remedy}");
    }
    for (line, what) in [
        (r#"{"relevant": ["a"]}"#, "line 2 of the queries: query is missing"),
        (r#"{"query": " ", "relevant": ["a"]}"#, "line 2 of the queries: query is empty"),
        (r#"{"query": "x?"}"#, "line 2 of the queries: relevant is missing"),
        (r#"{"query": "x?", "relevant": "a"}"#, "line 2 of the queries: relevant is not a list of ids"),
        (
            r#"{"query": "x?", "relevant": [null]}"#,
            "line 2 of the queries: an id of relevant is neither a string nor a number",
        ),
    ] {
        let (message, remedy) = refusal(good, &format!("{asked}\n{line}"));
        assert_eq!(message, what);
        assert!(remedy.contains(r#"{"query": "…", "relevant""#), "{remedy}");
    }
    let (message, remedy) = refusal(good, r#"{"query": "x?", "relevant": ["b"]}"#);
    assert!(message.contains("is named b") && remedy == "name memories of the corpus", "{message}; {remedy}");
}
