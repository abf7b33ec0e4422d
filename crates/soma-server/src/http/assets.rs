//! Pages that are served from the binary, with what they consist of. Nothing is loaded from elsewhere.
//!
//! Each part is a file of `assets/`, compiled in. Its ETag is a digest of its bytes, so a browser asks again
//! and gets 304 until the binary changes. The policy lets a page run the scripts and styles of this server
//! only, none of its own text, and talk to nobody else.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::endpoint::{Answer, Endpoint, Verb};
use super::params;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file that is compiled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    /// Its media type.
    pub(super) kind: &'static str,
    /// What it holds.
    pub(super) text: &'static str,
}

const ALL: [Asset; 3] = [
    Asset { path: "/docs", kind: "text/html; charset=utf-8", text: include_str!("assets/docs.html") },
    Asset { path: "/docs/page.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/docs.js") },
    Asset { path: "/docs/page.css", kind: "text/css; charset=utf-8", text: include_str!("assets/docs.css") },
];

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let endpoint = |asset: Asset| {
        let id = match asset.path {
            "/docs" => "docs",
            "/docs/page.js" => "docsScript",
            _ => "docsStyle",
        };
        Endpoint::new(Verb::Get, asset.path, async move |headers: HeaderMap| serve(asset, &headers))
            .about(id, "a page to read and try this API", "Served from the binary, without any outside asset.")
            .takes([params::told::if_none_match()])
            .answers(Answer::text("a part of the page", &[asset.kind]).with("ETag", "a digest of its bytes"))
            .answers(Answer::empty(304, "it is the one that If-None-Match names").with("ETag", "a digest of its bytes"))
    };
    ALL.into_iter().map(endpoint).collect()
}

/// The file, or 304 when the caller has it.
pub(super) fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let digest = Sha256::digest(asset.text.as_bytes());
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits are a header value");
    let mut response = match params::names_etag(headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, asset.kind)], asset.text).into_response(),
    };
    let all = response.headers_mut();
    all.insert(header::ETAG, etag);
    let fixed = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        all.insert(name, HeaderValue::from_static(value));
    }
    response
}
