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
//! - A number within ±2⁵³ is a number. One beyond, which compares by equality only, is
//!   `{"n": "<digits>"}`: equal numbers have equal digits, however they were spelled.
//! - A string longer than [`TEXT_BYTES_MAX`] is `{"s": "<digest>"}`: the index compares strings only by
//!   equality, so it need not keep a copy of every text.
//! - A single boolean, string or number stands alone, everything else in an array.
//!
//! It does not evaluate filters: see [`super::filter`].

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};
use soma_core::limits::EXACT_INTEGER_MAX;
use uuid::Uuid;

/// A path longer than this in bytes is named by its digest, so that deep JSON cannot grow the point
/// beyond a multiple of its size.
const NAME_BYTES_MAX: usize = 120;
/// A string longer than this in bytes is held by its digest.
const TEXT_BYTES_MAX: usize = 64;
/// Where the digits of a large number stand.
pub(super) const DIGITS: &str = "n";
/// Where the digest of a long string stands.
pub(super) const DIGEST: &str = "s";
/// An arbitrary constant that separates these digests from others.
const DIGESTS: Uuid = Uuid::from_u128(0x5f3c_2f60_8e0b_4d8c_9a53_7f0d_6a1c_94e2);

/// The entries of a payload.
pub(super) fn flatten(payload: &Value) -> Map<String, Value> {
    let mut entries = BTreeMap::new();
    collect(payload, String::new(), &mut entries);
    entries.into_iter().map(|(name, entry)| (name, entry.into_value())).collect()
}

/// The name of the entry that a path leads to.
pub(super) fn name(path: &[String]) -> String {
    path.iter().fold(String::new(), |above, step| below(&above, step))
}

/// A number as the index holds it.
pub(super) enum Held {
    /// Within ±2⁵³: compares as a float.
    Ordered(f64),
    /// Beyond: compares by its digits.
    Digits(String),
}

/// The digest by which a long string is held; `None` when it is held as it is.
pub(super) fn digest(text: &str) -> Option<String> {
    (text.len() > TEXT_BYTES_MAX).then(|| Uuid::new_v5(&DIGESTS, text.as_bytes()).to_string())
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

fn collect(value: &Value, at: String, entries: &mut BTreeMap<String, Entry>) {
    match value {
        Value::Array(items) if items.is_empty() => mark(at, entries),
        Value::Array(items) => items.iter().for_each(|item| collect(item, at.clone(), entries)),
        Value::Object(object) => {
            for (key, inner) in object {
                collect(inner, below(&at, key), entries);
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
        Value::String(text) => {
            let held = digest(text).map_or_else(|| value.clone(), |digest| json!({ DIGEST: digest }));
            entries.entry(at).or_default().values.push(held);
        }
        Value::Null | Value::Bool(_) => entries.entry(at).or_default().values.push(value.clone()),
    }
}

fn mark(at: String, entries: &mut BTreeMap<String, Entry>) {
    if !at.is_empty() {
        entries.entry(at).or_default().mark();
    }
}

/// One step down. Steps are split by dots, and dots inside of a step escaped, so two paths never
/// share a name.
fn below(above: &str, step: &str) -> String {
    let step = step.replace('\\', "\\\\").replace('.', "\\.");
    let name = format!("{above}.{step}");
    if name.len() <= NAME_BYTES_MAX { name } else { format!("#{}", Uuid::new_v5(&DIGESTS, name.as_bytes())) }
}
