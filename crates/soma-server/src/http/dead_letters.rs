//! `/v1/dead-letters`: what was refused, and giving it another chance.
//!
//! Letters are not of one namespace and hold what nobody could read, so these routes are for
//! operators. A redrive tells what would happen unless the request says `apply`.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Map, Value, json};
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::ids::Place;
use soma_core::redrive::{self, Fate, Guard, Item, Mode, Request, Selection};
use soma_core::{Error, Result, limits};

use super::body::{self, Fields};
use super::endpoint::{Answer as Told, Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{Params, told, wait_bound};
use super::problem::Answer;
use super::{App, events, shapes};
use crate::raw;

/// The longest name of a log: a cluster, a topic and a generation.
const LOG_BYTES_MAX: usize = 400;
/// Beyond them lie no partitions and no offsets of any log; a partition's number has nine digits.
const PARTITIONS_MAX: u32 = 1_000_000_000;
const OFFSETS_MAX: u64 = 1_000_000_000_000_000_000;

const KNOWN: &str = "source, reason, all, value, apply, force, wait_ms";

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/v1/dead-letters", list)
            .needs(Right::Admin)
            .about("deadLetters", "list what was refused", "In the order of the sources, without content.")
            .takes([
                Param::query("reason", "those refused for this reason", schema::text()),
                told::limit(),
                Param::query("cursor", "next_cursor of the page before", place()),
            ])
            .answers(Told::json(200, "a page", schema::page(schema::answer(letter()))))
            .fails(&[Code::BadPosition]),
        Endpoint::new(Verb::Get, "/v1/dead-letters/{source}", read)
            .needs(Right::Admin)
            .about("deadLetter", "read one dead letter", "With everything that it holds.")
            .takes([Param::path("source", "<log>/<partition>@<offset>, or the offset alone", place())])
            .answers(Told::json(200, "the letter", whole_letter()))
            .fails(&[Code::BadPosition, Code::NotFound]),
        Endpoint::new(Verb::Post, "/v1/dead-letters/redrive", redrive)
            .needs(Right::Admin)
            .about(
                "redrive",
                "give dead letters another chance",
                "Tells what would happen to each, and does it with apply. An event is folded where it first lay.",
            )
            .reads([("application/json", request())])
            .answers(Told::json(200, "what became of each", answer()))
            .fails(&[Code::BadPosition, Code::NotFound, Code::TypeUnknown, Code::StorageFull]),
    ]
}

/// A letter without content.
fn letter() -> Value {
    let text = || json!({ "type": "string" });
    let time = || json!({ "type": "string", "format": "date-time" });
    json!({
        "source": text(),
        "reason": text(),
        "error": text(),
        "component": text(),
        "event_id": schema::or_null(schema::any_uuid()),
        "timestamp": time(),
        "first_seen": time(),
        "attempts": schema::count("how often it was tried"),
        "redrives": schema::count("how often it was redriven"),
        "redriven_to": { "type": ["string", "null"], "description": "where its event went" },
        "value_bytes": { "type": ["integer", "null"], "minimum": 0 },
    })
}

/// A letter with content: bytes that are no text stand in base64 under another name.
fn whole_letter() -> Value {
    let mut fields = letter();
    let bytes = |fields: &mut Value, name: &str| {
        fields[name] = json!({ "type": ["string", "null"] });
        fields[format!("{name}_base64")] = json!({ "type": "string", "contentEncoding": "base64" });
    };
    bytes(&mut fields, "key");
    bytes(&mut fields, "value");
    let mut header = json!({ "name": { "type": "string" } });
    bytes(&mut header, "value");
    fields["headers"] = json!({ "type": "array", "items": schema::closed(&["name"], header) });
    schema::closed(&["source", "reason", "error", "headers"], fields)
}

fn request() -> Value {
    let switch = || json!({ "type": ["boolean", "null"], "default": false });
    let mut shape = schema::closed(
        &[],
        json!({
            "source": place(),
            "reason": schema::text(),
            "all": { "type": "boolean", "enum": [true] },
            "value": events::event(),
            "apply": switch(),
            "force": switch(),
            "wait_ms": schema::or_null(schema::wait_ms()),
        }),
    );
    shape["oneOf"] = json!([{ "required": ["source"] }, { "required": ["reason"] }, { "required": ["all"] }]);
    shape["dependentRequired"] = json!({ "value": ["source"] });
    shape
}

/// Where a letter's record lies: a place, or an offset alone.
fn place() -> Value {
    let pattern = format!("^([A-Za-z0-9._#/-]{{1,{LOG_BYTES_MAX}}}/(0|[1-9][0-9]{{0,8}})@)?(0|[1-9][0-9]{{0,17}})$");
    json!({ "type": "string", "pattern": pattern })
}

fn answer() -> Value {
    let text = || json!({ "type": "string" });
    let item = json!({
        "source": text(),
        "reason": text(),
        "event_id": schema::or_null(schema::any_uuid()),
        "fate": {
            "type": "string",
            "enum": ["applies", "behind", "duplicate", "deleted", "refused", "redriven_before", "guarded"],
        },
        "detail": text(),
        "code": text(),
        "redriven_to": text(),
        "became": { "type": "string", "enum": ["stored", "appended", "dead_lettered"] },
    });
    let item = schema::closed(&["source", "reason", "event_id", "fate", "detail"], item);
    schema::answer(json!({ "applied": { "type": "boolean" }, "items": { "type": "array", "items": item } }))
}

/// `GET /v1/dead-letters`
pub(super) async fn list(State(app): State<App>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    let reason = params.take("reason");
    let limit = params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
    let mut after = params.take("cursor").map(|text| source(&app.engine, &text)).transpose()?;
    params.finish("reason, limit, cursor")?;
    let mut items = Vec::new();
    let next_cursor = loop {
        let page = app.engine.letters.list(after, limits::PAGE_DEFAULT).await?;
        let Some(last) = page.last().map(|letter| letter.record.place.clone()) else { break None };
        after = Some(last);
        let wanted = page.into_iter().filter(|letter| reason.as_ref().is_none_or(|reason| letter.reason == *reason));
        items.extend(wanted.map(|letter| (letter.record.place.to_string(), Value::Object(raw::letter(&letter)))));
        if items.len() > limit {
            items.truncate(limit);
            break items.last().map(|(place, _)| place.clone());
        }
    };
    let items: Vec<Value> = items.into_iter().map(|(_, letter)| letter).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next_cursor })))
}

/// `GET /v1/dead-letters/{source}`
pub(super) async fn read(
    State(app): State<App>,
    path: std::result::Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer {
    Params::of(&uri)?.finish("none")?;
    let Path(text) = path.map_err(|_| {
        let error = Error::new(Code::BadPosition, "the source in the path is not UTF-8").at("source");
        error.remedy("write <log>/<partition>@<offset>, or the offset alone")
    })?;
    let letter = redrive::letter(&app.engine, &source(&app.engine, &text)?).await?;
    Ok(shapes::answer(StatusCode::OK, &Value::Object(raw::whole_letter(&letter))))
}

/// `POST /v1/dead-letters/redrive`
pub(super) async fn redrive(State(app): State<App>, uri: Uri, body: Body) -> Answer {
    Params::of(&uri)?.finish("none: everything is in the body")?;
    let mut fields = body::object(body, app.body).await?;
    let named = (words(&mut fields, "source")?, words(&mut fields, "reason")?, fields.take("all"));
    let value = fields.take("value").map(|value| value.to_string().into_bytes());
    let apply = fields.switch("apply")?.unwrap_or(false);
    let force = fields.switch("force")?.unwrap_or(false);
    let wait = wait_bound(fields.whole("wait_ms")?)?;
    fields.finish(KNOWN)?;
    let selection = selection(&app.engine, named)?;
    if value.is_some() && !matches!(selection, Selection::Source(_)) {
        return Err(Error::new(Code::BadRequest, "a value takes the place of one letter's").at("value").into());
    }
    let request = Request {
        selection,
        value,
        mode: if apply { Mode::Apply } else { Mode::DryRun },
        guard: if force { Guard::Override } else { Guard::Keep },
        wait,
    };
    let items = redrive::redrive(&app.engine, &request).await?;
    let items: Vec<Value> = items.iter().map(shape).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "applied": apply, "items": items })))
}

/// A text that is there or not; nothing else stands for it, because which letters are meant must be clear.
fn words(fields: &mut Fields, name: &str) -> Result<Option<String>> {
    match fields.take(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Error::new(Code::Schema, format!("{name} is not a string")).at(name))
        }
    }
}

fn selection(engine: &Engine, named: (Option<String>, Option<String>, Option<Value>)) -> Result<Selection> {
    match named {
        (Some(text), None, None) => source(engine, &text).map(Selection::Source),
        (None, Some(reason), None) => Ok(Selection::Reason(reason)),
        (None, None, Some(Value::Bool(true))) => Ok(Selection::All),
        _ => Err(Error::new(Code::BadRequest, "which letters to redrive is not said, or said twice")
            .remedy("name one of source, reason and all (which is true)")),
    }
}

/// A place, or an offset of this system's log when it has one partition.
fn source(engine: &Engine, text: &str) -> Result<Place> {
    let place = match text.parse::<u64>() {
        Ok(offset) if offset.to_string() == text => Place { log: engine.log.id().clone(), partition: 0, offset },
        _ => Place::parse(text).map_err(|error| error.at("source"))?,
    };
    let log = place.log.as_str();
    let is_name = log.len() <= LOG_BYTES_MAX && log.bytes().all(|b| b.is_ascii_alphanumeric() || b"._#/-".contains(&b));
    if !is_name || place.partition >= PARTITIONS_MAX || place.offset >= OFFSETS_MAX {
        return Err(Error::new(Code::BadPosition, "the place is beyond that of any log").at("source"));
    }
    Ok(place)
}

fn shape(item: &Item) -> Value {
    let mut fields = Map::new();
    let letter = &item.letter;
    fields.insert("source".into(), letter.record.place.to_string().into());
    fields.insert("reason".into(), letter.reason.as_str().into());
    fields.insert("event_id".into(), json!(letter.event_id));
    fields.insert("fate".into(), item.fate.as_str().into());
    fields.insert("detail".into(), item.fate.sentence().into());
    if let Fate::Refused(error) = &item.fate {
        fields.insert("code".into(), error.code.as_str().into());
    }
    if let Some((place, became)) = &item.redriven {
        fields.insert("redriven_to".into(), place.to_string().into());
        fields.insert("became".into(), became.as_str().into());
    }
    Value::Object(fields)
}
