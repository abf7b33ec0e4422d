//! `GET /v1/points`: the points of the vector index, as they are stored; for operators.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::ids::MemoryId;
use soma_core::index::StoredPoint;
use soma_core::limits;

use super::endpoint::{Answer as Told, Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{Params, told};
use super::problem::Answer;
use super::{App, shapes};

/// What is told about this route.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let numbers = || json!({ "type": "array", "items": { "type": "number" } });
    let sparse = schema::answer(json!({
        "indices": { "type": "array", "items": schema::count("hash of a term") }, "values": numbers(),
    }));
    let point = schema::answer(json!({
        "id": schema::any_uuid(),
        "rev": schema::count("under which it was written"),
        "event_id": schema::any_uuid(),
        "namespace": { "type": "string" },
        "dense": numbers(),
        "sparse": sparse,
    }));
    vec![
        Endpoint::new(Verb::Get, "/v1/points", list)
            .needs(Right::Admin)
            .about("points", "list the points of the vector index", "As they are stored, in the order of their ids.")
            .takes([told::limit(), Param::query("cursor", "next_cursor of the page before", schema::any_uuid())])
            .answers(Told::json(200, "a page", schema::page(point)))
            .fails(&[Code::Schema]),
    ]
}

/// `GET /v1/points`
pub(super) async fn list(State(app): State<App>, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    let limit = params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT);
    let after = params.take("cursor").map(|text| MemoryId::parse_strict(&text)).transpose()?;
    params.finish("limit, cursor")?;
    let points = app.engine.index.scan(after, limit).await?;
    let next_cursor = points.last().filter(|_| points.len() == limit).map(|point| point.id);
    let items: Vec<Value> = points.iter().map(shape).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next_cursor })))
}

fn shape(point: &StoredPoint) -> Value {
    json!({
        "id": point.id,
        "rev": point.rev,
        "event_id": point.event_id,
        "namespace": point.namespace,
        "dense": point.dense,
        "sparse": { "indices": point.sparse.indices, "values": point.sparse.values },
    })
}
