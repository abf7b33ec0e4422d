//! A memory's JSON as flat fields, so that the index can test any path exactly.
//!
//! The index's own paths do not step through arrays as ours do, and it
//! takes null for missing and large integers for floats. So a point does not carry the JSON as it
//! is: it carries one entry per path, holding what the path leads to.
//!
//! Invariants:
//!
//! - An entry exists exactly when the path leads to something; the root alone has no entry for
//!   being there.
//! - An entry holds every scalar that the path leads to, arrays of any depth opened. An object or an
//!   empty array is there as `{}`, which passes no test but `exists`.
//! - Nothing here can be read as words: the library gives freed blocks back without overwriting them
//!   and keeps its log until the next opening, so what stands here outlives a deleted memory. A path
//!   is named by its digest and a string is its digest; the index compares both only by equality.
//! - A number within ±2⁵³ is a number. One beyond, which compares by equality only, is
//!   `{"n": "<digits>"}`: equal numbers have equal digits, however they were spelled.
//! - A single boolean, string or number stands alone, everything else in an array.
//!
//! It does not evaluate filters: see [`super::condition`]. It hides no word from somebody who guesses it:
//! digests have no secret, and numbers, booleans and nulls stand as they are.

use std::collections::BTreeMap;

use crate::limits::EXACT_INTEGER_MAX;
use serde_json::{Map, Number, Value, json};
use uuid::Uuid;

/// Where the digits of a large number stand.
pub(super) const DIGITS: &str = "n";
/// An arbitrary constant that separates the digests of strings from others.
const TEXTS: Uuid = Uuid::from_u128(0x5f3c_2f60_8e0b_4d8c_9a53_7f0d_6a1c_94e2);
/// The path without steps, and an arbitrary constant that separates the digests of paths from others.
pub(super) const ROOT: Uuid = Uuid::from_u128(0xb7d4_19c3_52ae_4f16_8c0e_d3a9_41f7_685b);

/// The entries of a payload.
pub(super) fn flatten(payload: &Value) -> Map<String, Value> {
    let mut entries = BTreeMap::new();
    collect(payload, ROOT, &mut entries);
    entries.into_iter().map(|(path, entry)| (path.to_string(), entry.into_value())).collect()
}

/// The name of the entry that a path leads to.
pub(super) fn name(path: &[String]) -> String {
    at(path).to_string()
}

/// The digest of a path.
pub(super) fn at(path: &[String]) -> Uuid {
    path.iter().fold(ROOT, |above, step| below(above, step))
}

/// A number as the index holds it.
pub(super) enum Held {
    /// Within ±2⁵³: compares as a float.
    Ordered(f64),
    /// Beyond: compares by its digits.
    Digits(String),
}

/// The digest by which a string is held.
pub(super) fn digest(text: &str) -> String {
    Uuid::new_v5(&TEXTS, text.as_bytes()).to_string()
}

/// How a number is held.
pub(super) fn held(number: &Number) -> Held {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let float = number.as_f64().unwrap_or(f64::NAN);
    let max = i128::from(EXACT_INTEGER_MAX);
    match whole {
        Some(n) if n.abs() > max => Held::Digits(n.to_string()),
        Some(_) => Held::Ordered(float),
        #[expect(clippy::cast_precision_loss, reason = "2^53 is a float")]
        None if float.abs() <= EXACT_INTEGER_MAX as f64 => Held::Ordered(float),
        // Every float beyond 2^53 is whole; within i128 its digits are those of an equal integer.
        #[expect(clippy::cast_possible_truncation, reason = "the bound is far inside of i128")]
        None if float.abs() < 1e38 => Held::Digits((float as i128).to_string()),
        None => Held::Digits(float.to_string()),
    }
}

#[derive(Default)]
struct Entry {
    values: Vec<Value>,
    marked: bool,
}

impl Entry {
    fn mark(&mut self) {
        if !self.marked {
            self.marked = true;
            self.values.push(json!({}));
        }
    }

    fn into_value(mut self) -> Value {
        match self.values.as_slice() {
            [Value::Bool(_) | Value::Number(_) | Value::String(_)] => self.values.remove(0),
            _ => Value::Array(self.values),
        }
    }
}

fn collect(value: &Value, at: Uuid, entries: &mut BTreeMap<Uuid, Entry>) {
    match value {
        Value::Array(items) if items.is_empty() => mark(at, entries),
        Value::Array(items) => items.iter().for_each(|item| collect(item, at, entries)),
        Value::Object(object) => {
            for (key, inner) in object {
                collect(inner, below(at, key), entries);
            }
            mark(at, entries);
        }
        Value::Number(number) => {
            let held = match held(number) {
                Held::Ordered(_) => value.clone(),
                Held::Digits(digits) => json!({ DIGITS: digits }),
            };
            entries.entry(at).or_default().values.push(held);
        }
        Value::String(text) => entries.entry(at).or_default().values.push(digest(text).into()),
        Value::Null | Value::Bool(_) => entries.entry(at).or_default().values.push(value.clone()),
    }
}

fn mark(at: Uuid, entries: &mut BTreeMap<Uuid, Entry>) {
    if at != ROOT {
        entries.entry(at).or_default().mark();
    }
}

/// One step down. The digest of the path above is the namespace of the step's, so however a step is
/// spelled, two paths never share a name.
pub(super) fn below(above: Uuid, step: &str) -> Uuid {
    Uuid::new_v5(&above, step.as_bytes())
}
