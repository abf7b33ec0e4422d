//! `GET` and `DELETE /v1/memories`: what a namespace and a filter select.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use soma_core::engine::{ListRequest, Selection};
use soma_core::error::Code;
use soma_core::filter::Filter;
use soma_core::recall::Scope;
use soma_core::store::Order;
use soma_core::{Error, Result, json as bounded, limits};

use super::App;
use super::access::Caller;
use super::endpoint::{Answer as Told, Endpoint, Param, Right, Verb};
use super::openapi::schema;
use super::params::{Params, no_precondition, told};
use super::problem::Answer;
use super::{shapes, write};

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let filter = || Param::query_json("filter", "only memories that match: JSON, URL-encoded", schema::of("Filter"));
    let deleted = || {
        schema::answer_with(
            json!({ "deleted": schema::count("how many memories it deleted"), "position": schema::of("Position") }),
            json!({ "stored": { "type": "boolean", "description": "with wait=stored: whether both stores have it" } }),
        )
    };
    vec![
        Endpoint::new(Verb::Get, "/v1/memories", list)
            .needs(Right::Read)
            .about(
                "list",
                "list memories",
                "Pages do not shift when memories come or go. `namespace` and `namespace_prefix` exclude each other.",
            )
            .takes([
                told::namespace("whose memories; without it those of the default namespace"),
                Param::query("namespace_prefix", "those of every namespace that begins so", schema::text()),
                filter(),
                Param::query(
                    "order",
                    "in which order",
                    json!({ "type": "string", "enum": ["newest", "oldest", "importance"], "default": "newest" }),
                ),
                told::limit(),
                Param::query(
                    "cursor",
                    "next_cursor of the page before, in the same order",
                    json!({ "type": "string", "pattern": CURSOR }),
                ),
            ])
            .takes(told::waits())
            .answers(Told::json(200, "a page", schema::page(schema::of("Memory"))))
            .fails(&[Code::BadFilter]),
        Endpoint::new(Verb::Delete, "/v1/memories", delete)
            .needs(Right::Write)
            .about(
                "forgetSelected",
                "delete memories by namespace and filter",
                "Deletes what the stores hold when they are read. Deleting everything needs the namespace named.",
            )
            .takes([told::namespace("whose memories"), filter(), told::stored(), told::trace(), told::key()])
            .takes(told::waits())
            .answers(Told::json(200, "what it deleted", deleted()))
            .answers(Told::json(202, "what it deleted; the log has it, and the stores not in time", deleted()))
            .fails(&[Code::BadFilter]),
    ]
}

/// The mark of the order, then time, importance and id of the last memory.
const CURSOR: &str = "^[noi][0-9a-f]{16}\\.(-|[0-9a-f]{16})\\.[0-9a-f]{32}$";

/// `GET /v1/memories`
pub(super) async fn list(State(app): State<App>, Caller(grant): Caller, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    params.wait(&app.engine).await?;
    let namespace = params.namespace()?;
    let prefix = params.take("namespace_prefix");
    let request = ListRequest {
        scope: match (namespace, prefix) {
            (Some(_), Some(_)) => return Err(bad("namespace and namespace_prefix exclude each other").into()),
            (None, Some(prefix)) => Scope::Prefix(prefix),
            (namespace, None) => Scope::Namespaces(vec![namespace.unwrap_or_else(|| app.namespace.clone())]),
        },
        filter: filter(&mut params)?,
        order: order(params.take("order").as_deref())?,
        cursor: params.take("cursor"),
        limit: params.number("limit", 1, limits::PAGE_MAX)?.unwrap_or(limits::PAGE_DEFAULT),
    };
    params.finish("namespace, namespace_prefix, filter, order, limit, cursor, after, wait_ms")?;
    let request = ListRequest { scope: grant.narrow(&app.engine, request.scope).await?, ..request };
    let page = app.engine.list(&request).await?;
    let items: Vec<Value> = page.items.iter().map(|memory| Value::Object(shapes::memory(memory))).collect();
    Ok(shapes::answer(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor })))
}

/// `DELETE /v1/memories`
pub(super) async fn delete(State(app): State<App>, Caller(grant): Caller, uri: Uri, headers: HeaderMap) -> Answer {
    no_precondition(&headers)?;
    let mut params = Params::of(&uri)?;
    let bound = params.wait_bound()?;
    let waits = write::stored_asked(&mut params)?;
    params.wait_within(&app.engine, bound).await?;
    let named = params.namespace()?;
    let filter = filter(&mut params)?;
    params.finish("namespace, filter, after, wait, wait_ms")?;
    if named.is_none() && filter.is_none() {
        return Err(bad("deleting everything needs the namespace named").remedy("add ?namespace=…").into());
    }
    let namespace = named.unwrap_or_else(|| app.namespace.clone());
    grant.demand(&namespace)?;
    let selection = Selection { namespaces: Some(vec![namespace]), filter };
    let forgotten = app.engine.forget_all(&selection, write::context(&headers, "DELETE", &uri)?).await?;
    let mut body = json!({ "deleted": forgotten.memories, "position": forgotten.position });
    let status = match waits {
        true => write::all_stored(&app.engine, &forgotten.position, bound, &mut body).await?,
        false => StatusCode::OK,
    };
    Ok(shapes::answer(status, &body))
}

fn filter(params: &mut Params) -> Result<Option<Filter>> {
    let parse = |text: String| {
        let value = bounded::parse(text.as_bytes())
            .map_err(|error| Error::new(Code::BadFilter, format!("the filter is not JSON: {error}")).at("filter"))?;
        Filter::parse(&value)
    };
    params.take("filter").map(parse).transpose()
}

fn order(text: Option<&str>) -> Result<Order> {
    match text {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some("importance") => Ok(Order::Importance),
        Some(other) => Err(Error::new(Code::BadRequest, format!("there is no order {other:?}"))
            .at("order")
            .remedy("write newest, oldest or importance")),
    }
}

fn bad(message: &str) -> Error {
    Error::new(Code::BadRequest, message).at("namespace")
}
