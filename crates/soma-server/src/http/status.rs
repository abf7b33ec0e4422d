//! `/v1/namespaces`, `/v1/stats`, `/v1/status`: what there is, and how far it has come.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use soma_core::engine::PartitionStatus;
use soma_core::limits;
use soma_core::store::NamespaceCount;

use super::App;
use super::params::Params;
use super::problem::Answer;
use super::shapes;

/// `GET /v1/namespaces`
pub(super) async fn namespaces(State(app): State<App>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    let prefix = params.take("prefix").unwrap_or_default();
    let limit = params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
    let cursor = params.take("cursor");
    params.finish("prefix, limit, cursor, after, wait_ms")?;
    let page = app.engine.namespaces(&prefix, cursor.as_deref(), limit).await?;
    let shape = |count: &NamespaceCount| json!({ "namespace": count.namespace, "memories": count.memories });
    let items: Vec<Value> = page.items.iter().map(shape).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor })))
}

/// `GET /v1/stats`
pub(super) async fn stats(State(app): State<App>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    params.finish("after, wait_ms")?;
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
        "eventing_enabled": false,
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
