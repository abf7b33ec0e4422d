use serde_json::json;
use soma_core::ids::{LogId, Place, Timestamp};
use soma_core::log::{DeadLetter, Record};

fn record(value: &[u8]) -> Record {
    Record {
        place: Place { log: LogId::new("log"), partition: 0, offset: 7 },
        timestamp: Timestamp(0),
        key: None,
        value: Some(value.to_vec()),
        headers: vec![("trace".into(), b"\xff".to_vec()), (DeadLetter::REDRIVES.into(), b"1".to_vec())],
    }
}

#[test]
fn text_is_shown_as_text_and_other_bytes_in_base64() {
    let shown = super::record(&record("{\"a\": \"ä\"}".as_bytes()));
    assert_eq!(shown["value"], "{\"a\": \"ä\"}");
    assert_eq!(shown["key"], json!(null));
    assert_eq!(shown["headers"], json!([{ "name": "trace", "value_base64": "/w==" }]));
    let shown = super::record(&record(b"\x00\x9f"));
    assert_eq!((shown.get("value"), &shown["value_base64"]), (None, &json!("AJ8=")));
}

#[test]
fn a_letter_shows_where_it_was_redriven_to_and_a_list_shows_no_content() {
    let letter = DeadLetter {
        record: record(b"secret"),
        reason: "not_json".into(),
        error: "the value is not JSON".into(),
        component: "decoder".into(),
        event_id: None,
        first_seen: Timestamp(0),
        attempts: 1,
        redrives: 0,
    };
    let to = Place { offset: 9, ..letter.record.place.clone() };
    let shown = super::letter(&letter.redriven(&to));
    assert_eq!((&shown["source"], &shown["redriven_to"]), (&json!("log/0@7"), &json!("log/0@9")));
    assert_eq!((&shown["redrives"], &shown["value_bytes"], shown.get("value")), (&json!(1), &json!(6), None));
}
