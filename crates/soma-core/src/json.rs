//! JSON as the system accepts and writes it: every bound enforced, one spelling for every value.
//!
//! [`parse`] refuses what a store or another language could not keep: duplicate keys, nesting beyond
//! [`limits::DEPTH_MAX`], U+0000, numbers beyond ±1e308, lone surrogates. Each refusal carries the
//! stable code and, where there is one, the path of the field.
//!
//! Numbers keep their value, not their spelling. An integer that fits `i64` or `u64` stays exact. A
//! number spelled with a fraction or an exponent is the nearest double; when that is integral and
//! within ±2⁵³ it becomes the integer (`1.0` → `1`, `-0.0` → `0`, `1e2` → `100`). The bound is the
//! range in which a double names exactly one integer: beyond it `1e17` stays a double, because to
//! call it an integer would claim digits that its writer may never have meant. An integer beyond
//! `u64` is the nearest double.
//!
//! [`canonical`] is the one spelling: keys in the order of their code points, no spaces, the fewest
//! digits that read back as the same double. `serde_json`'s own map may or may not keep insertion
//! order, which depends on what else is compiled; nothing here relies on either.
//!
//! It does not know what an event is.

mod depth_first;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Number, Value};

use crate::error::{Code, Error, Result};
use crate::limits;

/// How much of an object key an error shows, in characters.
const SHOWN_KEY_CHARS: usize = 64;

/// Reads one JSON text into a canonical value.
///
/// # Errors
/// `not_json` (also for bytes that are not UTF-8, an empty text, or text after the value),
/// `too_deep`, `nul_character`, `number_range`, `duplicate_key`.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Error::new(Code::NotJson, format!("the value is not UTF-8 at byte {}", e.valid_up_to()))
            .remedy("encode it as UTF-8")
    })?;
    if text.is_empty() {
        return Err(Error::new(Code::NotJson, "the value is empty").remedy("send one JSON value"));
    }
    depth_first::parse(text)
}

/// Checks a value that was parsed elsewhere. `at` names it in errors (empty for none); `outside` is
/// how many levels of JSON will stand around it.
///
/// # Errors
/// `too_deep`, `nul_character`, `number_range`.
pub fn check(value: &Value, at: &str, outside: usize) -> Result<()> {
    let mut path = Vec::new();
    visit(value, outside, &mut path).map_err(|(code, message)| {
        path.reverse();
        located(code, message, at, &path)
    })
}

/// Makes a value that was parsed elsewhere canonical; arguments and errors as for [`check`].
///
/// # Errors
/// `too_deep`, `nul_character`, `number_range`.
pub fn normalise(mut value: Value, at: &str, outside: usize) -> Result<Value> {
    check(&value, at, outside)?;
    settle(&mut value);
    Ok(value)
}

/// The canonical spelling of a value.
#[must_use]
pub fn canonical(value: &Value) -> String {
    serde_json::to_string(&Canonical(value)).expect("keys are strings and the writer is memory")
}

/// About how many bytes a value takes as JSON, without writing it down.
#[must_use]
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + 4 + weight(value)).sum::<usize>() + 2,
    }
}

/// How many of these payloads, in order, fill one page by [`limits::PAGE_BYTES`]: all of them, or as many
/// as it takes to reach the bound.
pub fn page_len<'a>(payloads: impl Iterator<Item = Option<&'a Value>>) -> usize {
    let (mut bytes, mut len) = (0, 0);
    for payload in payloads {
        len += 1;
        bytes += payload.map_or(0, weight);
        if bytes >= limits::PAGE_BYTES {
            break;
        }
    }
    len
}

/// Serialises a value in its canonical spelling.
pub(crate) struct Canonical<'a>(pub(crate) &'a Value);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(n) => settled(n).as_ref().unwrap_or(n).serialize(serializer),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Canonical)),
            Value::Object(fields) => {
                let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
                fields.sort_unstable_by_key(|(key, _)| key.as_str());
                let mut out = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    out.serialize_entry(key, &Canonical(value))?;
                }
                out.end()
            }
            other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other.serialize(serializer),
        }
    }
}

/// The canonical number of a finite double; `null` for one that is not finite.
pub(crate) fn number(x: f64) -> Value {
    integral(x).or_else(|| Number::from_f64(x)).map_or(Value::Null, Value::Number)
}

/// A step of a path into a value.
#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

type Fault = (Code, String);

const TOO_DEEP: &str = "JSON is nested deeper than 64 levels";

fn too_deep() -> Fault {
    debug_assert_eq!(limits::DEPTH_MAX, 64, "the sentence names the bound");
    (Code::TooDeep, TOO_DEEP.into())
}

fn nul_in_string() -> Fault {
    (Code::NulCharacter, "a string contains U+0000".into())
}

fn nul_in_key() -> Fault {
    (Code::NulCharacter, "an object key contains U+0000".into())
}

fn number_range() -> Fault {
    (Code::NumberRange, "a number lies beyond ±1e308".into())
}

fn in_range(x: f64) -> bool {
    x.abs() <= limits::NUMBER_ABS_MAX
}

/// The integer that a double is, within ±2⁵³.
fn integral(x: f64) -> Option<Number> {
    #[expect(clippy::cast_precision_loss, reason = "2⁵³ is exact")]
    let bound = limits::EXACT_INTEGER_MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "integral and within ±2⁵³")]
    (x.fract() == 0.0 && x.abs() <= bound).then(|| Number::from(x as i64))
}

/// The canonical form of a number, when it differs.
fn settled(n: &Number) -> Option<Number> {
    if n.is_f64() { n.as_f64().and_then(integral) } else { None }
}

fn settle(value: &mut Value) {
    match value {
        Value::Number(n) => {
            if let Some(integer) = settled(n) {
                *n = integer;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(fields) => fields.values_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Leaves the path of a fault in `path`, innermost step first.
fn visit(value: &Value, level: usize, path: &mut Vec<Step>) -> std::result::Result<(), Fault> {
    match value {
        Value::Number(n) if n.as_f64().is_some_and(|x| !in_range(x)) => Err(number_range()),
        Value::String(text) if text.as_bytes().contains(&0) => Err(nul_in_string()),
        Value::Array(_) | Value::Object(_) if level >= limits::DEPTH_MAX => Err(too_deep()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| visit(item, level + 1, path).inspect_err(|_| path.push(Step::Index(i)))),
        Value::Object(fields) => fields.iter().try_for_each(|(key, item)| {
            if key.as_bytes().contains(&0) {
                return Err(nul_in_key());
            }
            visit(item, level + 1, path).inspect_err(|_| path.push(Step::Key(key.clone())))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn located(code: Code, message: String, at: &str, path: &[Step]) -> Error {
    let mut field = at.to_owned();
    for step in path {
        match step {
            Step::Index(i) => write!(field, "[{i}]").expect("a string takes everything"),
            Step::Key(key) => push_key(&mut field, key),
        }
    }
    let error = Error::new(code, message);
    if field.is_empty() { error } else { error.at(field) }
}

/// The path of a field at the top of an object.
pub(crate) fn field_name(key: &str) -> String {
    let mut field = String::new();
    push_key(&mut field, key);
    field
}

/// Appends `.key`, or `["key"]` when the key would be misread as a path.
fn push_key(field: &mut String, key: &str) {
    let plain = !key.is_empty()
        && key.len() <= SHOWN_KEY_CHARS
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain {
        write!(field, "[{}]", shown(key)).expect("a string takes everything");
        return;
    }
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(key);
}

/// A text as errors show it: quoted, escaped, cut.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_KEY_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    Value::String(cut).to_string()
}
