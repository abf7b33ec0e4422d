//! The query string and the headers of a request.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use soma_core::engine::Engine;
use soma_core::error::Code;
use soma_core::ids::{MemoryId, Namespace, Position};
use soma_core::{Error, Result, limits};

use super::problem::Problem;

/// The parameters of a query string, taken one by one; what remains is refused by name.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Decodes a query string.
    ///
    /// # Errors
    /// `bad_request` when it is malformed or names a parameter twice (`after` may repeat).
    pub(super) fn of(uri: &Uri) -> Result<Self> {
        readable(uri.query().unwrap_or_default())?;
        let malformed = |_| Error::new(Code::BadRequest, "the query string is malformed");
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(malformed)?;
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                let message = format!("the parameter {name:?} contains U+0000");
                return Err(Error::new(Code::BadRequest, message).at(name).remedy("leave it out: no text holds it"));
            }
            match params.get_mut(&name) {
                None => drop(params.insert(name, value)),
                Some(several) if name == "after" => *several = format!("{several},{value}"),
                Some(_) => {
                    return Err(Error::new(Code::BadRequest, format!("the parameter {name:?} is given twice")).at(name));
                }
            }
        }
        Ok(Self(params))
    }

    /// A parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// `bad_request`.
    pub(super) fn number(&mut self, name: &str, min: usize, max: usize) -> Result<Option<usize>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        // Spelled as programs write it: no sign, no zero in front.
        let number = text.parse().ok().filter(|n: &usize| (min..=max).contains(n) && n.to_string() == text);
        number.map(Some).ok_or_else(|| {
            Error::new(Code::BadRequest, format!("{name}={text} is not a whole number from {min} to {max}")).at(name)
        })
    }

    /// The namespace, if one is named.
    ///
    /// # Errors
    /// `schema`.
    pub(super) fn namespace(&mut self) -> Result<Option<Namespace>> {
        self.take("namespace").map(|text| Namespace::parse(&text)).transpose()
    }

    /// Waits until the stores have passed `after`, if it is named.
    ///
    /// # Errors
    /// `bad_position`, `bad_request`, `position_not_reached`, `unavailable`.
    pub(super) async fn wait(&mut self, engine: &Engine) -> Result<()> {
        let bound = self.wait_bound()?;
        self.wait_within(engine, bound).await
    }

    /// The same, where `wait_ms` bounds something else besides.
    ///
    /// # Errors
    /// `bad_position`, `position_not_reached`, `unavailable`.
    pub(super) async fn wait_within(&mut self, engine: &Engine, bound: Duration) -> Result<()> {
        let after = self.take("after").map(|text| Position::parse_many(&text)).transpose()?;
        match after {
            Some(position) => engine.wait(&position, bound).await,
            None => Ok(()),
        }
    }

    /// `wait_ms`, or its default.
    ///
    /// # Errors
    /// `bad_request` beyond its bounds.
    pub(super) fn wait_bound(&mut self) -> Result<Duration> {
        let max = usize::try_from(limits::WAIT_MAX.as_millis()).expect("a small number");
        let millis = self.number("wait_ms", 0, max)?;
        Ok(millis.map_or(limits::WAIT_DEFAULT, |ms| Duration::from_millis(ms as u64)))
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// `bad_request`, naming the parameter.
    pub(super) fn finish(self, known: &str) -> Result<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::new(Code::BadRequest, format!("there is no parameter {name:?} here"))
                .at(name)
                .remedy(format!("known are {known}"))),
        }
    }
}

/// Refuses escapes that are not text, before a reader replaces them: a namespace would become another one.
fn readable(query: &str) -> Result<()> {
    for pair in query.split('&') {
        if !is_text(pair) {
            let name = pair.split('=').next().unwrap_or_default();
            let error = Error::new(Code::BadRequest, format!("the parameter {name} is not UTF-8"));
            return Err(error.at(name).remedy("percent-encode the bytes of UTF-8"));
        }
    }
    Ok(())
}

/// Whether the percent-encoded bytes are UTF-8.
fn is_text(encoded: &str) -> bool {
    let (mut bytes, mut rest) = (Vec::with_capacity(encoded.len()), encoded.as_bytes());
    while let [first, tail @ ..] = rest {
        let escape = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        match (*first == b'%').then(escape).flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// The memory that the path names.
pub(super) struct PathId(pub(super) MemoryId);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| {
            let error = Error::new(Code::Schema, "the id in the path is not UTF-8").at("id");
            error.remedy("write 32 hexadecimal digits as 8-4-4-4-12")
        })?;
        Ok(Self(MemoryId::parse(&text)?))
    }
}

/// Checks `wait_ms` of a body.
///
/// # Errors
/// `bad_request` beyond its bounds.
pub(super) fn wait_bound(millis: Option<u64>) -> Result<Duration> {
    let bound = millis.map_or(limits::WAIT_DEFAULT, Duration::from_millis);
    if bound <= limits::WAIT_MAX {
        return Ok(bound);
    }
    let message = format!("wait_ms is beyond {}", limits::WAIT_MAX.as_millis());
    Err(Error::new(Code::BadRequest, message).at("wait_ms"))
}

/// Refuses preconditions: they cannot be honoured by a log that only appends.
///
/// # Errors
/// `precondition_unsupported`.
pub(super) fn no_precondition(headers: &HeaderMap) -> Result<()> {
    for name in ["if-match", "if-unmodified-since"] {
        if headers.contains_key(name) {
            return Err(Error::new(Code::PreconditionUnsupported, format!("the header {name} is not supported"))
                .at(name)
                .remedy("leave it out: the log's order decides which write wins"));
        }
    }
    Ok(())
}

/// A header of which there is at most one, as text.
///
/// # Errors
/// `bad_request`.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Error::new(Code::BadRequest, format!("the header {name} is given twice")).at(name));
    }
    first
        .map(|value| {
            value.to_str().map_err(|_| {
                Error::new(Code::BadRequest, format!("the header {name} holds characters beyond ASCII")).at(name)
            })
        })
        .transpose()
}

/// Whether `If-None-Match` names this ETag, or any.
pub(super) fn names_etag(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = headers.get_all("if-none-match").iter();
    let mut names = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
    names.any(|name| name == b"*" || name.strip_prefix(b"W/").unwrap_or(name) == etag.as_bytes())
}

/// The caller's `Idempotency-Key`.
///
/// # Errors
/// `bad_request` when it is empty or too long.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>> {
    const NAME: &str = "idempotency-key";
    let key = header(headers, NAME)?;
    match key {
        Some(key) if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_BYTES_MAX => {
            let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
            Err(Error::new(Code::BadRequest, format!("the header {NAME} has not 1 to {max} characters")).at(NAME))
        }
        Some(key) if key.contains('\t') => {
            Err(Error::new(Code::BadRequest, format!("the header {NAME} holds a tab")).at(NAME))
        }
        key => Ok(key),
    }
}

/// The parameters that several routes share, as they are told to clients.
pub(super) mod told {
    use serde_json::json;
    use soma_core::limits;

    use crate::http::endpoint::Param;
    use crate::http::openapi::schema;

    /// `after` and `wait_ms` of a read.
    pub(in crate::http) fn waits() -> [Param; 2] {
        let about = "answer only once both stores have passed this position; several, joined by commas, or repeated";
        let positions = json!({
            "type": "string", "pattern": "^p1[A-Za-z0-9_-]+(,p1[A-Za-z0-9_-]+)*$"
        });
        [
            Param::query("after", about, positions),
            Param::query("wait_ms", "how long to wait for it, in milliseconds", schema::wait_ms()),
        ]
    }

    /// What every write takes: `wait`, `wait_ms` and a trace.
    pub(in crate::http) fn writes() -> [Param; 3] {
        let bound = "with wait=stored: how long to wait, in milliseconds";
        [stored(), Param::query("wait_ms", bound, schema::wait_ms()), trace()]
    }

    /// That a write waits for the stores.
    pub(in crate::http) fn stored() -> Param {
        let wait = json!({ "type": "string", "enum": ["stored"] });
        Param::query("wait", "answer only once both stores have it", wait)
    }

    /// The trace that a write belongs to.
    pub(in crate::http) fn trace() -> Param {
        let about = "W3C trace context; travels with the event";
        Param::header("traceparent", about, json!({ "type": "string", "pattern": "^[\\t -~]*$" }))
    }

    /// What makes a write repeatable.
    pub(in crate::http) fn key() -> Param {
        let about = "makes repeating the write safe: the same body gets the first answer again, another body 422";
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": limits::IDEMPOTENCY_KEY_BYTES_MAX, "pattern": "^[!-~]([ -~]*[!-~])?$",
        });
        Param::header("Idempotency-Key", about, schema)
    }

    /// What the caller holds already.
    pub(in crate::http) fn if_none_match() -> Param {
        let about = "answers 304 when the memory still shows this event: an ETag, several, or *";
        Param::header("If-None-Match", about, json!({ "type": "string" }))
    }

    /// The memory in the path.
    pub(in crate::http) fn id() -> Param {
        Param::path("id", "the memory", schema::named_uuid())
    }

    /// The namespace of a memory that need not exist.
    pub(in crate::http) fn namespace(about: &str) -> Param {
        Param::query("namespace", about, schema::of("Namespace"))
    }

    /// How many items a page holds.
    pub(in crate::http) fn limit() -> Param {
        let schema =
            json!({ "type": "integer", "minimum": 1, "maximum": limits::PAGE_MAX, "default": limits::PAGE_DEFAULT });
        Param::query("limit", "how many items a page holds", schema)
    }
}
