//! `POST /v1/recall`: a question in, memories out, best first.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Map, Value, json};
use soma_core::error::Code;
use soma_core::filter::Filter;
use soma_core::ids::{Namespace, Position};
use soma_core::recall::{Boost, Explain, Hit, Mode, Probe, Request, Scope};
use soma_core::{Error, Result, limits};

use super::App;
use super::access::Caller;
use super::body::{self, Fields};
use super::endpoint::{Answer as Told, Endpoint, Right, Verb};
use super::openapi::schema;
use super::params::{Params, wait_bound};
use super::problem::Answer;
use super::shapes;

const FIELDS: &str = "namespace, namespaces, namespace_prefix, query, embedding, top_k, filter, mode, boost, after, \
                      wait_ms, explain";
/// A text that holds more than white space, as Unicode has it.
const WORDS: &str = "^[^\\u0000]*[^\\u0000\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]\
    [^\\u0000]*$";
/// The longest half-life of recency, in days.
const HALF_LIFE_DAYS_MAX: f64 = 36_500.0;

/// What is told about this route.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut answer = schema::answer(json!({
        "hits": { "type": "array", "maxItems": limits::TOP_K_MAX, "items": schema::of("Hit"), "description": "best first" },
        "position": schema::of("Position"),
    }));
    answer["properties"]["truncated"] = json!({
        "type": "boolean", "description": "true when further hits were left out because of their size; else absent",
    });
    vec![
        Endpoint::new(Verb::Post, "/v1/recall", recall)
            .needs(Right::Read)
            .about(
                "recall",
                "ask a question",
                "Memories that answer, best first. Filters never reduce the hits below what exists.",
            )
            .reads([("application/json", question())])
            .answers(Told::json(200, "the hits", answer))
            .fails(&[Code::BadFilter, Code::BadPosition, Code::PositionNotReached]),
    ]
}

/// A question: in words or as a vector, in one, several or all namespaces.
fn question() -> Value {
    let positions = json!({ "type": "string", "pattern": "^p1[A-Za-z0-9_-]+(,p1[A-Za-z0-9_-]+)*$" });
    let mut shape = schema::closed(
        &[],
        json!({
            "query": { "type": ["string", "null"], "maxLength": limits::QUERY_CHARS_MAX, "pattern": WORDS, "description": "a question in words" },
            "embedding": schema::or_null(schema::of("QueryVector")),
            "namespace": schema::or_null(schema::of("Namespace")),
            "namespaces": { "anyOf": [
                schema::of("Namespace"),
                { "type": "array", "minItems": 1, "maxItems": limits::RECALL_NAMESPACES_MAX, "items": schema::of("Namespace") },
                { "type": "null" },
            ] },
            "namespace_prefix": schema::or_null(schema::text()),
            "top_k": { "type": ["integer", "null"], "minimum": 1, "maximum": limits::TOP_K_MAX, "default": limits::TOP_K_DEFAULT },
            "filter": schema::or_null(schema::of("Filter")),
            "mode": { "type": ["string", "null"], "enum": ["hybrid", "dense", "lexical", null], "default": "hybrid" },
            "boost": schema::or_null(boosts()),
            "after": { "anyOf": [positions, { "type": "array", "items": positions }, { "type": "null" }] },
            "wait_ms": schema::or_null(schema::wait_ms()),
            "explain": { "type": ["boolean", "null"], "default": false },
        }),
    );
    let given = |name: &str, kind: Value| json!({ "required": [name], "properties": { name: { "type": kind } } });
    shape["oneOf"] = json!([given("query", json!("string")), given("embedding", json!("array"))]);
    let scopes = [
        given("namespace", json!("string")),
        given("namespaces", json!(["string", "array"])),
        given("namespace_prefix", json!("string")),
    ];
    let both = |a: usize, b: usize| json!({ "allOf": [scopes[a], scopes[b]] });
    let wordless = json!({
        "allOf": [given("embedding", json!("array")), { "required": ["mode"], "properties": { "mode": { "const": "lexical" } } }],
    });
    let single = json!({
        "allOf": [given("boost", json!("object")), { "required": ["mode"], "properties": { "mode": { "enum": ["dense", "lexical"] } } }],
    });
    shape["not"] = json!({ "anyOf": [both(0, 1), both(0, 2), both(1, 2), wordless, single] });
    shape
}

/// What counts beside words and meaning.
fn boosts() -> Value {
    let fields = json!({
        "importance": {
            "type": ["number", "null"], "minimum": 0, "maximum": 1, "default": 0,
            "description": "a memory of importance i gains i / (1 + i) of this",
        },
        "recency_half_life_days": {
            "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": HALF_LIFE_DAYS_MAX,
            "description": "a memory gains 0.2 when it was set just now, half of it at this age",
        },
    });
    let mut shape = schema::closed(&[], fields);
    shape["description"] = "what counts beside words and meaning, in mode hybrid".into();
    shape
}

/// `POST /v1/recall`
pub(super) async fn recall(State(app): State<App>, Caller(grant): Caller, uri: Uri, body: Body) -> Answer {
    Params::of(&uri)?.finish("none: everything is in the body")?;
    let request = request(body::object(body, app.body).await?, &app.namespace)?;
    let request = Request { scope: grant.narrow(&app.engine, request.scope).await?, ..request };
    if matches!(&request.scope, Scope::Namespaces(seen) if seen.is_empty()) {
        let position = app.engine.position().await?;
        return Ok(shapes::answer(StatusCode::OK, &json!({ "hits": [], "position": position })));
    }
    let answer = app.engine.recall(&request).await?;
    let hits: Vec<Value> = answer.hits.iter().map(hit).collect();
    let mut body = json!({ "hits": hits, "position": answer.position });
    if answer.truncated {
        body["truncated"] = Value::Bool(true);
    }
    Ok(shapes::answer(StatusCode::OK, &body))
}

fn request(mut fields: Fields, default: &Namespace) -> Result<Request> {
    let mode = mode(fields.text("mode")?.as_deref())?;
    let request = Request {
        scope: scope(&mut fields, default)?,
        probe: probe(&mut fields)?,
        top_k: top_k(fields.whole("top_k")?)?,
        filter: match fields.take("filter") {
            None | Some(Value::Null) => None,
            Some(value) => Some(Filter::parse(&value)?),
        },
        mode,
        boost: boost(fields.take("boost"), mode)?,
        after: after(fields.texts("after")?)?,
        wait: wait_bound(fields.whole("wait_ms")?)?,
        explain: fields.switch("explain")?.unwrap_or(false),
    };
    fields.finish(FIELDS)?;
    Ok(request)
}

fn scope(fields: &mut Fields, default: &Namespace) -> Result<Scope> {
    let one = fields.text("namespace")?;
    let several = fields.texts("namespaces")?;
    let prefix = fields.text("namespace_prefix")?;
    match (one, several, prefix) {
        (None, None, None) => Ok(Scope::Namespaces(vec![default.clone()])),
        (Some(one), None, None) => Ok(Scope::Namespaces(vec![Namespace::parse(&one)?])),
        (None, Some(several), None) if several.len() > limits::RECALL_NAMESPACES_MAX => {
            let (named, most) = (several.len(), limits::RECALL_NAMESPACES_MAX);
            Err(bad(format!("{named} namespaces are named, at most {most} are allowed"), "namespaces")
                .remedy("ask in several recalls, or by a namespace_prefix"))
        }
        (None, Some(several), None) if !several.is_empty() => {
            several.iter().map(|text| Namespace::parse(text)).collect::<Result<_>>().map(Scope::Namespaces)
        }
        (None, Some(_), None) => Err(bad("namespaces is empty", "namespaces")),
        (None, None, Some(prefix)) => Ok(Scope::Prefix(prefix)),
        _ => Err(bad("namespace, namespaces and namespace_prefix exclude each other", "namespace")),
    }
}

fn boost(given: Option<Value>, mode: Mode) -> Result<Boost> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(Boost::default()) };
    let mut fields = Fields::of(given, "boost").map_err(|error| error.at("boost"))?;
    if mode != Mode::Hybrid {
        let error = bad("one list alone keeps the scores of the index, so nothing is added to them", "boost");
        return Err(error.remedy("use mode hybrid, or leave boost out"));
    }
    let importance = fields.number("importance")?.unwrap_or(0.0);
    let days = fields.number("recency_half_life_days")?;
    fields.finish("importance, recency_half_life_days")?;
    if !(0.0..=1.0).contains(&importance) {
        return Err(bad("importance is weighed by 0 to 1", "boost.importance"));
    }
    if days.is_some_and(|days| days <= 0.0 || days > HALF_LIFE_DAYS_MAX) {
        let what = format!("a half-life is above 0 and at most {HALF_LIFE_DAYS_MAX} days");
        return Err(bad(what, "boost.recency_half_life_days"));
    }
    let half_life = |days: f64| Duration::from_secs_f64(days * 86_400.0).max(Duration::from_nanos(1));
    Ok(Boost { importance, recency_half_life: days.map(half_life) })
}

fn probe(fields: &mut Fields) -> Result<Probe> {
    let text = fields.text("query")?;
    let vector = fields.numbers("embedding")?;
    match (text, vector) {
        (Some(text), None) => Ok(Probe::Text(text)),
        (None, Some(vector)) => single(&vector).map(Probe::Vector),
        (Some(_), Some(_)) => Err(bad("query and embedding exclude each other", "embedding")),
        (None, None) => Err(bad("query is missing", "query").remedy("send a query or an embedding")),
    }
}

/// A vector in single precision, which is what the index compares.
fn single(vector: &[f64]) -> Result<Vec<f32>> {
    let bounds = schema::QUERY_ABS_MIN..=schema::QUERY_ABS_MAX;
    if vector.iter().any(|x| x.abs() > *bounds.end()) {
        return Err(bad(format!("the embedding holds a number beyond ±{:e}", bounds.end()), "embedding"));
    }
    if !vector.iter().any(|x| bounds.contains(&x.abs())) {
        return Err(bad("the embedding is zero, or as good as, and points nowhere", "embedding"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds of single precision")]
    Ok(vector.iter().map(|x| *x as f32).collect())
}

fn top_k(given: Option<u64>) -> Result<usize> {
    let Some(given) = given else { return Ok(limits::TOP_K_DEFAULT) };
    let within = usize::try_from(given).ok().filter(|k| (1..=limits::TOP_K_MAX).contains(k));
    within.ok_or_else(|| bad(format!("top_k is {given}, and has to be from 1 to {}", limits::TOP_K_MAX), "top_k"))
}

fn mode(text: Option<&str>) -> Result<Mode> {
    match text {
        None | Some("hybrid") => Ok(Mode::Hybrid),
        Some("dense") => Ok(Mode::Dense),
        Some("lexical") => Ok(Mode::Lexical),
        Some(other) => Err(bad(format!("there is no mode {other:?}"), "mode").remedy("write hybrid, dense or lexical")),
    }
}

fn after(positions: Option<Vec<String>>) -> Result<Option<Position>> {
    let Some(positions) = positions else { return Ok(None) };
    let mut all = Position::default();
    for text in &positions {
        all.merge(&Position::parse_many(text)?);
    }
    Ok(Some(all))
}

fn bad(message: impl Into<String>, field: &str) -> Error {
    Error::new(Code::BadRequest, message).at(field)
}

fn hit(hit: &Hit) -> Value {
    let mut body = shapes::memory(&hit.memory);
    body.insert("score".into(), json!(hit.score));
    if let Some(explain) = &hit.explain {
        body.insert("explain".into(), explanation(explain));
    }
    Value::Object(body)
}

fn explanation(explain: &Explain) -> Value {
    let parts: Map<String, Value> =
        explain.parts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ "bm25": explain.bm25, "cosine": explain.cosine, "parts": parts,
        "terms": explain.terms, "context": explain.context })
}
