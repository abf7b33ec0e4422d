//! Changes to the text of a file of tokens: one line more, or one less. All other lines stay as they are,
//! comments included.

use std::fmt::Write as _;

use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::{hash, parse};
use crate::http::endpoint::Right;

/// The most characters of a name.
const NAME_CHARS_MAX: usize = 128;

/// What a token may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// By what people know it.
    pub name: String,
    /// The words of its rights.
    pub rights: Vec<String>,
    /// Namespaces by name.
    pub namespaces: Vec<String>,
    /// Every namespace that begins with one of these.
    pub prefixes: Vec<String>,
}

impl Entry {
    /// As commands show it.
    pub(crate) fn shown(&self) -> Value {
        let Self { name, rights, namespaces, prefixes } = self;
        json!({ "name": name, "rights": rights, "namespaces": namespaces, "prefixes": prefixes })
    }
}

/// The tokens of a file.
///
/// # Errors
/// `bad_config`, naming the line.
pub(crate) fn list(text: &str) -> Result<Vec<Entry>> {
    let entry = |key: super::Key| Entry {
        name: key.grant.name.clone(),
        rights: key.grant.rights.iter().copied().map(Right::as_str).map(str::to_owned).collect(),
        namespaces: key.grant.namespaces.iter().map(ToString::to_string).collect(),
        prefixes: key.grant.prefixes.clone(),
    };
    Ok(parse(text)?.into_iter().map(entry).collect())
}

/// The text with one token more.
///
/// # Errors
/// `bad_config` for a name that is taken, and for rights or namespaces that no token can have.
pub(crate) fn add(text: &str, entry: &Entry, token: &str) -> Result<String> {
    parse(text)?;
    let name = &entry.name;
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let what = format!("a name has at most {NAME_CHARS_MAX} characters, and no control characters");
        return Err(Error::new(Code::BadRequest, what).at("name"));
    }
    if list(text)?.iter().any(|known| known.name == *name) {
        return Err(Error::new(Code::BadRequest, format!("there is a token {name:?} already"))
            .at("name")
            .remedy("choose another name, or revoke that token first"));
    }
    let hex = hash(token.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    });
    let mut line = entry.shown();
    line["sha256"] = hex.into();
    let before = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let changed = format!("{text}{before}{line}\n");
    parse(&changed)
        .map_err(|error| Error::new(Code::BadRequest, error.message).remedy(error.remedy.unwrap_or_default()))?;
    Ok(changed)
}

/// The text without a token.
///
/// # Errors
/// `not_found`; `bad_config`, naming the line.
pub(crate) fn remove(text: &str, name: &str) -> Result<String> {
    parse(text)?;
    let is_it = |line: &str| {
        let value: Value = serde_json::from_str(line.trim()).unwrap_or_default();
        value["name"] == name
    };
    if !text.lines().any(is_it) {
        return Err(
            Error::new(Code::NotFound, format!("there is no token {name:?}")).remedy("list them: soma token list")
        );
    }
    Ok(text.split_inclusive('\n').filter(|line| !is_it(line)).collect())
}
