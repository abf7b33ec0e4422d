use serde_json::json;

use super::{names, read};

#[test]
fn malformed_evidence_is_read_as_far_as_it_names_turns() {
    assert_eq!(names("D1:3"), ["D1:3"]);
    assert_eq!(names("D8:6; D9:17"), ["D8:6", "D9:17"]);
    assert_eq!(names("D30:05"), ["D30:5"]);
    assert_eq!(names("D:11:26"), ["D11:26"]);
    assert!(names("D").is_empty() && names("D4").is_empty() && names("").is_empty());
}

#[test]
fn a_turn_becomes_a_memory_of_its_session() {
    let file = json!([{
        "sample_id": "c1",
        "conversation": {
            "session_2": [{"speaker": "Noor", "dia_id": "D2:1", "text": "Found it.", "blip_caption": "a key"}],
            "session_2_date_time": "9:00 am on 2 May, 2024",
            "session_1": [{"speaker": "Ida", "dia_id": "D1:1", "text": "I lost my key."}],
            "session_1_date_time": "8:00 am on 1 May, 2024",
        },
        "qa": [
            {"question": "Who found the key?", "evidence": ["D2:01", "D2:1"], "category": 4},
            {"question": "Why?", "evidence": []},
        ],
    }]);
    let set = read(file.to_string().as_bytes()).expect("it is like the data set");
    let names: Vec<&str> = set.memories.iter().map(|memory| memory.name.as_str()).collect();
    assert_eq!(names, ["D1:1", "D2:1"]);
    assert_eq!(set.memories[1].namespace, "eval/locomo/c1");
    let payload = json!({
        "actor": "Noor", "text": "Found it.", "caption": "a key",
        "thread": "session 2", "seq": 1, "occurred_at": "2 May, 2024",
    });
    assert_eq!(set.memories[1].payload, payload);
    assert_eq!(
        (set.questions[0].relevant.as_slice(), &*set.questions[0].category),
        (&["D2:1".to_owned()][..], "single-hop")
    );
    assert_eq!((set.questions[1].relevant.len(), &*set.questions[1].category), (0, "other"));
}

#[test]
fn another_file_is_refused_by_what_it_lacks() {
    for (file, lacks) in
        [("{}", "a list of samples"), ("[{}]", "a conversation"), (r#"[{"conversation": {}}]"#, "questions")]
    {
        let error = read(file.as_bytes()).expect_err(file);
        assert!(error.to_string().contains(lacks), "{error}");
    }
}
