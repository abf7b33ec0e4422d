//! `/v1/memories`: write one or many; read, replace, delete one; its history.

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use soma_core::engine::{Key, Replacement, Target};
use soma_core::error::Code;
use soma_core::event::build::Draft;
use soma_core::event::derive::{Coordinate, Idempotency};
use soma_core::ids::{MemoryId, Namespace};
use soma_core::{Error, Result, json as bounded, limits};

use super::App;
use super::access::{Caller, Grant};
use super::body::{self, Fields};
use super::endpoint::{Answer as Told, Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{self, Params, PathId, no_precondition, told};
use super::problem::Answer;
use super::{shapes, write};

const WRITE_PARAMS: &str = "wait, wait_ms";

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let memory = || schema::of("Memory");
    let etag = "the id of the event that it shows, in quotes";
    vec![
        Endpoint::new(Verb::Post, "/v1/memories", create)
            .needs(Right::Write)
            .about("remember", "write one memory", "Answers once it is durable. A memory at a coordinate replaces what was there.")
            .takes(told::writes())
            .takes([told::key()])
            .reads([("application/json", new_memory())])
            .answers(write::told(201, "the log has it", "Written"))
            .answers(write::told(202, "the log has it, and the stores not in time", "Written"))
            .fails(&[Code::DeadLettered, Code::NamespaceMismatch]),
        Endpoint::new(Verb::Post, "/v1/memories/batch", batch)
            .needs(Right::Write)
            .about("rememberBatch", "write up to 1000 memories", BATCH)
            .takes(told::writes())
            .takes([told::key()])
            .reads(write::batch_body(&new_memory()))
            .answers(write::told(200, "what became of each, in order", "Batch")),
        Endpoint::new(Verb::Get, "/v1/memories/{id}", read)
            .needs(Right::Read)
            .about("get", "read one memory", "Its ETag is the event that it shows.")
            .takes([told::id(), told::if_none_match()])
            .takes(told::waits())
            .answers(Told::json(200, "the memory", memory()).with("ETag", etag))
            .answers(Told::empty(304, "it is the one that If-None-Match names").with("ETag", etag))
            .fails(&[Code::NotFound, Code::Schema]),
        Endpoint::new(Verb::Put, "/v1/memories/{id}", replace)
            .needs(Right::Write)
            .about("replace", "replace one memory", "Replaces payload, importance, embedding and model_revision as a whole; creates it when it is unknown and its namespace is named.")
            .takes([told::id(), told::namespace("its namespace, if the memory is yet to come")])
            .takes(told::writes())
            .takes([told::key()])
            .reads([("application/json", replacement())])
            .answers(write::told(200, "the log has it", "Written"))
            .answers(write::told(202, "the log has it, and the stores not in time", "Written"))
            .fails(&[Code::NotFound, Code::NamespaceMismatch, Code::DeadLettered, Code::PositionNotReached]),
        Endpoint::new(Verb::Delete, "/v1/memories/{id}", delete)
            .needs(Right::Write)
            .about("forget", "delete one memory", "With its history and its words. Answers 200 the second time too.")
            .takes([told::id(), told::namespace("its namespace, if the memory is yet to come")])
            .takes(told::writes())
            .takes([told::key()])
            .answers(write::told(200, "the log has it", "Written"))
            .answers(write::told(202, "the log has it, and the stores not in time", "Written"))
            .fails(&[Code::NotFound, Code::NamespaceMismatch, Code::DeadLettered, Code::PositionNotReached]),
        Endpoint::new(Verb::Get, "/v1/memories/{id}/history", history)
            .needs(Right::Read)
            .about("history", "the events of one memory", "Oldest first; also of a deleted one, without content.")
            .takes([told::id(), told::limit()])
            .takes([Param::query("cursor", "next_cursor of the page before", schema::any_uuid())])
            .takes(told::waits())
            .answers(Told::json(200, "its events", schema::page(schema::of("HistoryEntry"))))
            .fails(&[Code::NotFound, Code::Schema]),
    ]
}

const BATCH: &str = "An array, one object, or lines of JSON. Each item is answered for itself, in order.";

/// The longest text of a coordinate: no more numbers fit than an array may have.
const COORDINATE_BYTES_MAX: usize = 2 * limits::COORDINATE_NUMBERS_MAX - 1;
/// A number of it, as a regular expression: a size that is surely within the bounds of numbers.
const COORDINATE_NUMBER: &str = r" *[+-]?(([0-9]{1,200}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?|[0-9](\.[0-9]*)?[eE][+-]?([12][0-9]{2}|30[0-7])) *";

/// The content of a memory on its way in.
fn replacement() -> Value {
    schema::closed(
        &["payload"],
        json!({
            "payload": schema::of("Json"),
            "importance": schema::or_null(schema::importance()),
            "embedding": schema::or_null(schema::embedding()),
            "model_revision": schema::or_null(schema::model_revision()),
        }),
    )
}

/// A memory on its way in.
fn new_memory() -> Value {
    let mut shape = replacement();
    shape["properties"]["namespace"] = schema::or_null(schema::of("Namespace"));
    shape["properties"]["id"] = schema::or_null(schema::chosen_uuid());
    shape["properties"]["coordinate"] = schema::or_null(json!({
        "anyOf": [
            { "type": "array", "minItems": 1, "maxItems": limits::COORDINATE_NUMBERS_MAX, "items": schema::number() },
            { "type": "string", "pattern": format!("^{COORDINATE_NUMBER}(,{COORDINATE_NUMBER})*$"), "maxLength": COORDINATE_BYTES_MAX },
        ],
        "description": "where it is stored: an array of numbers, or the same as a text with commas; instead of an id",
    }));
    shape["not"] = json!({
        "required": ["id", "coordinate"],
        "properties": { "id": { "type": "string" }, "coordinate": { "type": ["string", "array"] } },
    });
    shape
}

/// `POST /v1/memories`
pub(super) async fn create(
    State(app): State<App>,
    Caller(grant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let wait = write::wait_stored(&mut params)?;
    params.finish(WRITE_PARAMS)?;
    let body = body::read(body, app.body).await?;
    let context = write::context(&headers, "POST", &uri)?;
    let draft = draft(&app, &grant, &body, context.key, 0)?;
    let mut answers = app.engine.remember(vec![draft], context).await?;
    let written = answers.pop().ok_or_else(|| Error::new(Code::Internal, "the write was not answered"))??;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::CREATED).await?)
}

/// `POST /v1/memories/batch`
pub(super) async fn batch(
    State(app): State<App>,
    Caller(grant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let wait = write::wait_stored(&mut params)?;
    params.finish(WRITE_PARAMS)?;
    let body = body::read(body, app.body).await?;
    let context = write::context(&headers, "POST", &uri)?;
    let items = write::split(&body, &headers)?;
    let drafts = items.into_iter().enumerate().map(|(n, item)| draft(&app, &grant, item, context.key, n));
    let mut batch = write::Batch::of(drafts);
    let written = app.engine.remember(batch.take(), context).await?;
    Ok(batch.answer(&app.engine, written, wait).await?)
}

/// What a client describes as one memory. Its ids follow from the request's key, if there is one,
/// and from its place in the request, whatever else the request holds.
fn draft(app: &App, grant: &Grant, bytes: &[u8], key: Option<Key<'_>>, item: usize) -> Result<Draft> {
    let mut fields = Fields::of(bounded::parse(bytes)?, "the memory")?;
    let namespace = match fields.text("namespace")? {
        Some(text) => Namespace::parse(&text)?,
        None => app.namespace.clone(),
    };
    grant.demand(&namespace)?;
    let ids = key.as_ref().map(|key| key.item(&namespace, item));
    let mut draft = Draft::created(namespace.clone(), payload(&mut fields)?);
    draft.id = fields.text("id")?.map(|text| MemoryId::parse_explicit(&text)).transpose()?;
    draft.coordinate = coordinate(&mut fields)?;
    draft.importance = fields.number("importance")?;
    draft.embedding = fields.numbers("embedding")?;
    draft.model_revision = fields.text("model_revision")?;
    fields.finish("namespace, payload, id, coordinate, importance, embedding, model_revision")?;
    draft.event_id = ids.as_ref().map(Idempotency::event_id);
    if draft.id.is_none() && draft.coordinate.is_none() {
        draft.id = ids.as_ref().map(Idempotency::memory_id);
    }
    Ok(draft)
}

/// The payload: any JSON, `null` included, but it has to be there.
fn payload(fields: &mut Fields) -> Result<Value> {
    fields.take("payload").ok_or_else(|| Error::new(Code::Schema, "payload is missing").at("payload"))
}

/// A coordinate, as text or as an array of numbers.
fn coordinate(fields: &mut Fields) -> Result<Option<Coordinate>> {
    match fields.take("coordinate") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= COORDINATE_BYTES_MAX && text.split(',').all(is_small) => {
            Coordinate::parse(&text).map(Some)
        }
        Some(Value::String(_)) => Err(Error::new(Code::Schema, "the coordinate's text is too long, or a number of it")
            .at("coordinate")
            .remedy("send the numbers as an array")),
        Some(Value::Array(items)) => {
            let numbers: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
            let wrong = || Error::new(Code::Schema, "coordinate holds something else than numbers").at("coordinate");
            Coordinate::new(numbers.ok_or_else(wrong)?).map(Some)
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err(Error::new(Code::Schema, "coordinate is not a string or an array of numbers").at("coordinate"))
        }
    }
}

/// Whether a number of a coordinate's text is within [`COORDINATE_NUMBER`], if it is a number.
fn is_small(number: &str) -> bool {
    let number = number.trim_matches(' ');
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let whole = digits.trim_start_matches(['+', '-']).split('.').next().unwrap_or_default().len();
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_large = whole == 1 && exponent.len() == 3 && ("100"..="307").contains(&exponent);
    is_large || (whole <= 200 && exponent.len() <= 2)
}

/// `GET /v1/memories/{id}`
pub(super) async fn read(
    State(app): State<App>,
    Caller(grant): Caller,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    params.finish("after, wait_ms")?;
    grant.visible(&app.engine, id).await?;
    let memory = app.engine.get(id).await?;
    if params::names_etag(&headers, &shapes::etag(&memory)) {
        return Ok(shapes::unchanged(&memory));
    }
    let mut response = shapes::answer(StatusCode::OK, &Value::Object(shapes::memory(&memory)));
    response.headers_mut().insert(header::ETAG, shapes::etag(&memory));
    Ok(response)
}

/// `PUT /v1/memories/{id}`
pub(super) async fn replace(
    State(app): State<App>,
    Caller(grant): Caller,
    PathId(id): PathId,
    parts: Parts,
    body: Body,
) -> Answer {
    no_precondition(&parts.headers)?;
    let mut params = Params::of(&parts.uri)?;
    let named = params.namespace()?;
    let wait = write::wait_stored(&mut params)?;
    params.finish("namespace, wait, wait_ms")?;
    let mut fields = body::object(body, app.body).await?;
    let replacement = Replacement {
        payload: payload(&mut fields)?,
        importance: fields.number("importance")?,
        embedding: fields.numbers("embedding")?,
        model_revision: fields.text("model_revision")?,
    };
    fields.finish("payload, importance, embedding, model_revision")?;
    let target = Target { id, namespace: grant.target(&app.engine, id, named).await? };
    let written = app.engine.replace(&target, replacement, write::context(&parts.headers, "PUT", &parts.uri)?).await?;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::OK).await?)
}

/// `DELETE /v1/memories/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    Caller(grant): Caller,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let named = params.namespace()?;
    let wait = write::wait_stored(&mut params)?;
    params.finish("namespace, wait, wait_ms")?;
    let target = Target { id, namespace: grant.target(&app.engine, id, named).await? };
    let written = app.engine.forget(&target, write::context(&headers, "DELETE", &uri)?).await?;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::OK).await?)
}

/// `GET /v1/memories/{id}/history`
pub(super) async fn history(State(app): State<App>, Caller(grant): Caller, PathId(id): PathId, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    let cursor = params.take("cursor");
    let limit = params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
    params.finish("limit, cursor, after, wait_ms")?;
    grant.visible(&app.engine, id).await?;
    let page = app.engine.history(id, cursor.as_deref(), limit).await?;
    let items: Vec<Value> = page.items.iter().map(shapes::history_entry).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor })))
}
