//! What commands print: text for people, JSON for programs, errors on standard error.

#![expect(clippy::print_stderr, reason = "the command line is where printing belongs")]

use std::io::Write as _;

use serde_json::{Map, Value, json};
use soma_core::Error;

pub(super) use crate::mcp::shown::words as payload;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(super) const fn is_for_programs(&self) -> bool {
        self.json
    }

    /// Prints a result: as it is for programs, in words for people.
    pub(super) fn result(&self, value: &Value, words: impl FnOnce() -> String) {
        let text = if self.json { value.to_string() } else { words() };
        self.line(&text);
    }

    /// Prints one line to standard output; a reader that went away is no failure.
    pub(super) fn line(&self, text: &str) {
        drop(writeln!(std::io::stdout(), "{text}"));
    }

    /// Tells what is wrong with a part of the input, while the rest goes on.
    pub(super) fn complain(&self, text: &str) {
        eprintln!("{text}");
    }

    /// Asks a question at the terminal; the answer is on the same line.
    pub(super) fn ask(&self, question: &str) {
        eprint!("{question}");
    }

    /// Prints bytes as they are; a reader that went away is no failure.
    pub(super) fn bytes(&self, bytes: &[u8]) {
        drop(std::io::stdout().write_all(bytes));
    }

    /// Prints a failure.
    pub(super) fn error(&self, error: &Error) {
        if !self.json {
            let field = error.field.as_ref().filter(|field| !error.message.contains(field.as_str()));
            let field = field.map(|field| format!(" (at {field})")).unwrap_or_default();
            let remedy = error.remedy.as_ref().map(|remedy| format!("\n  → {remedy}")).unwrap_or_default();
            eprintln!("soma: {}{field}{remedy}", error.message);
            return;
        }
        let mut members = Map::new();
        members.insert("code".into(), error.code.as_str().into());
        members.insert("detail".into(), error.message.clone().into());
        if let Some(field) = &error.field {
            members.insert("field".into(), field.clone().into());
        }
        if let Some(remedy) = &error.remedy {
            members.insert("remedy".into(), remedy.clone().into());
        }
        eprintln!("{}", json!({ "error": members }));
    }
}

/// A member of an answer as text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a page, taken out of it.
pub(super) fn items(page: &mut Value) -> Vec<Value> {
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
