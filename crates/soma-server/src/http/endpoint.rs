//! One route with everything that is known about it: who may call it, what serves it, what it takes
//! and answers.
//!
//! The router, the rights, the metrics and the OpenAPI document are all made from the same list of
//! endpoints ([`super::endpoints`]), so none of them can know a route that the others do not.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::Value;
use soma_core::error::Code;

use super::App;

/// What a caller has to be allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    /// Nothing: the route is open to everybody who reaches it.
    Open,
    /// See memories.
    Read,
    /// Write, replace and delete them.
    Write,
    /// See and repair the whole system.
    Admin,
}

impl Right {
    /// The word for it in the file of tokens.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Also serves `HEAD`.
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// In capitals.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) verb: Verb,
    /// The template.
    pub(super) path: &'static str,
    pub(super) right: Right,
    pub(super) serve: MethodRouter<App>,
    pub(super) doc: Doc,
}

impl Endpoint {
    /// A route with its handler; open, and not yet described.
    pub(super) fn new<H, T>(verb: Verb, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self { verb, path, right: Right::Open, serve: on(verb.filter(), handler), doc: Doc::default() }
    }

    /// Demands a right.
    pub(super) fn needs(mut self, right: Right) -> Self {
        self.right = right;
        self
    }

    /// Names and explains the operation.
    pub(super) fn about(mut self, id: &'static str, summary: &'static str, about: impl Into<String>) -> Self {
        self.doc.id = id;
        self.doc.summary = summary;
        self.doc.about = about.into();
        self
    }

    /// Keeps it out of the OpenAPI document: it speaks a protocol that describes itself.
    pub(super) const fn apart(mut self) -> Self {
        self.doc.apart = true;
        self
    }

    /// Adds parameters.
    pub(super) fn takes(mut self, params: impl IntoIterator<Item = Param>) -> Self {
        self.doc.params.extend(params);
        self
    }

    /// Adds the kinds of body that it reads.
    pub(super) fn reads(mut self, body: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        self.doc.body.extend(body);
        self
    }

    /// Adds an answer.
    pub(super) fn answers(mut self, answer: Answer) -> Self {
        self.doc.answers.push(answer);
        self
    }

    /// Adds codes of its failures, beyond those of every route with its right and its body.
    pub(super) fn fails(mut self, codes: &[Code]) -> Self {
        self.doc.codes.extend(codes);
        self
    }

    /// The status of success, for the metrics.
    pub(super) fn success(&self) -> u16 {
        self.doc.answers.first().map_or(200, |answer| answer.status)
    }
}

/// What is told about an endpoint.
#[derive(Default)]
pub(super) struct Doc {
    /// Whether the OpenAPI document leaves it out.
    pub(super) apart: bool,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: String,
    pub(super) params: Vec<Param>,
    /// Content types with their schemas.
    pub(super) body: Vec<(&'static str, Value)>,
    pub(super) answers: Vec<Answer>,
    pub(super) codes: Vec<Code>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    /// A query parameter that holds JSON.
    QueryJson,
    Header,
}

/// One parameter.
#[derive(Clone)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) about: String,
    pub(super) schema: Value,
}

impl Param {
    /// In the query string.
    pub(super) fn query(name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        Self { name, place: Place::Query, about: about.into(), schema }
    }

    /// In the query string, as JSON.
    pub(super) fn query_json(name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        Self { name, place: Place::QueryJson, about: about.into(), schema }
    }

    /// In the path.
    pub(super) fn path(name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        Self { name, place: Place::Path, about: about.into(), schema }
    }

    /// In a header.
    pub(super) fn header(name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        Self { name, place: Place::Header, about: about.into(), schema }
    }
}

/// One answer that is no failure.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// Content types with their schemas; none has no body.
    pub(super) content: Vec<(&'static str, Value)>,
    /// Headers with what they hold.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Answer {
    /// JSON of that shape.
    pub(super) fn json(status: u16, about: &'static str, schema: Value) -> Self {
        Self { status, about, content: vec![("application/json", schema)], headers: Vec::new() }
    }

    /// No body.
    pub(super) const fn empty(status: u16, about: &'static str) -> Self {
        Self { status, about, content: Vec::new(), headers: Vec::new() }
    }

    /// Text of some type.
    pub(super) fn text(about: &'static str, types: &[&'static str]) -> Self {
        let schema = || serde_json::json!({ "type": "string" });
        let content = types.iter().map(|kind| (*kind, schema())).collect();
        Self { status: 200, about, content, headers: Vec::new() }
    }

    /// With a header.
    pub(super) fn with(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, about));
        self
    }
}
