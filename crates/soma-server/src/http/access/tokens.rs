//! The file of tokens: one JSON object in each line.
//!
//! ```text
//! # lines that begin with # and empty ones are left out
//! {"name": "ci", "sha256": "9f86…", "rights": ["read", "write"], "namespaces": ["demo"], "prefixes": ["team/"]}
//! ```
//!
//! A token itself never stands in it, only its SHA-256 in hexadecimal. `admin` reaches everything, so it
//! needs the prefix "", which is every namespace. A faulty line refuses the whole file: half of the
//! rights would be worse than the rights of before.

mod edit;

use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use soma_core::error::Code;
use soma_core::ids::Namespace;
use soma_core::{Error, Result, json};
use subtle::ConstantTimeEq;

use super::grant::Grant;
use crate::http::endpoint::Right;
pub(crate) use edit::{Entry, add, list, remove};

/// Bytes of a SHA-256.
const HASH_BYTES: usize = 32;
/// The most tokens of a file: each request is compared with all of them.
const TOKENS_MAX: usize = 10_000;
const KNOWN: &str = "name, sha256, rights, namespaces, prefixes";

/// One token, as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Key {
    hash: [u8; HASH_BYTES],
    grant: Arc<Grant>,
}

impl Key {
    /// A token that may do everything.
    pub(super) fn of_all(token: &str) -> Self {
        Self { hash: hash(token.as_bytes()), grant: Arc::new(Grant::all("SOMA_API_TOKEN")) }
    }

    /// What it may do.
    pub(super) const fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// What tells it from others, without telling anything about it.
    pub(super) const fn hash(&self) -> [u8; HASH_BYTES] {
        self.hash
    }
}

fn hash(token: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(token).into()
}

/// The key of a token. Every hash is compared, each in constant time, so the time tells nothing.
pub(super) fn find<'a>(keys: &'a [Key], token: &[u8]) -> Option<&'a Key> {
    let given = hash(token);
    keys.iter().fold(None, |found, key| if bool::from(key.hash.ct_eq(&given)) { Some(key) } else { found })
}

/// Reads a file.
///
/// # Errors
/// `bad_config`, naming the line.
pub(super) fn parse(text: &str) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: Error| {
            Error::new(Code::BadConfig, format!("line {} of the tokens file: {}", number + 1, error.message))
                .at("SOMA_API_TOKENS_FILE")
                .remedy(error.remedy.unwrap_or_else(|| format!("write a JSON object with {KNOWN}")))
        };
        let key = json::parse(line.as_bytes()).and_then(key).map_err(at)?;
        if let Some(twin) = keys.iter().find(|known| known.hash == key.hash || known.grant.name == key.grant.name) {
            return Err(at(bad(format!("it repeats the name or the token of {:?}", twin.grant.name))));
        }
        keys.push(key);
        if keys.len() > TOKENS_MAX {
            return Err(at(bad(format!("there are more than {TOKENS_MAX} tokens"))));
        }
    }
    Ok(keys)
}

fn key(value: Value) -> Result<Key> {
    let Value::Object(mut fields) = value else { return Err(bad("it is not a JSON object")) };
    let name = text(&mut fields, "name")?;
    let hash = text(&mut fields, "sha256")?;
    let rights = texts(&mut fields, "rights")?;
    let namespaces = texts(&mut fields, "namespaces")?;
    let prefixes = texts(&mut fields, "prefixes")?;
    if let Some(unknown) = fields.keys().min() {
        return Err(bad(format!("there is no field {unknown:?}")));
    }
    let rights: Vec<Right> = rights.iter().map(|word| right(word)).collect::<Result<_>>()?;
    let namespaces: Vec<Namespace> = namespaces.iter().map(|name| Namespace::parse(name)).collect::<Result<_>>()?;
    let grant = Grant { name, rights, namespaces, prefixes };
    if grant.rights.is_empty() {
        return Err(bad("rights is empty").remedy("name read, write or admin"));
    }
    if grant.namespaces.is_empty() && grant.prefixes.is_empty() {
        return Err(bad("it names no namespace").remedy("name namespaces, or prefixes; the prefix \"\" is all of them"));
    }
    if grant.rights.contains(&Right::Admin) && !grant.is_everywhere() {
        return Err(bad("admin reaches every namespace").remedy("add the prefix \"\", or leave admin out"));
    }
    let hash = unhex(&hash).ok_or_else(|| {
        bad("sha256 is not 64 hexadecimal digits").remedy("write what `printf %s \"$TOKEN\" | sha256sum` prints")
    })?;
    Ok(Key { hash, grant: Arc::new(grant) })
}

fn right(word: &str) -> Result<Right> {
    [Right::Read, Right::Write, Right::Admin]
        .into_iter()
        .find(|right| right.as_str() == word)
        .ok_or_else(|| bad(format!("there is no right {word:?}")).remedy("name read, write or admin"))
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Result<String> {
    match fields.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(bad(format!("{name} is not a text"))),
    }
}

fn texts(fields: &mut Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let wrong = || bad(format!("{name} is not an array of texts"));
    match fields.remove(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.into_iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn unhex(text: &str) -> Option<[u8; HASH_BYTES]> {
    let digits: Vec<u8> = text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 2 * HASH_BYTES { bytes.try_into().ok() } else { None }
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(Code::BadConfig, what)
}

#[cfg(test)]
mod tests;
