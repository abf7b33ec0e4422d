//! `POST /v1/events`: raw events, checked strictly, each answered for itself.
//!
//! An event carries its own id, so sending it again is safe without a key. Whoever brings back an export
//! says `restore=true`: derived ids are then taken as they are.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};
use soma_core::engine::Derived;
use soma_core::error::Code;
use soma_core::event::build;
use soma_core::{Error, Result};

use super::App;
use super::access::Caller;
use super::endpoint::{Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{Params, no_precondition, told};
use super::problem::Answer;
use super::{body, write};

/// What is told about this route.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Post, "/v1/events", append)
            .needs(Right::Write)
            .about("append", "append up to 1000 raw events", "Each is checked against the schema of an event and answered for itself, in order. An event carries its own id, so sending it again is safe.")
            .takes([Param::query(
                "restore",
                "whether derived ids are taken as they are, to bring back an export; for operators",
                json!({ "type": "string", "enum": ["true", "false"], "default": "false" }),
            )])
            .takes(told::writes())
            .reads(write::batch_body(&event()))
            .answers(write::told(200, "what became of each, in order", "Batch"))
            .fails(&[Code::PreconditionUnsupported, Code::StorageFull, Code::PositionNotReached]),
    ]
}

/// An event as `schemas/memory.event.json` has it.
pub(super) fn event() -> Value {
    schema::closed(
        &["event_id", "id", "namespace", "type", "timestamp", "payload"],
        json!({
            "event_id": schema::any_uuid(),
            "id": schema::any_uuid(),
            "namespace": schema::of("Namespace"),
            "type": { "type": "string", "enum": ["created", "updated", "deleted"] },
            "timestamp": { "type": "string", "format": "date-time" },
            "payload": schema::of("Json"),
            "importance": schema::importance(),
            "embedding": schema::embedding(),
            "model_revision": schema::model_revision(),
        }),
    )
}

/// `POST /v1/events`
pub(super) async fn append(
    State(app): State<App>,
    Caller(grant): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let wait = write::wait_stored(&mut params)?;
    let derived = derived(params.take("restore").as_deref())?;
    params.finish("restore, wait, wait_ms")?;
    if derived == Derived::Trusted {
        grant.may(Right::Admin)?;
    }
    let body = body::read(body, app.body).await?;
    let items = write::split(&body, &headers)?;
    let max = app.engine.value_bytes_max;
    let mut batch = write::Batch::of(items.into_iter().map(|item| {
        let event = build::strict_bytes(item, max)?;
        event.namespace.as_ref().map_or(Ok(()), |namespace| grant.demand(namespace))?;
        Ok(event)
    }));
    let context = write::context(&headers, "POST", &uri)?;
    let written = app.engine.publish(batch.take(), derived, context.traceparent).await?;
    Ok(batch.answer(&app.engine, written, wait).await?)
}

fn derived(restore: Option<&str>) -> Result<Derived> {
    match restore {
        None | Some("false") => Ok(Derived::Checked),
        Some("true") => Ok(Derived::Trusted),
        Some(other) => Err(Error::new(Code::BadRequest, format!("restore={other} is not known"))
            .at("restore")
            .remedy("leave it out, or write restore=true to bring back exported events")),
    }
}
