//! What every answer tells browsers, and which pages of other origins may read one.
//!
//! An answer is never guessed to be of another type, never framed, never kept, and sends nobody on with
//! its address. Pages and their parts say themselves what they may do and how long they are kept
//! ([`super::assets`]).
//!
//! No page of another origin reads an answer unless the operator names its origin. A named one is let in
//! as a program is: by a token in a header. Cookies and logins of the browser are never asked for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How long a browser may remember what it was allowed, in seconds.
const REMEMBERED_SECONDS: &str = "600";

const FIXED: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Adds what the answer does not say itself.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The origins that the operator named.
pub(super) type Origins = Arc<[String]>;

/// Answers the browser's question beforehand, and marks answers for pages that may read them.
pub(super) async fn cors(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| is_named(&origins, origin)).cloned();
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let Some(origin) = origin else { return varying(&origins, next.run(request).await) };
    let mut response = if asks { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if asks {
        allow(headers);
    } else {
        let shown = "etag, retry-after, soma-repeated";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(shown));
    }
    varying(&origins, response)
}

/// Whether the operator named this origin.
pub(super) fn is_named(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|named| origin.as_bytes().eq_ignore_ascii_case(named.as_bytes()))
}

fn allow(headers: &mut HeaderMap) {
    let taken = "authorization, content-type, idempotency-key, if-none-match, traceparent";
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(taken));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED_SECONDS));
}

/// Tells caches that the answer depends on who asks.
fn varying(origins: &[String], mut response: Response) -> Response {
    if !origins.is_empty() {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}
