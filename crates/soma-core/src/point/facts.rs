//! Which scalars a payload holds where, as numbers that the index can look up.
//!
//! The index would have to parse the payload of every candidate to test a field of it. So a point also
//! carries one number for each (path, scalar), and a test for equality first asks for that number, of
//! which there is an index. Two scalars may share a number, so the test itself follows; numbers only
//! narrow what it has to look at.
//!
//! A payload with more than [`FACTS_MAX`] of them carries [`MANY`] instead, and is always looked at.

use serde_json::Value;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::condition::Condition;
use super::fields::{self, Held};

/// The field of a point that holds them.
pub const FACTS: &str = "facts";
/// The most that a point carries.
const FACTS_MAX: usize = 256;
/// Stands for too many.
const MANY: i64 = 0;

/// The numbers of a payload, ascending.
pub(super) fn of(payload: &Value) -> Vec<i64> {
    let mut facts = Vec::new();
    let complete = collect(payload, fields::ROOT, &mut facts);
    if !complete {
        return vec![MANY];
    }
    facts.sort_unstable();
    facts.dedup();
    facts
}

/// The points that may hold one of these scalars at a path. Nothing else is equal to anything, so what
/// is no scalar is left out.
pub(super) fn any(path: &[String], scalars: &[Value]) -> Condition {
    let at = fields::at(path);
    let numbers = scalars.iter().filter_map(|scalar| number(at, scalar));
    Condition::Integers { at: FACTS.to_owned(), any: std::iter::once(MANY).chain(numbers).collect() }
}

/// Says whether all fitted.
fn collect(value: &Value, at: Uuid, facts: &mut Vec<i64>) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| collect(item, at, facts)),
        Value::Object(object) => object.iter().all(|(name, inner)| collect(inner, fields::below(at, name), facts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            facts.extend(number(at, value));
            facts.len() <= FACTS_MAX
        }
    }
}

fn number(at: Uuid, scalar: &Value) -> Option<i64> {
    let mut bytes = at.as_bytes().to_vec();
    match scalar {
        Value::Null => bytes.push(b'0'),
        Value::Bool(flag) => bytes.extend([b'b', u8::from(*flag)]),
        Value::String(text) => {
            bytes.push(b's');
            bytes.extend(text.as_bytes());
        }
        Value::Number(number) => match fields::held(number) {
            Held::Ordered(n) => {
                bytes.push(b'n');
                // Both zeros are equal.
                bytes.extend((n + 0.0).to_le_bytes());
            }
            Held::Digits(digits) => {
                bytes.push(b'd');
                bytes.extend(digits.as_bytes());
            }
        },
        Value::Array(_) | Value::Object(_) => return None,
    }
    Some(xxh3_64(&bytes).cast_signed())
}
