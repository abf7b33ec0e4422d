//! The OpenAPI document: made from the endpoints that are served, and served itself.
//!
//! It says what this process takes: the length of its vectors and the size of its bodies are those of
//! its configuration. `docs/openapi.json` is the document of the default configuration; a golden
//! test compares them.

pub(super) mod schema;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use soma_core::error::Code;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, RefOr, Required, tag::TagBuilder,
};

use super::endpoint::{Answer, Endpoint, Param, Place, Right, Verb};
use super::{App, problem, shapes};

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// What the document says about this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Length of the vectors of recall.
    pub dims: usize,
}

/// The whole document, its keys in order.
pub(super) fn document(endpoints: &[Endpoint], facts: Facts) -> Value {
    let mut items: BTreeMap<&str, PathItem> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.doc.apart) {
        let item = PathItem::new(method(endpoint.verb), operation(endpoint));
        match items.get_mut(endpoint.path) {
            Some(known) => known.merge_operations(item),
            None => drop(items.insert(endpoint.path, item)),
        }
    }
    let paths = items.into_iter().fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
    let schemes = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("a token; none is needed where the server has none"))
        .build();
    let components = schema::components(facts)
        .into_iter()
        .fold(ComponentsBuilder::new(), |all, (name, shape)| all.schema(name, raw(&shape)))
        .security_scheme(BEARER, SecurityScheme::Http(schemes));
    let info = InfoBuilder::new()
        .title("SomaFractalMemory")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let tags = TAGS.iter().map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    let api = OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags.collect::<Vec<_>>()))
        .build();
    sorted(serde_json::to_value(&api).expect("the document is made of texts and numbers"))
}

const ABOUT: &str = "A memory for agents in which the event log is the truth. `POST /mcp` speaks the Model Context \
                     Protocol besides, which describes itself (`tools/list`), and is left out here.";

const TAGS: [(&str, &str); 3] = [
    ("read", "see memories; needs the right `read`"),
    ("write", "write, replace and delete; needs the right `write`"),
    ("system", "how the process is; probes are open, the rest needs `read` or `admin`"),
];

/// The same value with the keys of its objects in order: maps of the library have none.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// A schema that was written as JSON: the library's types lack some keywords of OpenAPI 3.1.
fn raw(shape: &Value) -> RefOr<Schema> {
    let keywords: Extensions = shape.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let object = ObjectBuilder::new().schema_type(SchemaType::AnyValue).extensions(Some(keywords)).build();
    RefOr::T(Schema::Object(object))
}

const fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Delete => HttpMethod::Delete,
    }
}

const fn tag(endpoint: &Endpoint) -> &'static str {
    match endpoint.right {
        Right::Read => "read",
        Right::Write => "write",
        Right::Open | Right::Admin => "system",
    }
}

fn operation(endpoint: &Endpoint) -> Operation {
    let doc = &endpoint.doc;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(doc.id))
        .tag(tag(endpoint))
        .summary(Some(doc.summary))
        .description(Some(doc.about.as_str()));
    for param in &doc.params {
        operation = operation.parameter(parameter(param));
    }
    if !doc.body.is_empty() {
        let body = RequestBodyBuilder::new().required(Some(Required::True));
        let body = doc.body.iter().fold(body, |body, (kind, shape)| body.content(*kind, content(shape)));
        operation = operation.request_body(Some(body.build()));
    }
    for answer in &doc.answers {
        operation = operation.response(answer.status.to_string(), response(answer));
    }
    for (status, codes) in failures(endpoint) {
        operation = operation.response(status.to_string(), failure(status, &codes));
    }
    match endpoint.right {
        Right::Open => operation.securities(Some(Vec::<SecurityRequirement>::new())).build(),
        Right::Read | Right::Write | Right::Admin => {
            operation.security(SecurityRequirement::new(BEARER, Vec::<String>::new())).build()
        }
    }
}

fn content(shape: &Value) -> Content {
    ContentBuilder::new().schema(Some(raw(shape))).build()
}

fn parameter(param: &Param) -> Parameter {
    let place = match param.place {
        Place::Path => ParameterIn::Path,
        Place::Query | Place::QueryJson => ParameterIn::Query,
        Place::Header => ParameterIn::Header,
    };
    let required = if param.place == Place::Path { Required::True } else { Required::False };
    let builder = ParameterBuilder::new()
        .name(param.name)
        .parameter_in(place)
        .required(required)
        .description(Some(&*param.about));
    if param.place != Place::QueryJson {
        return builder.schema(Some(raw(&param.schema))).build();
    }
    builder.content("application/json", content(&param.schema)).build()
}

fn response(answer: &Answer) -> Response {
    let mut builder = ResponseBuilder::new().description(answer.about);
    for (kind, shape) in &answer.content {
        builder = builder.content(*kind, content(shape));
    }
    for (name, about) in &answer.headers {
        let text = raw(&json!({ "type": "string" }));
        builder = builder.header(*name, HeaderBuilder::new().schema(Some(text)).description(Some(*about)).build());
    }
    builder.build()
}

/// The failures of an endpoint, by status: its own, and those that its right, its parameters and its
/// body bring along.
pub(super) fn failures(endpoint: &Endpoint) -> BTreeMap<u16, Vec<Code>> {
    let mut codes = vec![Code::Internal, Code::Forbidden, Code::UriTooLong, Code::RateLimited];
    if endpoint.right != Right::Open {
        codes.extend([Code::Unauthorized, Code::BadRequest, Code::Unavailable, Code::ShuttingDown, Code::Corrupt]);
    }
    let named = |name: &str| endpoint.doc.params.iter().any(|param| param.name == name);
    if named("after") {
        codes.extend([Code::BadPosition, Code::PositionNotReached]);
    }
    if named("namespace") {
        codes.push(Code::Schema);
    }
    if named("Idempotency-Key") {
        codes.extend([Code::IdempotencyConflict, Code::PreconditionUnsupported, Code::StorageFull]);
    }
    if !endpoint.doc.body.is_empty() {
        codes.extend([Code::NotJson, Code::TooDeep, Code::NulCharacter, Code::NumberRange, Code::DuplicateKey]);
        codes.extend([Code::Schema, Code::TooLarge, Code::RequestTimeout]);
    }
    codes.extend(&endpoint.doc.codes);
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(problem::status(*code).as_u16()).or_default().push(*code);
    }
    by_status
}

fn failure(status: u16, codes: &[Code]) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let shape = json!({
        "allOf": [
            schema::of("Problem"),
            { "properties": { "code": { "enum": names }, "status": { "const": status } } },
        ],
    });
    let mut builder = ResponseBuilder::new()
        .description(format!("refused: `{}`", names.join("`, `")))
        .content("application/problem+json", content(&shape));
    let header = |about: &str, kind: &str| {
        HeaderBuilder::new().schema(Some(raw(&json!({ "type": kind })))).description(Some(about)).build()
    };
    if [429, 503, 507].contains(&status) {
        builder = builder.header("Retry-After", header("seconds to wait before another attempt", "integer"));
    }
    if status == 401 {
        builder = builder.header("WWW-Authenticate", header("how to say who calls", "string"));
    }
    builder.build()
}

/// What is told about the document itself.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let shape = json!({ "type": "object", "required": ["openapi", "paths"] });
    vec![
        Endpoint::new(Verb::Get, "/openapi.json", serve)
            .about("openapi", "this document", "OpenAPI 3.1, with the bounds of this process.")
            .answers(Answer::json(200, "the document", shape)),
    ]
}

/// `GET /openapi.json`
async fn serve(State(app): State<App>) -> axum::response::Response {
    shapes::answer(StatusCode::OK, &document(&super::endpoints(), Facts { dims: app.engine.embedder.identity().dims }))
}
