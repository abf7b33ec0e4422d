//! Pages that are served from the binary, with what they consist of. Nothing is loaded from elsewhere.
//!
//! Each part is a file of `assets/`, compiled in. Its ETag is a digest of its bytes, so a browser asks again
//! and gets 304 until the binary changes. The policy lets a page run the scripts and styles of this server
//! only, none of its own text, and talk to nobody else; and no script may make markup from text, whatever a
//! memory holds.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};
use soma_core::error::Code;

use super::endpoint::{Answer, Endpoint, Param, Verb};
use super::params;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

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

const DOCS: Asset = page("/docs", include_str!("assets/docs.html"));
const DOCS_PARTS: [Asset; 2] =
    [script("/docs/page.js", include_str!("assets/docs.js")), style("/docs/page.css", include_str!("assets/docs.css"))];

const UI: Asset = page("/ui", include_str!("assets/ui/ui.html"));
const UI_PARTS: [Asset; 15] = [
    style("/ui/ui.css", include_str!("assets/ui/ui.css")),
    style("/ui/views.css", include_str!("assets/ui/views.css")),
    script("/ui/api.js", include_str!("assets/ui/api.js")),
    script("/ui/app.js", include_str!("assets/ui/app.js")),
    script("/ui/browse.js", include_str!("assets/ui/browse.js")),
    script("/ui/detail.js", include_str!("assets/ui/detail.js")),
    script("/ui/dom.js", include_str!("assets/ui/dom.js")),
    script("/ui/filter.js", include_str!("assets/ui/filter.js")),
    script("/ui/items.js", include_str!("assets/ui/items.js")),
    script("/ui/keys.js", include_str!("assets/ui/keys.js")),
    script("/ui/live.js", include_str!("assets/ui/live.js")),
    script("/ui/recall.js", include_str!("assets/ui/recall.js")),
    script("/ui/route.js", include_str!("assets/ui/route.js")),
    script("/ui/stem.js", include_str!("assets/ui/stem.js")),
    script("/ui/write.js", include_str!("assets/ui/write.js")),
];

const fn page(path: &'static str, text: &'static str) -> Asset {
    Asset { path, kind: "text/html; charset=utf-8", text }
}

const fn script(path: &'static str, text: &'static str) -> Asset {
    Asset { path, kind: "text/javascript; charset=utf-8", text }
}

const fn style(path: &'static str, text: &'static str) -> Asset {
    Asset { path, kind: "text/css; charset=utf-8", text }
}

/// What is told about these routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let docs = "a page to read and try this API";
    let ui = "a page to look at memories";
    vec![
        whole("/docs", DOCS).about("docs", docs, "Served from the binary, without any outside asset."),
        parts("/docs/{part}", &DOCS_PARTS).about("docsPart", docs, "What the page consists of."),
        whole("/ui", UI).about("ui", ui, "Served from the binary, without any outside asset. It holds no data itself."),
        parts("/ui/{part}", &UI_PARTS).about("uiPart", ui, "What the page consists of."),
    ]
}

/// A route that serves one page.
fn whole(path: &'static str, asset: Asset) -> Endpoint {
    let endpoint = Endpoint::new(Verb::Get, path, async move |headers: HeaderMap| serve(asset, &headers));
    told(endpoint, &[asset.kind])
}

/// A route that serves what a page consists of.
fn parts(path: &'static str, all: &'static [Asset]) -> Endpoint {
    let names: Vec<&str> = all.iter().filter_map(|part| part.path.rsplit('/').next()).collect();
    let mut kinds: Vec<&str> = all.iter().map(|part| part.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let handler = async move |uri: Uri, headers: HeaderMap| match all.iter().find(|part| part.path == uri.path()) {
        Some(part) => serve(*part, &headers),
        None => super::no_route(uri).await.into_response(),
    };
    let part = Param::path("part", "its name", json!({ "type": "string", "enum": names }));
    told(Endpoint::new(Verb::Get, path, handler).takes([part]), &kinds).fails(&[Code::NotFound])
}

fn told(endpoint: Endpoint, kinds: &[&'static str]) -> Endpoint {
    endpoint
        .takes([params::told::if_none_match()])
        .answers(Answer::text("its text", kinds).with("ETag", "a digest of its bytes"))
        .answers(Answer::empty(304, "it is the one that If-None-Match names").with("ETag", "a digest of its bytes"))
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
