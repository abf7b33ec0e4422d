//! Errors on the wire: `application/problem+json` with a stable `code`.
//!
//! The only place that turns a [`Code`] into an HTTP status. The code also stands in the answer's
//! extensions, for the audit log. Sources of errors are logged where the
//! answer is made and never shown: they may name files and hosts.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use soma_core::Error;
use soma_core::error::{Code, Kind};

/// How long a client should wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The status of a failure.
pub(crate) const fn status(code: Code) -> StatusCode {
    match code {
        Code::NotJson
        | Code::TooDeep
        | Code::NulCharacter
        | Code::NumberRange
        | Code::DuplicateKey
        | Code::BadRequest
        | Code::BadFilter
        | Code::BadPosition
        | Code::PreconditionUnsupported => StatusCode::BAD_REQUEST,
        Code::Schema
        | Code::TypeUnknown
        | Code::BadKey
        | Code::NamespaceMismatch
        | Code::SchemaUnknown
        | Code::StoreRejected
        | Code::IdempotencyConflict
        | Code::DeadLettered => StatusCode::UNPROCESSABLE_ENTITY,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UriTooLong => StatusCode::URI_TOO_LONG,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::InUse | Code::Fenced | Code::Contended => StatusCode::CONFLICT,
        Code::Unavailable | Code::PositionNotReached | Code::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::BadConfig | Code::Corrupt | Code::LogReplaced | Code::FormatTooNew | Code::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// What kind of failure it is, for people.
const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "the request cannot be accepted",
        Kind::NotFound => "there is no such thing",
        Kind::Conflict => "something else stands in its place",
        Kind::Unavailable => "try again later",
        Kind::Corrupt => "an operator has to look at the stored data",
        Kind::Internal => "this is a defect",
    }
}

/// The members of a problem, without its status.
pub(crate) fn members(error: &Error) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: &str| drop(members.insert(name.to_owned(), Value::from(value)));
    put("code", error.code.as_str());
    put("detail", &error.message);
    if let Some(field) = &error.field {
        put("field", field);
    }
    if let Some(remedy) = &error.remedy {
        put("remedy", remedy);
    }
    members
}

/// The error of one item of a batch, with the status that the item alone would have had.
pub(crate) fn of_item(error: &Error) -> Value {
    json!({ "status": status(error.code).as_u16(), "error": members(error) })
}

/// An error as the answer of a request.
#[derive(Debug)]
pub(crate) struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = status(error.code);
        if status.is_server_error() && error.kind() != Kind::Unavailable {
            let source = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::error!(error.code = %error.code, error.source = source, "a request failed: {error}");
        } else if matches!(error.code, Code::Unavailable | Code::StorageFull) {
            let source = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(error.code = %error.code, error.source = source, "a request had to be refused: {error}");
        }
        let mut body = Map::new();
        body.insert("type".into(), format!("urn:soma:problem:{}", error.code).into());
        body.insert("title".into(), title(error.kind()).into());
        body.insert("status".into(), status.as_u16().into());
        body.extend(members(&error));

        let mut response = (status, Value::Object(body).to_string()).into_response();
        response.extensions_mut().insert(error.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if error.kind() == Kind::Unavailable {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        if error.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a handler answers.
pub(crate) type Answer<T = Response> = Result<T, Problem>;
