//! The corpus of `schemas/corpus`: every reader and writer is held to the same files.

use serde_json::{Value, json};
use soma_core::error::Error;
use soma_core::event::codec::{decode, encode, identity};
use soma_core::event::derive::{self, Coordinate, Idempotency};
use soma_core::event::{Event, build};
use soma_core::ids::{EventId, LogId, Namespace, Place};
use soma_core::log::Record;
use soma_core::{json as text, limits};

use crate::codec_property::{holds_for, record};

const KEY: &str = "0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b";

fn file(name: &str) -> Value {
    let text = match name {
        "events.json" => include_str!("../../../../schemas/corpus/events.json"),
        "records.json" => include_str!("../../../../schemas/corpus/records.json"),
        "canonical.json" => include_str!("../../../../schemas/corpus/canonical.json"),
        "derived.json" => include_str!("../../../../schemas/corpus/derived.json"),
        _ => include_str!("../../../../schemas/memory.event.json"),
    };
    serde_json::from_str(text).expect("the file is JSON")
}

fn cases(file: &Value) -> &[Value] {
    file.as_array().expect("a list of cases")
}

fn string<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} is a string in {case}"))
}

fn index(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap_or_else(|| panic!("{name} is an integer in {case}"))
}

/// The bytes that a case spells; `None` for no value at all.
fn bytes(spelled: &Value) -> Option<Vec<u8>> {
    let (how, what) = spelled.as_object()?.iter().next().expect("one way to spell it");
    Some(match how.as_str() {
        "json" => what.to_string().into_bytes(),
        "text" => what.as_str().expect("a text").as_bytes().to_vec(),
        "base64" => base64(what.as_str().expect("a text")),
        "parts" => what.as_array().expect("a list").iter().flat_map(part).collect(),
        other => panic!("a value is not spelled by {other}"),
    })
}

fn part(part: &Value) -> Vec<u8> {
    if let Some(text) = part.as_str() {
        return text.as_bytes().to_vec();
    }
    let times = usize::try_from(part["repeat"][1].as_u64().expect("a count")).expect("a small count");
    part["repeat"][0].as_str().expect("a text").repeat(times).into_bytes()
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(c);
    let bits: Vec<usize> = text.chars().map_while(digit).flat_map(|d| (0..6).rev().map(move |i| d >> i & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |n, bit| n << 1 | u8::from(*bit == 1))).collect()
}

fn refusal(error: &Error) -> Value {
    match &error.field {
        Some(field) => json!({"code": error.code.as_str(), "field": field}),
        None => json!({"code": error.code.as_str()}),
    }
}

/// What a reading came to, in the words of the corpus.
fn verdict(result: Result<&Event, &Error>, case: &Value) -> Value {
    let event = match result {
        Err(error) => return refusal(error),
        Ok(event) => event,
    };
    let understood: Value = serde_json::from_slice(&encode(event)).expect("JSON");
    let expected = match case.get("event") {
        Some(event) => event.clone(),
        None => serde_json::from_slice(&bytes(&case["value"]).expect("a value")).expect("JSON"),
    };
    // Compared as text, because `1` and `1.0` are different spellings.
    if text::canonical(&understood) == serde_json::to_string(&sorted(&expected)).expect("JSON") {
        return json!("ok");
    }
    json!({"understood": understood, "expected": expected})
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&fields[key]))).collect())
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar.clone(),
    }
}

/// Compares every case and reports all differences at once.
fn compare(file: &Value, wanted: &str, judge: impl Fn(&Value) -> Value) {
    let differences: Vec<String> = cases(file)
        .iter()
        .map(|case| (case, judge(case)))
        .filter(|(case, got)| got != &case[wanted])
        .map(|(case, got)| format!("{}: {wanted} is {}, got {got}", case["name"], case[wanted]))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn default_record(case: &Value) -> Record {
    record(Some(KEY.as_bytes()), bytes(&case["value"]).as_deref())
}

#[test]
fn a_strict_builder_says_of_every_value_what_the_corpus_says() {
    compare(&file("events.json"), "strict", |case| {
        let bytes = bytes(&case["value"]).expect("a value");
        verdict(build::strict_bytes(&bytes, limits::VALUE_BYTES_DEFAULT).as_ref(), case)
    });
}

#[test]
fn a_builder_of_parsed_values_agrees_with_one_of_bytes() {
    for case in cases(&file("events.json")) {
        let bytes = bytes(&case["value"]).expect("a value");
        let Ok(value) = text::parse(&bytes) else { continue };
        let (of_value, of_bytes) = (build::strict(&value), build::strict_bytes(&bytes, usize::MAX));
        match (of_value, of_bytes) {
            (Ok(a), Ok(b)) => assert_eq!(a, b, "{}", case["name"]),
            (Err(a), Err(b)) => assert_eq!(refusal(&a), refusal(&b), "{}", case["name"]),
            (a, b) => panic!("{}: {a:?} but {b:?}", case["name"]),
        }
    }
}

#[test]
fn a_tolerant_reader_says_of_every_value_what_the_corpus_says() {
    compare(&file("events.json"), "read", |case| {
        let read = decode(&default_record(case), limits::VALUE_BYTES_DEFAULT);
        verdict(read.as_ref().map(|entry| &entry.event).map_err(|refused| &refused.error), case)
    });
}

#[test]
fn a_reader_says_of_every_record_what_the_corpus_says() {
    compare(&file("records.json"), "read", |case| {
        let mut record = record(bytes(&case["key"]).as_deref(), bytes(&case["value"]).as_deref());
        for header in case["headers"].as_array().into_iter().flatten() {
            let value = header[1].as_str().map(|text| text.as_bytes().to_vec()).or_else(|| bytes(&header[1]));
            record.headers.push((header[0].as_str().expect("a text").into(), value.expect("a value")));
        }
        let read = decode(&record, limits::VALUE_BYTES_DEFAULT);
        if let Ok(entry) = &read {
            let place = case.get("place").map_or(record.place.clone(), place);
            assert_eq!(entry.place, place, "{}", case["name"]);
            assert_eq!(identity(&record), entry.event.event_id, "{}", case["name"]);
            let content = case["event"]["type"] != "deleted" && case["erased"] != true;
            assert_eq!(entry.event.content.is_some(), content, "{}", case["name"]);
        }
        verdict(read.as_ref().map(|entry| &entry.event).map_err(|refused| &refused.error), case)
    });
}

fn place(value: &Value) -> Place {
    Place {
        log: LogId::new(string(value, "log")),
        partition: u32::try_from(index(value, "partition")).expect("32 bits"),
        offset: index(value, "offset"),
    }
}

#[test]
fn the_schema_and_the_strict_builder_agree_but_for_what_a_schema_cannot_say() {
    let schema = file("memory.event.json");
    jsonschema::meta::validate(&schema).expect("the schema is a schema");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema of draft 7");
    let file = file("events.json");
    let differences: Vec<String> = cases(&file)
        .iter()
        .filter_map(|case| {
            let accepts = case.get("schema").unwrap_or(&case["strict"]);
            let wanted = accepts == "accepts" || accepts == "ok";
            assert!(case.get("schema").is_none_or(|s| s == "accepts" && case["strict"] != "ok"), "{}", case["name"]);
            let value = serde_json::from_slice(&bytes(&case["value"]).expect("a value"));
            let got = value.is_ok_and(|value: Value| validator.is_valid(&value));
            (got != wanted).then(|| format!("{}: the schema accepts it: {got}", case["name"]))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_invariants_of_the_codec_hold_for_every_value_and_record() {
    for case in cases(&file("events.json")).iter().chain(cases(&file("records.json"))) {
        if let Some(bytes) = bytes(&case["value"]) {
            holds_for(&bytes);
        }
    }
}

#[test]
fn names_of_cases_are_unique_and_there_are_many() {
    let (events, records) = (file("events.json"), file("records.json"));
    let names: Vec<&str> = cases(&events).iter().chain(cases(&records)).map(|case| string(case, "name")).collect();
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(names.len() >= 60);
}

#[test]
fn json_is_written_in_the_spelling_of_the_corpus() {
    compare(&file("canonical.json"), "canonical", |case| {
        json!(text::canonical(&text::parse(string(case, "text").as_bytes()).expect("JSON")))
    });
}

#[test]
fn derived_ids_are_those_of_the_corpus() {
    let file = file("derived.json");
    let namespace = |case: &Value| Namespace::parse(string(case, "namespace")).expect("valid");
    assert_eq!(derive::NAMESPACE.to_string(), string(&file, "namespace_uuid"));
    for case in cases(&file["coordinate"]) {
        let coordinate = Coordinate::parse(string(case, "coordinate")).expect("valid");
        assert_eq!(derive::coordinate_id(&namespace(case), &coordinate).to_string(), case["id"], "{case}");
    }
    for case in cases(&file["idempotency"]) {
        let request = Idempotency {
            namespace: &namespace(case),
            method: string(case, "method"),
            target: string(case, "target"),
            item: usize::try_from(index(case, "item")).expect("small"),
            key: string(case, "key"),
        };
        assert_eq!(request.event_id().to_string(), case["event_id"], "{case}");
        assert_eq!(request.memory_id().to_string(), case["memory_id"], "{case}");
    }
    for case in cases(&file["tombstone"]) {
        assert_eq!(derive::tombstone_id(&place(case)).to_string(), case["event_id"], "{case}");
    }
    for case in cases(&file["import"]) {
        let (namespace, occurrence) = (namespace(case), index(case, "occurrence"));
        let canonical = text::canonical(&text::parse(string(case, "json").as_bytes()).expect("JSON"));
        assert_eq!(canonical, case["canonical"], "{case}");
        let (event, memory) = (
            derive::import_event_id(&namespace, &canonical, occurrence),
            derive::import_memory_id(&namespace, &canonical, occurrence),
        );
        assert_eq!(
            (event.to_string(), memory.to_string()),
            (string(case, "event_id").into(), string(case, "memory_id").into())
        );
    }
    for case in cases(&file["restore"]) {
        let shown = EventId::parse(string(case, "shown")).expect("valid");
        assert_eq!(derive::restored_event_id(shown).to_string(), case["event_id"], "{case}");
    }
    for case in cases(&file["record"]) {
        let key = case["key"].as_str().map(str::as_bytes);
        let unreadable = record(key, Some(string(case, "value").as_bytes()));
        assert_eq!(identity(&unreadable).to_string(), case["event_id"], "{case}");
    }
}
