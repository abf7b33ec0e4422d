//! The corpus through HTTP and import: what a strict builder says of a value, they say too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Server, run, text};

/// The bytes of a value as the corpus spells them; `None` for spellings that a body cannot carry.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    if let Some(json) = value.get("json") {
        return Some(json.to_string().into_bytes());
    }
    if let Some(text) = value.get("text") {
        return text.as_str().map(|text| text.as_bytes().to_vec());
    }
    let part = |part: &Value| {
        if let Value::String(text) = part {
            return Some(text.clone());
        }
        let repeat = part.get("repeat")?.as_array()?;
        Some(repeat.first()?.as_str()?.repeat(usize::try_from(repeat.get(1)?.as_u64()?).ok()?))
    };
    let parts = value.get("parts")?.as_array()?;
    parts.iter().map(part).collect::<Option<String>>().map(String::into_bytes)
}

fn corpus() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/corpus/events.json");
    serde_json::from_slice(&fs::read(file).expect("the corpus is there")).expect("it is JSON")
}

/// Whether an import takes a line for an event; else it is a payload, whatever it holds.
fn is_event(line: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    value.get("event_id").is_some() && value.get("type").is_some()
}

#[test]
fn an_import_says_of_every_line_what_the_corpus_says() {
    let folder = tempfile::tempdir().expect("a directory");
    let lines: Vec<(Value, Vec<u8>)> =
        corpus().into_iter().filter_map(|case| Some((case["strict"].clone(), bytes(&case["value"])?))).collect();
    let one_line = |line: &[u8]| !line.contains(&b'\n') && !line.trim_ascii().is_empty();
    let lines: Vec<_> = lines.into_iter().filter(|(_, line)| one_line(line)).collect();
    let file = folder.path().join("lines.jsonl");
    fs::write(&file, lines.iter().map(|(_, line)| line.as_slice()).collect::<Vec<_>>().join(&b'\n')).expect("a file");
    let output = run(&folder.path().join("data"), &["import", file.to_str().expect("a path")]);
    let said = text(&output.stderr);
    let refused: BTreeSet<usize> =
        said.lines().filter_map(|line| line.split("line ").nth(1)?.split(':').next()?.parse().ok()).collect();

    let mut tried = 0;
    for (number, (strict, line)) in (1..).zip(&lines) {
        let parses = serde_json::from_slice::<Value>(line).is_ok();
        if strict == "ok" {
            // These share event and memory, so that the log may hold another one already.
            continue;
        }
        let of_an_event = matches!(strict["code"].as_str(), Some("schema" | "type_unknown"));
        let wanted = !(of_an_event && parses && !is_event(line));
        assert_eq!(refused.contains(&number), wanted, "{strict}: {}\n{said}", String::from_utf8_lossy(line));
        tried += usize::from(wanted);
    }
    assert!(tried >= 60, "only {tried} refusals of the corpus were tried");
}

#[test]
fn the_api_says_of_every_value_what_the_corpus_says() {
    let cases = corpus();
    let server = Server::start();
    let mut tried = 0;
    for case in &cases {
        let (name, strict) = (&case["name"], &case["strict"]);
        let Some(value) = bytes(&case["value"]) else { continue };
        // A line holds one value whatever it is, as long as it is one line.
        if value.contains(&b'\n') || value.trim_ascii().is_empty() {
            continue;
        }
        tried += 1;
        let reply = server.send("POST", "/v1/events", &[("content-type", "application/x-ndjson")], &value);
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        let item = &reply.json()["items"][0];
        let code = item["error"]["code"].as_str();
        if strict == "ok" {
            // Cases share event and memory, so all but the first are told that they are taken.
            assert!(matches!(code, None | Some("idempotency_conflict" | "namespace_mismatch")), "{name}: {item}");
        } else {
            assert_eq!(code, strict["code"].as_str(), "{name}: {item}");
            assert_eq!(item["error"]["field"], strict["field"], "{name}: {item}");
        }
    }
    assert!(tried >= 60, "only {tried} cases of the corpus were tried");
}
