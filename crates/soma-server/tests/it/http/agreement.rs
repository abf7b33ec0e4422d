//! What the document calls valid is accepted, and what it calls invalid is refused: at the edges that a
//! fuzzer seldom meets.

use jsonschema::Draft;
use serde_json::{Value, json};

use crate::harness::{Reply, Server};

struct World {
    server: Server,
    document: Value,
}

impl World {
    fn new() -> Self {
        let server = Server::start_with(&[("MEMORY_VECTOR_DIM", "64")]);
        let document = server.get("/openapi.json").json();
        Self { server, document }
    }

    /// Whether the document takes a value where this schema stands.
    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let schema = json!({ "components": self.document["components"], "allOf": [schema] });
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        options.build(&schema).expect("the document holds schemas").is_valid(value)
    }

    fn body(&self, path: &str) -> &Value {
        &self.document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    }

    fn parameter(&self, path: &str, name: &str) -> &Value {
        let all = self.document["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let found = all.iter().find(|parameter| parameter["name"] == name).expect("the parameter");
        if found["content"].is_null() { &found["schema"] } else { &found["content"]["application/json"]["schema"] }
    }

    /// Both judge a body alike; answers with what they say.
    fn posts(&self, path: &str, body: &Value) -> bool {
        let valid = self.is_valid(self.body(path), body);
        agreed(valid, &self.server.post(path, body), &body.to_string());
        valid
    }

    /// Both judge a parameter alike.
    fn asks(&self, path: &str, name: &str, text: &str) -> bool {
        let schema = self.parameter(path, name);
        let whole = text.parse::<i64>().ok().filter(|number| schema["type"] == "integer" && number.to_string() == text);
        let valid = self.is_valid(schema, &whole.map_or_else(|| json!(text), |number| json!(number)));
        let target = match path.contains(&format!("{{{name}}}")) {
            true => path.replace(&format!("{{{name}}}"), &encoded(text)),
            false => format!("{path}?{name}={}", encoded(text)),
        };
        agreed(valid, &self.server.get(&target), &format!("{target} ({text:?})"));
        valid
    }
}

fn agreed(valid: bool, reply: &Reply, what: &str) {
    // What is well-formed and not there is no fault of its form.
    let accepted = matches!(reply.status, 200..=299 | 404);
    let refused = matches!(reply.status, 400 | 413 | 422);
    assert!(accepted || refused, "{what}: {} {}", reply.status, reply.text);
    assert_eq!(accepted, valid, "{what}: the document says valid={valid}, the server {}", reply.text);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// How many of the judgements were that it is valid; both kinds must occur, or the test tests nothing.
fn both_kinds(judged: impl IntoIterator<Item = bool>) {
    let judged: Vec<bool> = judged.into_iter().collect();
    assert!(judged.contains(&true) && judged.contains(&false), "{judged:?}");
}

const HYPHENATED: &str = "0190b8a0-0000-7000-8000-00000000000A";

fn ids() -> Vec<String> {
    let plain = HYPHENATED.replace('-', "");
    let odd = format!("{}-{}", &plain[..8], &plain[8..]);
    vec![
        HYPHENATED.to_owned(),
        plain.clone(),
        format!("{{{HYPHENATED}}}"),
        format!("urn:uuid:{HYPHENATED}"),
        format!("URN:uuid:{HYPHENATED}"),
        odd,
        format!("{{{plain}}}"),
        format!("urn:uuid:{plain}"),
        format!(" {HYPHENATED}"),
        format!("{}-", &HYPHENATED[..35]),
        "x".to_owned(),
    ]
}

#[test]
fn ids_in_paths_and_cursors() {
    let world = World::new();
    for path in ["/v1/memories/{id}", "/v1/memories/{id}/history"] {
        both_kinds(ids().iter().map(|id| world.asks(path, "id", id)));
    }
    both_kinds(ids().iter().map(|id| world.asks("/v1/points", "cursor", id)));
}

#[test]
fn texts_and_numbers_of_the_query_string() {
    let world = World::new();
    let texts = ["", "a", "ü/\u{85}\n", "\0", "a\0b", "\u{fffd}"];
    for (path, name) in [
        ("/v1/memories", "namespace_prefix"),
        ("/v1/memories", "namespace"),
        ("/v1/namespaces", "prefix"),
        ("/v1/namespaces", "cursor"),
        ("/v1/dead-letters", "reason"),
    ] {
        both_kinds(texts.map(|text| world.asks(path, name, text)));
    }
    let numbers = ["1", "1000", "0", "1001", "01", "+1", "1.0", "1e2", "-1", "", " 1", "99999999999999999999"];
    for path in ["/v1/memories", "/v1/namespaces", "/v1/points", "/v1/dead-letters"] {
        both_kinds(numbers.map(|text| world.asks(path, "limit", text)));
    }
    both_kinds(["0", "30000", "30001", "00", "+0"].map(|text| world.asks("/v1/stats", "wait_ms", text)));
    let cursor = format!("n0000000000000001.-.{}", HYPHENATED.replace('-', "").to_lowercase());
    both_kinds(
        [cursor.as_str(), &cursor.to_uppercase(), &cursor[1..]].map(|c| world.asks("/v1/memories", "cursor", c)),
    );
}

#[test]
fn places_of_dead_letters() {
    let world = World::new();
    let places = [
        "0",
        "12",
        "01",
        "+1",
        "999999999999999999",
        "1000000000000000000",
        "0190b8a0-0000-7000-8000-000000000001/0@7",
        "MkU3OEVBNTcwNTJENDM2Qg/memory.events#1/2@41",
        "log/999999999@1",
        "log/1000000000@1",
        "log/01@1",
        "/0@1",
        "a b/0@1",
        "log/0@",
    ];
    both_kinds(places.map(|place| world.asks("/v1/dead-letters/{source}", "source", place)));
    both_kinds(places.map(|place| world.asks("/v1/dead-letters", "cursor", place)));
    both_kinds(places.map(|place| world.posts("/v1/dead-letters/redrive", &json!({ "source": place }))));
}

#[test]
fn coordinates_as_text() {
    let world = World::new();
    let (many, too_many) = (vec!["1"; 1_024].join(","), vec!["1"; 1_025].join(","));
    let (long, too_long) = ("9".repeat(200), "9".repeat(201));
    let texts = [
        "1.0,2.5",
        " 1 , -2e3",
        "+.5",
        "1.",
        "1e-99",
        "1e300",
        "9.9e307",
        "1e308",
        "12e100",
        "1e0300",
        "1e400",
        "",
        ",",
        "1,,2",
        "1 2",
        "inf",
        "NaN",
        "0x1",
        "1e",
        ".",
        "-",
        "\t1",
        &many,
        &too_many,
        &long,
        &too_long,
    ];
    both_kinds(texts.map(|text| world.posts("/v1/memories", &json!({ "payload": 1, "coordinate": text }))));
    let arrays = [json!([1, -0.0, 1e308]), json!([]), json!([1, "2"]), json!([null]), json!(vec![1; 1_025])];
    both_kinds(arrays.map(|numbers| world.posts("/v1/memories", &json!({ "payload": 1, "coordinate": numbers }))));
}

#[test]
fn questions() {
    let world = World::new();
    let unit = |x: f64| [vec![x], vec![0.0; 63]].concat();
    let longest = "ü".repeat(65_536);
    let questions = [
        json!({ "query": "a" }),
        json!({ "query": "" }),
        json!({ "query": " \u{85}\u{2003}\u{3000}" }),
        json!({ "query": "\u{feff}" }),
        json!({ "query": "\u{1c}" }),
        json!({ "query": "a\0" }),
        json!({ "query": longest }),
        json!({ "query": format!("{longest}u") }),
        json!({ "embedding": unit(1.0) }),
        json!({ "embedding": unit(0.0) }),
        json!({ "embedding": unit(1e-30) }),
        json!({ "embedding": unit(9e-31) }),
        json!({ "embedding": unit(-1e38) }),
        json!({ "embedding": unit(1.1e38) }),
        json!({ "embedding": [1.0] }),
        json!({ "embedding": unit(1.0), "mode": "lexical" }),
        json!({ "embedding": null, "query": "a", "mode": null, "after": null }),
        json!({ "query": "a", "boost": { "recency_half_life_days": 1e-300 } }),
        json!({ "query": "a", "boost": { "recency_half_life_days": 0 } }),
        json!({ "query": "a", "boost": {}, "mode": "dense" }),
        json!({ "query": "a", "boost": null, "mode": "dense" }),
        json!({ "query": "a", "namespace_prefix": "\u{1}" }),
        json!({ "query": "a", "namespace_prefix": "\0" }),
        json!({ "query": "a", "namespace_prefix": "", "namespace": null }),
        json!({ "query": "a", "top_k": 1.0 }),
        json!({ "query": "a", "top_k": 1.5 }),
    ];
    both_kinds(questions.iter().map(|question| world.posts("/v1/recall", question)));
}

/// Times, as they are spelled and as they are not.
const TIMES: &[&str] = &[
    "2024-06-01T14:00:00Z",
    "2024-06-01t14:00:00.123456z",
    "2024-06-01T14:00:00.1234567Z",
    "2024-06-01T14:00:00.1234560Z",
    "2024-06-01 14:00:00Z",
    "2024-06-01T14:00:00",
    "2024-06-01T14:00Z",
    "20240601T140000Z",
    "2024-06-01T14:00:00+02:00",
    "2024-06-01T14:00:00+0200",
    "2024-06-01T14:00:00,5Z",
    "2024-02-30T14:00:00Z",
    "0000-06-01T14:00:00Z",
    "0001-06-01T14:00:00Z",
    "9999-06-01T14:00:00Z",
    "-000001-06-01T14:00:00Z",
];

#[test]
fn filters() {
    let world = World::new();
    let field = |path: &str, test: Value| {
        let mut filter = test;
        filter["field"] = path.into();
        filter
    };
    let mut all: Vec<Value> = ids().iter().map(|id| field("id", json!({ "in": [id] }))).collect();
    all.extend(ids().iter().map(|id| field("\"event_id\"", json!({ "eq": id }))));
    for path in [
        "payload",
        "\"payload\".a",
        "payload.\"a.b\"",
        "payload.\"\"",
        "payload.",
        "payload..a",
        "payload.a[0]",
        "payload.a\"b",
        "payload.\"a\"b",
        "payload.\"\\\"\\\\\"",
        "payload.\"\\n\"",
        "id.a",
        "nothing",
        "",
        "\"version\"",
    ] {
        all.push(field(path, json!({ "exists": true })));
    }
    for time in TIMES {
        all.push(field("updated_at", json!({ "gte": time })));
    }
    for number in [json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_993_i64), json!(-1e300), json!(1.5)] {
        all.push(field("payload.n", json!({ "lt": number })));
        all.push(field("version", json!({ "eq": number })));
    }
    all.extend([
        field("id", json!({ "gt": HYPHENATED })),
        field("payload", json!({})),
        field("payload", json!({ "in": [] })),
        field("payload", json!({ "eq": [] })),
        field("payload", json!({ "eq": null, "exists": null })),
        field("payload.a", json!({ "in": vec![1; 256] })),
        field("payload.a", json!({ "in": vec![1; 257] })),
        json!({ "and": [] }),
        json!({ "not": { "field": "namespace", "eq": "a\nb" } }),
        json!({ "or": [{ "field": "payload", "exists": false }], "and": [] }),
        json!([]),
    ]);
    both_kinds(all.iter().map(|filter| world.posts("/v1/recall", &json!({ "query": "a", "filter": filter }))));
    both_kinds(all.iter().map(|filter| {
        let valid = world.is_valid(world.parameter("/v1/memories", "filter"), filter);
        let target = format!("/v1/memories?filter={}", encoded(&filter.to_string()));
        agreed(valid, &world.server.get(&target), &filter.to_string());
        valid
    }));
}

#[test]
fn keys_and_traces_in_headers() {
    let world = World::new();
    let parameters = world.document["paths"]["/v1/memories"]["post"]["parameters"].as_array().expect("parameters");
    for (name, values) in [
        ("Idempotency-Key", &["a", "a b", "a\tb", "~!", ""][..]),
        ("traceparent", &["", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "a\tb"]),
    ] {
        let schema = &parameters.iter().find(|parameter| parameter["name"] == name).expect("the header")["schema"];
        for value in values {
            let valid = world.is_valid(schema, &json!(value));
            let reply = world.server.send("POST", "/v1/memories", &[(name, value)], br#"{"payload":1}"#);
            agreed(valid, &reply, &format!("{name}: {value:?}"));
        }
    }
}

#[test]
fn lines_of_a_batch() {
    let world = World::new();
    for path in ["/v1/memories/batch", "/v1/events"] {
        let content = &world.document["paths"][path]["post"]["requestBody"]["content"];
        let schema = &content["application/x-ndjson"]["schema"];
        both_kinds(["", " \n\t\r\n\u{c}", "x", "{\"payload\":1}\n\n{\"payload\":2}", "\u{85}"].map(|text| {
            let valid = world.is_valid(schema, &json!(text));
            let headers = [("content-type", "application/x-ndjson")];
            agreed(valid, &world.server.send("POST", path, &headers, text.as_bytes()), &format!("{path}: {text:?}"));
            valid
        }));
    }
}
