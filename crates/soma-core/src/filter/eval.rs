//! What a filter means.

use std::cmp::Ordering;

use serde_json::Value;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::number::Num;
use super::{Field, Filter, Test};
use crate::ids::Timestamp;
use crate::memory::Memory;

pub(super) fn matches(filter: &Filter, memory: &Memory) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|inner| matches(inner, memory)),
        Filter::Or(any) => any.iter().any(|inner| matches(inner, memory)),
        Filter::Not(inner) => !matches(inner, memory),
        Filter::Field(field, tests) => tests.iter().all(|test| field_passes(field, test, memory)),
    }
}

/// One value without parts.
#[derive(Clone, Copy)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Num),
    /// Microseconds, ordered without a bound.
    Time(i64),
    Text(&'a str),
}

fn field_passes(field: &Field, test: &Test, memory: &Memory) -> bool {
    match field {
        Field::Payload(path) => match test {
            Test::Exists(wanted) => reaches(&memory.payload, path) == *wanted,
            Test::Eq(_) | Test::In(_) | Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => {
                any(&memory.payload, path, &|value| passes(value, test))
            }
        },
        Field::Id => id_passes(memory.id.0, test),
        Field::EventId => id_passes(memory.event_id.0, test),
        Field::Namespace => passes(Scalar::Text(memory.namespace.as_str()), test),
        Field::Importance => optional(memory.importance.map(|n| Scalar::Number(Num::Float(n))), test),
        Field::ModelRevision => optional(memory.model_revision.as_deref().map(Scalar::Text), test),
        Field::CreatedAt => time_passes(memory.created_at, test),
        Field::UpdatedAt => time_passes(memory.updated_at, test),
        Field::Version => passes(Scalar::Number(Num::Int(memory.version.into())), test),
    }
}

fn optional(value: Option<Scalar<'_>>, test: &Test) -> bool {
    value.map_or(*test == Test::Exists(false), |value| passes(value, test))
}

fn id_passes(id: Uuid, test: &Test) -> bool {
    let mut text = [0; Hyphenated::LENGTH];
    passes(Scalar::Text(id.as_hyphenated().encode_lower(&mut text)), test)
}

fn time_passes(time: Timestamp, test: &Test) -> bool {
    passes(Scalar::Time(time.0), test)
}

/// Whether the path leads to anything.
fn reaches(value: &Value, path: &[String]) -> bool {
    match (path, value) {
        ([], _) => true,
        (_, Value::Array(items)) => items.iter().any(|item| reaches(item, path)),
        ([head, rest @ ..], Value::Object(object)) => object.get(head).is_some_and(|inner| reaches(inner, rest)),
        (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    }
}

/// Whether the test passes for any scalar that the path leads to.
fn any(value: &Value, path: &[String], test: &dyn Fn(Scalar<'_>) -> bool) -> bool {
    match (path, value) {
        (_, Value::Array(items)) => items.iter().any(|item| any(item, path, test)),
        ([head, rest @ ..], Value::Object(object)) => object.get(head).is_some_and(|inner| any(inner, rest, test)),
        ([], Value::Object(_)) | ([_, ..], _) => false,
        ([], Value::Null) => test(Scalar::Null),
        ([], Value::Bool(b)) => test(Scalar::Bool(*b)),
        ([], Value::Number(n)) => test(Scalar::Number(Num::of(n))),
        ([], Value::String(s)) => test(Scalar::Text(s)),
    }
}

fn passes(value: Scalar<'_>, test: &Test) -> bool {
    match test {
        Test::Eq(operand) => equal(value, operand),
        Test::In(operands) => operands.iter().any(|operand| equal(value, operand)),
        Test::Gt(operand) => order(value, operand).is_some_and(Ordering::is_gt),
        Test::Gte(operand) => order(value, operand).is_some_and(Ordering::is_ge),
        Test::Lt(operand) => order(value, operand).is_some_and(Ordering::is_lt),
        Test::Lte(operand) => order(value, operand).is_some_and(Ordering::is_le),
        Test::Exists(wanted) => *wanted,
    }
}

fn equal(value: Scalar<'_>, operand: &Value) -> bool {
    match (value, operand) {
        (Scalar::Null, Value::Null) => true,
        (Scalar::Bool(a), Value::Bool(b)) => a == *b,
        (Scalar::Text(a), Value::String(b)) => a == b,
        (Scalar::Number(a), Value::Number(b)) => a.compare(Num::of(b)) == Some(Ordering::Equal),
        (Scalar::Time(a), Value::Number(b)) => b.as_i64() == Some(a),
        _ => false,
    }
}

fn order(value: Scalar<'_>, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        // Bytes of UTF-8 order as code points do.
        (Scalar::Text(a), Value::String(b)) => Some(a.cmp(b.as_str())),
        (Scalar::Time(a), Value::Number(b)) => Some(a.cmp(&b.as_i64()?)),
        (Scalar::Number(a), Value::Number(b)) => {
            let b = Num::of(b);
            if a.is_ordered() && b.is_ordered() { a.compare(b) } else { None }
        }
        _ => None,
    }
}
