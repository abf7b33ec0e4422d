//! What all writes share: append, and wait for the stores when asked.
//!
//! A write that waits never un-acknowledges: at the bound it answers 202, because the log has it. A
//! repeated write gets the first answer again; that it was one stands in the header [`REPEATED`] alone.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};
use soma_core::engine::{Context, Engine, Key, Stored, Written};
use soma_core::error::Code;
use soma_core::ids::Position;
use soma_core::{Error, Result, limits};

use super::endpoint::Answer as Told;
use super::openapi::schema;
use super::params::{Params, header, idempotency_key};
use super::{problem, shapes};

/// The header of an answer that counts the writes of it which the log had already.
pub(super) const REPEATED: HeaderName = HeaderName::from_static("soma-repeated");

/// An answer to writes, as it is told to clients.
pub(super) fn told(status: u16, about: &'static str, shape: &str) -> Told {
    let counts = "how many of the writes the log had already; absent when there is none";
    Told::json(status, about, schema::of(shape)).with("soma-repeated", counts)
}

/// Says how many of the writes were repeated, if any was.
fn counted(mut response: Response, repeated: usize) -> Response {
    if repeated > 0 {
        response.headers_mut().insert(REPEATED, repeated.into());
    }
    response
}

/// How long a write waits for the stores; `None` does not wait.
pub(super) fn wait_stored(params: &mut Params) -> Result<Option<Duration>> {
    let bound = params.wait_bound()?;
    Ok(stored_asked(params)?.then_some(bound))
}

/// Whether a write waits for the stores.
pub(super) fn stored_asked(params: &mut Params) -> Result<bool> {
    match params.take("wait").as_deref() {
        None => Ok(false),
        Some("stored") => Ok(true),
        Some(other) => {
            let message = format!("wait={other} is not known");
            Err(Error::new(Code::BadRequest, message).at("wait").remedy("leave it out, or write wait=stored"))
        }
    }
}

/// What comes with a write beside its content.
pub(super) fn context<'a>(headers: &'a HeaderMap, method: &'a str, uri: &'a Uri) -> Result<Context<'a>> {
    let key = idempotency_key(headers)?.map(|key| Key { method, target: uri.path(), key });
    Ok(Context { key, traceparent: header(headers, "traceparent")? })
}

/// Answers with `status` for a write that the log has; 202 when the stores do not have it in time.
pub(super) async fn answer(
    engine: &Engine,
    written: &Written,
    wait: Option<Duration>,
    status: StatusCode,
) -> Result<Response> {
    let mut body = shapes::written(written);
    let status = match wait {
        Some(bound) => stored(engine, written, bound, &mut body).await?.unwrap_or(status),
        None => status,
    };
    Ok(counted(shapes::answer(status, &Value::Object(body)), usize::from(written.repeated)))
}

/// Says whether the stores have it; another status when they do not.
async fn stored(
    engine: &Engine,
    written: &Written,
    bound: Duration,
    body: &mut Map<String, Value>,
) -> Result<Option<StatusCode>> {
    let stored = engine.stored(written, bound).await?;
    body.insert("stored".into(), json!(stored == Stored::Yes));
    Ok((stored == Stored::NotYet).then_some(StatusCode::ACCEPTED))
}

/// Waits until the stores have what several writes of one kind did, and says whether they do: in the body,
/// and by the status.
pub(super) async fn all_stored(
    engine: &Engine,
    position: &Position,
    bound: Duration,
    body: &mut Value,
) -> Result<StatusCode> {
    let stored = match engine.wait(position, bound).await {
        Ok(()) => true,
        Err(error) if error.code == Code::PositionNotReached => false,
        Err(error) => return Err(error),
    };
    body["stored"] = json!(stored);
    Ok(if stored { StatusCode::OK } else { StatusCode::ACCEPTED })
}

/// The items of a batch: those that can be written, and the places of those that cannot.
pub(super) struct Batch<T> {
    good: Vec<T>,
    /// By place; `None` is a good one.
    refused: Vec<Option<Error>>,
}

impl<T> Batch<T> {
    pub(super) fn of(items: impl Iterator<Item = Result<T>>) -> Self {
        let mut batch = Self { good: Vec::new(), refused: Vec::new() };
        for item in items {
            batch.refused.push(item.map(|good| batch.good.push(good)).err());
        }
        batch
    }

    /// Hands over the good ones, in order.
    pub(super) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.good)
    }

    /// Answers for every item, in order, given what became of the good ones.
    pub(super) async fn answer(
        self,
        engine: &Engine,
        written: Vec<Result<Written>>,
        wait: Option<Duration>,
    ) -> Result<Response> {
        let mut position = Position::default();
        for written in written.iter().flatten() {
            position.cover(&written.place);
        }
        if let Some(bound) = wait
            && !position.is_empty()
        {
            // One wait for all; what is left to ask of each item afterwards is answered at once.
            match engine.wait(&position, bound).await {
                Ok(()) => {}
                Err(error) if error.code == Code::PositionNotReached => {}
                Err(error) => return Err(error),
            }
        }
        let repeated = written.iter().flatten().filter(|written| written.repeated).count();
        let mut written = written.into_iter();
        let mut items = Vec::with_capacity(self.refused.len());
        for refused in self.refused {
            let missing = || Err(Error::new(Code::Internal, "the write was not answered"));
            let outcome = refused.map_or_else(|| written.next().unwrap_or_else(missing), Err);
            items.push(item(engine, outcome, wait.is_some()).await);
        }
        let response = shapes::answer(StatusCode::OK, &json!({ "items": items, "position": position }));
        Ok(counted(response, repeated))
    }
}

async fn item(engine: &Engine, outcome: Result<Written>, wait: bool) -> Value {
    let written = match outcome {
        Ok(written) => written,
        Err(error) => return problem::of_item(&error),
    };
    let mut body = shapes::written(&written);
    let status = match wait {
        true => stored(engine, &written, Duration::ZERO, &mut body).await,
        false => Ok(None),
    };
    match status {
        Ok(status) => {
            body.insert("status".into(), json!(status.unwrap_or(StatusCode::CREATED).as_u16()));
            Value::Object(body)
        }
        Err(error) => problem::of_item(&error),
    }
}

/// The body of a batch, in its three forms.
pub(super) fn batch_body(item: &Value) -> Vec<(&'static str, Value)> {
    let other = json!({ "description": "anything else is refused for itself, and the other items stand" });
    let items = json!({ "type": "array", "maxItems": limits::BATCH_ITEMS_MAX, "items": { "anyOf": [item, other] } });
    let one = json!({ "not": { "type": "array" }, "description": "one item" });
    let lines = json!({ "type": "string", "pattern": "[^\\t\\n\\f\\r ]", "description": "one item in each line" });
    vec![("application/json", json!({ "anyOf": [items, one] })), ("application/x-ndjson", lines)]
}

/// Splits a body into its items: a JSON array, one object, or lines of JSON.
///
/// # Errors
/// `not_json` when the array itself is broken, `too_large` for too many items.
pub(super) fn split<'a>(body: &'a [u8], headers: &HeaderMap) -> Result<Vec<&'a [u8]>> {
    let kind = header(headers, "content-type")?.unwrap_or_default().to_ascii_lowercase();
    let lines = kind.contains("ndjson") || kind.contains("jsonl");
    let text = body.trim_ascii();
    let items = if text.is_empty() {
        return Err(Error::new(Code::NotJson, "the body is empty").remedy("send an array, an object, or lines of JSON"));
    } else if !lines && text.starts_with(b"[") {
        array(text)?
    } else if !lines && serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok() {
        vec![text]
    } else if kind.starts_with("application/json") {
        return Err(Error::new(Code::NotJson, "the body is not JSON")
            .remedy("send an array or an object, or lines of JSON as application/x-ndjson"));
    } else {
        text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect()
    };
    if items.len() > limits::BATCH_ITEMS_MAX {
        let message = format!("the batch has {} items, at most {} are allowed", items.len(), limits::BATCH_ITEMS_MAX);
        return Err(Error::new(Code::TooLarge, message).remedy("send several batches"));
    }
    Ok(items)
}

fn array(text: &[u8]) -> Result<Vec<&[u8]>> {
    let broken = |error: serde_json::Error| Error::new(Code::NotJson, format!("the body is not a JSON array: {error}"));
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_slice(text).map_err(broken)?;
    Ok(items.into_iter().map(|item| item.get().as_bytes()).collect())
}
