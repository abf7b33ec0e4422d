//! `/v1/namespaces`, `/v1/stats`, `/v1/status`: what there is, and how far it has come.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use soma_core::engine::{Engine, Page, PartitionStatus};
use soma_core::error::Code;
use soma_core::store::NamespaceCount;
use soma_core::{Result, limits};

use super::App;
use super::access::{Caller, Grant};
use super::endpoint::{Answer as Told, Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{Params, told};
use super::problem::Answer;
use super::shapes;

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let namespace =
        schema::answer(json!({ "namespace": schema::of("Namespace"), "memories": schema::count("how many it holds") }));
    vec![
        Endpoint::new(Verb::Get, "/v1/namespaces", namespaces)
            .needs(Right::Read)
            .about("namespaces", "list namespaces", "Those that hold memories, in order.")
            .takes([
                Param::query("prefix", "those that begin so", schema::text()),
                told::limit(),
                Param::query("cursor", "next_cursor of the page before", schema::of("Namespace")),
            ])
            .takes(told::waits())
            .answers(Told::json(200, "a page", schema::page(namespace)))
            .fails(&[Code::BadPosition]),
        Endpoint::new(Verb::Get, "/v1/stats", stats)
            .needs(Right::Read)
            .about("stats", "counts over everything", "Of all namespaces together.")
            .takes(told::waits())
            .answers(Told::json(
                200,
                "the counts",
                schema::answer(json!({
                    "memories": schema::count("that exist"),
                    "deleted": schema::count("ids whose memory is deleted"),
                    "events": schema::count("valid events, duplicates left out"),
                    "namespaces": schema::count("that hold memories"),
                    "points": schema::count("in the vector index"),
                    "dead_letters": schema::count("that were kept, redriven ones included"),
                })),
            )),
        Endpoint::new(Verb::Get, "/v1/status", status)
            .needs(Right::Read)
            .about("status", "how far everything has come", "Positions, lag, what is paused and why, dead letters.")
            .answers(Told::json(200, "the state", state())),
    ]
}

fn state() -> Value {
    let text = || json!({ "type": "string" });
    let maybe = |about: &str| json!({ "type": ["integer", "null"], "minimum": 0, "description": about });
    let partition = schema::answer(json!({
        "log": text(),
        "partition": schema::count("of the log"),
        "first": maybe("the first offset that the log retains"),
        "end": maybe("the offset that the next record will get"),
        "next": schema::count("the first offset that is not yet projected"),
        "indexed": schema::count("below it the index is durable"),
        "lag": maybe("offsets that are not yet projected"),
        "updated_at": { "type": ["string", "null"], "format": "date-time" },
    }));
    schema::answer(json!({
        "version": text(),
        "eventing_enabled": { "type": "boolean" },
        "log": text(),
        "projector": text(),
        "partitions": { "type": "array", "items": partition },
        "position": schema::of("Position"),
        "paused": { "type": "array", "items": text() },
        "unavailable": { "type": "object", "additionalProperties": text(), "description": "what is away, with the reason" },
        "dead_letters": schema::count("that were kept, redriven ones included"),
        "embedder": schema::answer(json!({
            "name": text(), "revision": text(), "dimensions": schema::count("length of its vectors"),
        })),
    }))
}

/// `GET /v1/namespaces`
pub(super) async fn namespaces(State(app): State<App>, Caller(grant): Caller, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    let prefix = params.take("prefix").unwrap_or_default();
    let limit = params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
    let cursor = params.take("cursor");
    params.finish("prefix, limit, cursor, after, wait_ms")?;
    let page = seen(&app.engine, &grant, &prefix, cursor, limit).await?;
    let shape = |count: &NamespaceCount| json!({ "namespace": count.namespace, "memories": count.memories });
    let items: Vec<Value> = page.items.iter().map(shape).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor })))
}

/// A page of the namespaces that the caller may know of.
async fn seen(
    engine: &Engine,
    grant: &Grant,
    prefix: &str,
    mut cursor: Option<String>,
    limit: usize,
) -> Result<Page<NamespaceCount>> {
    let mut items: Vec<NamespaceCount> = Vec::new();
    loop {
        let page = engine.namespaces(prefix, cursor.as_deref(), limit).await?;
        items.extend(page.items.into_iter().filter(|count| grant.covers(&count.namespace)));
        cursor = page.next_cursor;
        if items.len() > limit || (items.len() == limit && cursor.is_some()) {
            items.truncate(limit);
            let next_cursor = items.last().map(|last| last.namespace.to_string());
            return Ok(Page { items, next_cursor });
        }
        if cursor.is_none() {
            return Ok(Page { items, next_cursor: None });
        }
    }
}

/// `GET /v1/stats`
pub(super) async fn stats(State(app): State<App>, Caller(grant): Caller, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    params.finish("after, wait_ms")?;
    grant.everywhere()?;
    let counts = app.engine.counts().await?;
    let body = json!({
        "memories": counts.memories,
        "deleted": counts.deleted,
        "events": counts.events,
        "namespaces": counts.namespaces,
        "points": app.engine.index.count().await?,
        "dead_letters": app.engine.letters.count().await?,
    });
    Ok(shapes::answer(StatusCode::OK, &body))
}

/// `GET /v1/status`
pub(super) async fn status(State(app): State<App>, uri: Uri) -> Answer {
    Params::of(&uri)?.finish("none")?;
    let engine = &app.engine;
    let status = engine.status().await?;
    let partitions: Vec<Value> = status.partitions.iter().map(partition).collect();
    let identity = engine.embedder.identity();
    let down = app.health.down();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "eventing_enabled": app.eventing,
        "log": engine.log.id().as_str(),
        "projector": engine.projector.as_str(),
        "partitions": partitions,
        "position": engine.position().await?,
        "paused": down.keys().collect::<Vec<_>>(),
        "unavailable": down,
        "dead_letters": status.dead_letters,
        "embedder": { "name": identity.name, "revision": identity.revision, "dimensions": identity.dims },
    });
    Ok(shapes::answer(StatusCode::OK, &body))
}

fn partition(partition: &PartitionStatus) -> Value {
    json!({
        "log": partition.log.as_str(),
        "partition": partition.partition,
        "first": partition.first,
        "end": partition.end,
        "next": partition.next,
        "indexed": partition.indexed,
        "lag": partition.lag,
        "updated_at": partition.updated_at.map(|time| time.to_string()),
    })
}
