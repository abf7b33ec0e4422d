//! What one caller works with: the routes, its namespace, and the positions that it has written.
//!
//! A write waits until both stores have it. If they take longer than that, its position is kept, and every
//! read waits for it, so a caller reads its own writes, or learns by `position_not_reached` that it does not
//! yet. A position is forgotten once the stores have passed it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};
use soma_core::Result;
use soma_core::ids::Position;

use crate::http::local::encoded;

/// How long a write waits for the stores, and a read for a write before it, in milliseconds.
const WAIT_MS: u64 = 10_000;

/// A request of one route of the HTTP API.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Option<Value>,
}

/// Whoever answers: this process, or a server.
#[async_trait]
pub(crate) trait Routes: Send + Sync {
    /// Makes a request.
    ///
    /// # Errors
    /// What the answer says if it is a problem; `unavailable` if there is none.
    async fn call(&self, call: Call) -> Result<Value>;
}

/// Writes of one caller that the stores have yet to show.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Position>);

impl Seen {
    /// Whether the stores show everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending().is_empty()
    }

    fn pending(&self) -> Position {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wrote(&self, position: &Position) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).merge(position);
    }

    /// Forgets what was waited for, unless more was written meanwhile.
    fn reached(&self, position: &Position) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *pending == *position {
            *pending = Position::default();
        }
    }
}

/// One caller.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) routes: Arc<dyn Routes>,
    /// Where it works when a call names no namespace; none leaves it to the server.
    pub(crate) namespace: Option<String>,
    pub(crate) seen: Arc<Seen>,
}

impl Session {
    /// Reads from a path, once the stores show what was written here.
    pub(super) async fn get(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value> {
        let pending = self.seen.pending();
        let after = (!pending.is_empty()).then(|| pending.to_string());
        let waits = [("wait_ms", after.as_ref().map(|_| WAIT_MS.to_string())), ("after", after)];
        let target = target(path, query.iter().chain(&waits));
        let answer = self.routes.call(Call { method: "GET", target, body: None }).await?;
        self.seen.reached(&pending);
        Ok(answer)
    }

    /// Asks a question, once the stores show what was written here.
    pub(super) async fn ask(&self, mut question: Map<String, Value>) -> Result<Value> {
        let pending = self.seen.pending();
        if !pending.is_empty() {
            question.insert("after".into(), pending.to_string().into());
            question.insert("wait_ms".into(), WAIT_MS.into());
        }
        let body = Some(Value::Object(question));
        let answer = self.routes.call(Call { method: "POST", target: "/v1/recall".into(), body }).await?;
        self.seen.reached(&pending);
        Ok(answer)
    }

    /// Writes, and waits until the stores show it; remembers the position if they do not.
    pub(super) async fn write(&self, method: &'static str, path: &str, body: Option<Value>) -> Result<Value> {
        let waits = [("wait", Some("stored".to_owned())), ("wait_ms", Some(WAIT_MS.to_string()))];
        let mut answer = self.routes.call(Call { method, target: target(path, &waits), body }).await?;
        if answer.get("stored") != Some(&Value::Bool(true)) {
            if let Some(position) = answer.get("position").and_then(Value::as_str) {
                self.seen.wrote(&Position::parse(position)?);
            }
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("stored".into(), Value::Bool(false));
            }
        }
        Ok(answer)
    }
}

/// A path with those parameters that have a value.
fn target<'a>(path: &str, query: impl IntoIterator<Item = &'a (&'a str, Option<String>)>) -> String {
    let mut target = path.to_owned();
    for (name, value) in query {
        let Some(value) = value else { continue };
        let mark = if target.contains('?') { '&' } else { '?' };
        target.push_str(&format!("{mark}{name}={}", encoded(value)));
    }
    target
}
