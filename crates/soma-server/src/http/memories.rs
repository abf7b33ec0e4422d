//! `/v1/memories`: write one or many; read, replace, delete one; its history.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use soma_core::engine::{Key, Replacement, Target};
use soma_core::error::Code;
use soma_core::event::build::Draft;
use soma_core::event::derive::{Coordinate, Idempotency};
use soma_core::ids::{MemoryId, Namespace};
use soma_core::{Error, Result, json as bounded};

use super::App;
use super::body::{self, Fields};
use super::params::{Params, no_precondition};
use super::problem::Answer;
use super::{shapes, write};

const WRITE_PARAMS: &str = "wait, wait_ms";

/// `POST /v1/memories`
pub(super) async fn create(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let wait = write::wait_stored(&mut params)?;
    params.finish(WRITE_PARAMS)?;
    let body = body::read(body, app.body).await?;
    let context = write::context(&headers, "POST", &uri)?;
    let draft = draft(&app, &body, context.key, 0)?;
    let mut answers = app.engine.remember(vec![draft], context).await?;
    let written = answers.pop().ok_or_else(|| Error::new(Code::Internal, "the write was not answered"))??;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::CREATED).await?)
}

/// `POST /v1/memories/batch`
pub(super) async fn batch(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let wait = write::wait_stored(&mut params)?;
    params.finish(WRITE_PARAMS)?;
    let body = body::read(body, app.body).await?;
    let context = write::context(&headers, "POST", &uri)?;
    let items = write::split(&body, &headers)?;
    let drafts = items.into_iter().enumerate().map(|(n, item)| draft(&app, item, context.key, n));
    let mut batch = write::Batch::of(drafts);
    let written = app.engine.remember(batch.take(), context).await?;
    Ok(batch.answer(&app.engine, written, wait).await?)
}

/// What a client describes as one memory. Its ids follow from the request's key, if there is one,
/// and from its place in the request, whatever else the request holds.
fn draft(app: &App, bytes: &[u8], key: Option<Key<'_>>, item: usize) -> Result<Draft> {
    let mut fields = Fields::of(bounded::parse(bytes)?, "the memory")?;
    let namespace = match fields.text("namespace")? {
        Some(text) => Namespace::parse(&text)?,
        None => app.namespace.clone(),
    };
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
        Some(Value::String(text)) => Coordinate::parse(&text).map(Some),
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

/// `GET /v1/memories/{id}`
pub(super) async fn read(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    params.finish("after, wait_ms")?;
    let memory = app.engine.get(MemoryId::parse(&id)?).await?;
    let mut response = shapes::answer(StatusCode::OK, &Value::Object(shapes::memory(&memory)));
    response.headers_mut().insert(header::ETAG, shapes::etag(&memory));
    Ok(response)
}

/// `PUT /v1/memories/{id}`
pub(super) async fn replace(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let target = Target { id: MemoryId::parse(&id)?, namespace: params.namespace()? };
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
    let written = app.engine.replace(&target, replacement, write::context(&headers, "PUT", &uri)?).await?;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::OK).await?)
}

/// `DELETE /v1/memories/{id}`
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let target = Target { id: MemoryId::parse(&id)?, namespace: params.namespace()? };
    let wait = write::wait_stored(&mut params)?;
    params.finish("namespace, wait, wait_ms")?;
    let written = app.engine.forget(&target, write::context(&headers, "DELETE", &uri)?).await?;
    Ok(write::answer(&app.engine, &written, wait, StatusCode::OK).await?)
}

/// `GET /v1/memories/{id}/history`
pub(super) async fn history(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    params.finish("after, wait_ms")?;
    let entries = app.engine.history(MemoryId::parse(&id)?).await?;
    let items: Vec<Value> = entries.iter().map(shapes::history_entry).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": null })))
}
