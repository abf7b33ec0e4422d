//! The shapes that several routes share, as JSON Schema, with the bounds of [`limits`].
//!
//! A shape that one route alone has stands beside that route's handler.

use serde_json::{Map, Value, json};
use soma_core::error::Code;
use soma_core::limits;

use super::Facts;

/// A reference to a shape of [`components`].
pub(in crate::http) fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// That shape, or null: which is the same as leaving the field out.
pub(in crate::http) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// An object with these fields and no others.
pub(in crate::http) fn closed(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// An answer that is an object with these fields, all of them there.
pub(in crate::http) fn answer(properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "additionalProperties": false, "required": names, "properties": properties })
}

/// An object that has all of these fields, and perhaps some of those.
pub(in crate::http) fn answer_with(properties: Value, optional: Value) -> Value {
    let mut whole = answer(properties);
    if let (Some(all), Value::Object(more)) = (whole["properties"].as_object_mut(), optional) {
        all.extend(more);
    }
    whole
}

/// A page of such items.
pub(in crate::http) fn page(item: Value) -> Value {
    answer(json!({
        "items": { "type": "array", "items": item },
        "next_cursor": { "type": ["string", "null"], "description": "where the next page begins; null on the last one" },
    }))
}

/// A whole number, at least 0.
pub(in crate::http) fn count(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

/// A number within the bounds of an event.
pub(in crate::http) fn number() -> Value {
    json!({ "type": "number", "minimum": -limits::NUMBER_ABS_MAX, "maximum": limits::NUMBER_ABS_MAX })
}

/// A vector that a writer brings along.
pub(in crate::http) fn embedding() -> Value {
    json!({
        "type": "array", "maxItems": limits::EMBEDDING_LEN_MAX, "items": number(),
        "description": "a vector for the payload; used when its length and model_revision are those of the index",
    })
}

/// The largest magnitude of a number of a vector that asks, well within single precision.
pub(in crate::http) const QUERY_ABS_MAX: f64 = 1e38;
/// What the largest of them must reach, so that the vector points somewhere.
pub(in crate::http) const QUERY_ABS_MIN: f64 = 1e-30;

/// A vector that asks: of the index's length, and pointing somewhere in single precision.
fn query_vector(dims: usize) -> Value {
    json!({
        "type": "array", "minItems": dims, "maxItems": dims,
        "items": { "type": "number", "minimum": -QUERY_ABS_MAX, "maximum": QUERY_ABS_MAX },
        "contains": { "anyOf": [
            { "type": "number", "minimum": QUERY_ABS_MIN }, { "type": "number", "maximum": -QUERY_ABS_MIN },
        ] },
        "description": "a question as a vector, made by the model that filled the index",
    })
}

/// How much a memory matters.
pub(in crate::http) fn importance() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": limits::NUMBER_ABS_MAX, "description": "how much it matters" })
}

/// Which model made a vector.
pub(in crate::http) fn model_revision() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": limits::MODEL_REVISION_CHARS_MAX,
        "pattern": NO_NUL, "description": "which model made embedding",
    })
}

/// Any JSON within the bounds of an event.
fn any() -> Value {
    json!({
        "description": format!("any JSON, null included, at most {} levels deep with what holds it", limits::DEPTH_MAX),
        "anyOf": [
            { "type": ["null", "boolean"] },
            number(),
            text(),
            { "type": "array", "items": of("Json") },
            { "type": "object", "additionalProperties": of("Json"), "propertyNames": text() },
        ],
    })
}

/// A text without U+0000, which no store can hold.
pub(in crate::http) fn text() -> Value {
    json!({ "type": "string", "pattern": NO_NUL })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A filter's operand.
fn scalar() -> Value {
    json!({ "anyOf": [{ "type": ["boolean", "null"] }, number(), text()] })
}

fn ordered() -> Value {
    json!({
        "anyOf": [
            text(),
            { "type": "number", "minimum": -limits::EXACT_INTEGER_MAX, "maximum": limits::EXACT_INTEGER_MAX },
        ],
    })
}

fn filter() -> Value {
    let several =
        json!({ "type": "array", "minItems": 1, "maxItems": limits::FILTER_TERMS_MAX, "items": of("Filter") });
    let test = |path: &str, equal: Value, range: Option<Value>| {
        let mut tests = Map::new();
        let values = json!({ "type": "array", "maxItems": limits::FILTER_TERMS_MAX, "items": equal });
        tests.insert("field".into(), json!({ "type": "string", "pattern": path }));
        tests.insert("eq".into(), equal);
        tests.insert("in".into(), values);
        for name in range.iter().flat_map(|_| ["gt", "gte", "lt", "lte"]) {
            tests.insert(name.into(), range.clone().unwrap_or_default());
        }
        tests.insert("exists".into(), json!({ "type": "boolean" }));
        let mut schema = closed(&["field"], Value::Object(tests));
        schema["minProperties"] = json!(2);
        schema
    };
    let (low, high) = (-limits::EXACT_INTEGER_MAX, limits::EXACT_INTEGER_MAX);
    let bounded = json!({ "type": "number", "minimum": low, "maximum": high });
    let moment = json!({ "type": "string", "format": "date-time", "pattern": MOMENT });
    json!({
        "description": format!(
            "a condition on memories; at most {} levels deep, with at most {} conditions and values in all",
            limits::FILTER_DEPTH_MAX, limits::FILTER_TERMS_MAX
        ),
        "anyOf": [
            closed(&["and"], json!({ "and": several.clone() })),
            closed(&["or"], json!({ "or": several })),
            closed(&["not"], json!({ "not": of("Filter") })),
            test(PAYLOAD_PATH, scalar(), Some(ordered())),
            test(&heads(&["id", "event_id"]), named_uuid(), None),
            test(&heads(&["namespace", "model_revision"]), text(), Some(text())),
            test(&heads(&["importance", "version"]), number(), Some(bounded)),
            test(&heads(&["created_at", "updated_at"]), moment.clone(), Some(moment)),
        ],
    })
}

/// The paths of these fields, each alone or in double quotes.
fn heads(names: &[&str]) -> String {
    let both: Vec<String> = names.iter().map(|name| format!("{name}|\"{name}\"")).collect();
    format!("^({})$", both.join("|"))
}

/// Nothing but U+0000 is refused in a text.
const NO_NUL: &str = "^[^\\u0000]*$";
/// A path into the payload: names split by dots, in double quotes where they hold more than letters.
const PAYLOAD_PATH: &str = r#"^(payload|"payload")(\.([^."\[\]\u0000]+|"([^"\\\u0000]|\\["\\])*"))*$"#;
/// An RFC 3339 time in the years that every store can hold, to the microsecond.
const MOMENT: &str = "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}[Tt]\
    [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})$";
/// A UUID as every client spells it.
const UUID: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";
/// A UUID in any usual spelling: with hyphens, also in braces or as a URN, or without.
const ANY_UUID: &str = "^(([Uu][Rr][Nn]:[Uu][Uu][Ii][Dd]:)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\
    |\\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\\}|[0-9A-Fa-f]{32})$";
/// A UUID of version 4 or 7.
const CHOSEN_UUID: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[47][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$";

/// A UUID that a client names in a path or a filter.
pub(in crate::http) fn named_uuid() -> Value {
    json!({ "type": "string", "pattern": ANY_UUID, "description": "a UUID in any usual spelling" })
}

/// A UUID as this service writes it, and takes it where it must be its own.
pub(in crate::http) fn any_uuid() -> Value {
    json!({ "type": "string", "format": "uuid", "pattern": UUID })
}

/// A UUID that a client chose for a memory.
pub(in crate::http) fn chosen_uuid() -> Value {
    json!({ "type": "string", "format": "uuid", "pattern": CHOSEN_UUID })
}

/// A wait's bound.
pub(in crate::http) fn wait_ms() -> Value {
    json!({
        "type": "integer", "minimum": 0, "maximum": limits::WAIT_MAX.as_millis() as u64,
        "default": limits::WAIT_DEFAULT.as_millis() as u64,
    })
}

fn problem() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let fields = json!({
        "type": { "type": "string", "pattern": "^urn:soma:problem:[a-z_]+$" },
        "title": { "type": "string" },
        "status": { "type": "integer", "minimum": 400, "maximum": 599 },
        "code": { "type": "string", "enum": codes, "description": "stable; programs match on it" },
        "detail": { "type": "string", "description": "what happened, to what" },
        "field": { "type": "string", "description": "the field of the request that is at fault" },
        "remedy": { "type": "string", "description": "what to do" },
    });
    closed(&["type", "title", "status", "code", "detail"], fields)
}

fn item_error() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let fields = json!({
        "code": { "type": "string", "enum": codes },
        "detail": { "type": "string" },
        "field": { "type": "string" },
        "remedy": { "type": "string" },
    });
    closed(&["code", "detail"], fields)
}

fn memory_fields() -> Value {
    json!({
        "id": of("Id"), "namespace": of("Namespace"), "payload": {},
        "importance": { "type": ["number", "null"] }, "model_revision": { "type": ["string", "null"] },
        "created_at": time(), "updated_at": time(), "version": count("how many events it has had"),
        "event_id": of("Id"),
    })
}

fn hit() -> Value {
    let mut fields = memory_fields();
    fields["score"] = json!({ "type": "number", "description": "higher is better; comparable within one answer only" });
    let mut schema = answer(fields);
    schema["properties"]["explain"] = answer(json!({
        "bm25": { "type": ["number", "null"] },
        "cosine": { "type": ["number", "null"] },
        "parts": { "type": "object", "additionalProperties": { "type": "number" } },
        "terms": { "type": "array", "items": { "type": "string" }, "description": "words of the question that it holds" },
        "context": {
            "type": "array", "items": { "type": "string" },
            "description": "further words of the question, which turns around it hold",
        },
    }));
    schema
}

fn written() -> Value {
    let fields = json!({
        "id": of("Id"), "event_id": of("Id"), "position": of("Position"),
        "stored": { "type": "boolean", "description": "with wait=stored: whether both stores have it" },
    });
    closed(&["id", "event_id", "position"], fields)
}

fn batch_answer() -> Value {
    let mut kept = written();
    kept["properties"]["status"] = json!({ "type": "integer", "enum": [201, 202] });
    kept["required"] = json!(["status", "id", "event_id", "position"]);
    let refused = closed(
        &["status", "error"],
        json!({
            "status": { "type": "integer", "minimum": 400, "maximum": 599 }, "error": item_error(),
        }),
    );
    answer(json!({
        "items": { "type": "array", "items": { "anyOf": [kept, refused] } },
        "position": of("Position"),
    }))
}

fn history_entry() -> Value {
    answer(json!({
        "event_id": of("Id"), "type": { "type": "string", "enum": ["created", "updated", "deleted"] },
        "timestamp": time(), "position": of("Position"), "payload": {},
    }))
}

/// Every shape that others refer to, by name.
pub(in crate::http) fn components(facts: Facts) -> Vec<(&'static str, Value)> {
    vec![
        ("Id", json!({ "type": "string", "format": "uuid" })),
        (
            "Namespace",
            json!({
                "type": "string", "minLength": 1, "maxLength": limits::NAMESPACE_CHARS_MAX,
                "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
                "description": "whose memory: no control characters",
            }),
        ),
        (
            "Position",
            json!({
                "type": "string", "pattern": "^p1[A-Za-z0-9_-]+$", "maxLength": limits::POSITION_BYTES_MAX,
                "description": "how far the log had come; opaque, and only valid where it was made",
            }),
        ),
        ("Json", any()),
        ("Filter", filter()),
        ("QueryVector", query_vector(facts.dims)),
        ("Memory", answer(memory_fields())),
        ("Hit", hit()),
        ("Written", written()),
        ("Batch", batch_answer()),
        ("HistoryEntry", history_entry()),
        ("Problem", problem()),
    ]
}
