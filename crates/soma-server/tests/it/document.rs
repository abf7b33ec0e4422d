//! Holds replies against `docs/openapi.json`: an undocumented status, code or field fails the test that met it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::harness::Reply;

type Shapes = Mutex<HashMap<String, Option<Arc<Validator>>>>;

/// Where the document lies.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // Absent or broken while it is written anew.
        std::fs::read(path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    })
}

/// Checks status and body of a reply, if the document knows its route and method.
pub(crate) fn check(method: &str, target: &str, reply: &Reply) {
    #[expect(clippy::disallowed_methods, reason = "`cargo x bless` writes the document anew")]
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        return;
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some(template) = template(path) else { return };
    let operation = &document()["paths"][template][method.to_lowercase()];
    if operation.is_null() {
        return;
    }
    let what = format!("{method} {template} {}", reply.status);
    let answer = &operation["responses"][reply.status.to_string()];
    assert!(answer.is_object(), "the document does not know {what}: {}", reply.text);
    let kind = reply.header("content-type").to_owned();
    let Some(validator) = validator(&format!("{what} {kind}"), &answer["content"][&kind]["schema"]) else {
        assert!(answer["content"].is_null(), "the document does not know {what} as {kind:?}: {}", reply.text);
        return;
    };
    if kind.ends_with("json") {
        let body = reply.json();
        let errors: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{what} is not as documented: {errors:?}: {body}");
    }
}

/// The documented path that this one is an instance of; exact ones come first.
fn template(path: &str) -> Option<&'static str> {
    let paths = document()["paths"].as_object()?;
    if let Some((exact, _)) = paths.get_key_value(path) {
        return Some(exact);
    }
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |known: &&String| {
        let known: Vec<&str> = known.split('/').collect();
        known.len() == parts.len() && known.iter().zip(&parts).all(|(k, p)| k.starts_with('{') || k == p)
    };
    paths.keys().find(fits).map(String::as_str)
}

fn validator(what: &str, shape: &Value) -> Option<Arc<Validator>> {
    static SHAPES: OnceLock<Shapes> = OnceLock::new();
    let mut shapes = SHAPES.get_or_init(Shapes::default).lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let schema = json!({ "components": document()["components"], "allOf": [shape] });
        (!shape.is_null()).then(|| Arc::new(jsonschema::draft202012::new(&schema).expect("the document holds schemas")))
    };
    shapes.entry(what.to_owned()).or_insert_with(make).clone()
}
