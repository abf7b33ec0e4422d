//! The corpus through HTTP: what a strict builder says of a value, the API says too.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::Server;

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

#[test]
fn the_api_says_of_every_value_what_the_corpus_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/corpus/events.json");
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(file).expect("the corpus is there")).expect("it is JSON");
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
