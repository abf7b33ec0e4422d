//! The corpus through the journal: what a reader says of a value, it says of what the journal kept.

use serde_json::Value;
use soma_core::event::codec;
use soma_core::limits;
use soma_core::log::NewRecord;

use super::{append, folder, open, read_all};

/// The bytes of a value as the corpus spells them; `None` for spellings that are tried elsewhere.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    if let Some(json) = value.get("json") {
        return Some(json.to_string().into_bytes());
    }
    value.get("text").and_then(Value::as_str).map(|text| text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_reader_says_of_what_the_journal_kept_what_the_corpus_says() {
    let corpus = include_str!("../../../../../schemas/corpus/events.json");
    let cases: Vec<Value> = serde_json::from_str(corpus).expect("the corpus is JSON");
    let cases: Vec<_> = cases.iter().filter_map(|case| Some((case, bytes(&case["value"])?))).collect();
    assert!(cases.len() >= 60, "only {} cases of the corpus are tried", cases.len());
    let key = cases.iter().find_map(|(case, _)| case["value"]["json"]["id"].as_str()).expect("a case with an id");

    let folder = folder();
    let records = cases.iter().map(|(_, value)| NewRecord {
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.clone()),
        headers: Vec::new(),
        event_id: None,
    });
    let journal = open(folder.path()).expect("an empty folder opens");
    append(&journal, records.collect()).await;
    drop(journal);

    let journal = open(folder.path()).expect("the folder opens again");
    let kept = read_all(&journal).await;
    assert_eq!(kept.len(), cases.len());
    for ((case, value), record) in cases.iter().zip(&kept) {
        assert_eq!(record.value.as_ref(), Some(value), "{}", case["name"]);
        let read = codec::decode(record, limits::VALUE_BYTES_DEFAULT);
        let code = read.err().map(|refused| refused.error.code.as_str());
        assert_eq!(code, case["read"]["code"].as_str(), "{}", case["name"]);
    }
}
