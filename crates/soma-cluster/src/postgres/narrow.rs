//! What SQL can leave out before a filter is evaluated.
//!
//! Only conditions that every selected memory meets are taken: tests of plain columns that stand in
//! the conjunction at the top of the filter. They may let through too much, never too little; the
//! filter itself decides about every row.

use serde_json::Value;
use soma_core::filter::{Field, Filter, Test};
use soma_core::ids::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::row::Moment;

/// A parameter and its type.
pub(super) type Parameter = (Box<dyn ToSql + Sync + Send>, Type);

/// Conditions and their parameters.
#[derive(Default)]
pub(super) struct Narrow<'a> {
    /// Each begins with `AND`.
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
    /// Tests that the namespace has to pass.
    namespace: Vec<&'a Test>,
}

impl<'a> Narrow<'a> {
    /// Parameters are numbered from `first`.
    pub(super) fn new(filter: Option<&'a Filter>, first: usize) -> Self {
        let mut narrow = Self::default();
        if let Some(filter) = filter {
            narrow.take(filter, first);
        }
        narrow
    }

    /// Whether memories of this namespace can be selected.
    pub(super) fn admits(&self, namespace: &str) -> bool {
        let is = |operand: &Value| operand.as_str() == Some(namespace);
        let than = |operand: &'a Value| operand.as_str().map(|operand| namespace.cmp(operand));
        self.namespace.iter().all(|test| match test {
            Test::Eq(operand) => is(operand),
            Test::In(operands) => operands.iter().any(is),
            Test::Gt(operand) => than(operand).is_some_and(|order| order.is_gt()),
            Test::Gte(operand) => than(operand).is_some_and(|order| order.is_ge()),
            Test::Lt(operand) => than(operand).is_some_and(|order| order.is_lt()),
            Test::Lte(operand) => than(operand).is_some_and(|order| order.is_le()),
            Test::Exists(wanted) => *wanted,
        })
    }

    fn take(&mut self, filter: &'a Filter, first: usize) {
        match filter {
            Filter::And(all) => all.iter().for_each(|inner| self.take(inner, first)),
            Filter::Field(Field::Namespace, tests) => self.namespace.extend(tests),
            Filter::Field(field, tests) => {
                if let Some((column, kind)) = column(field) {
                    tests.iter().for_each(|test| self.add(column, kind, test, first));
                }
            }
            Filter::Or(_) | Filter::Not(_) => {}
        }
    }

    fn add(&mut self, column: &str, kind: Kind, test: &Test, first: usize) {
        let (sign, parameter) = match test {
            Test::Eq(operand) => ("=", kind.one(operand)),
            Test::In(operands) => ("IN", kind.many(operands)),
            Test::Gt(operand) => (">", kind.one(operand)),
            Test::Gte(operand) => (">=", kind.one(operand)),
            Test::Lt(operand) => ("<", kind.one(operand)),
            Test::Lte(operand) => ("<=", kind.one(operand)),
            Test::Exists(_) => return,
        };
        let Some(parameter) = parameter else { return };
        let number = first + self.parameters.len();
        let condition = if sign == "IN" {
            format!(" AND m.{column} = ANY(${number})")
        } else {
            format!(" AND m.{column} {sign} ${number}")
        };
        self.sql.push_str(&condition);
        self.parameters.push(parameter);
    }
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Id,
    Number,
    Time,
}

impl Kind {
    fn one(self, operand: &Value) -> Option<Parameter> {
        Some(match self {
            Self::Id => (Box::new(id(operand)?), Type::UUID),
            Self::Number => (Box::new(operand.as_f64()?), Type::FLOAT8),
            Self::Time => (Box::new(time(operand)?), Type::TIMESTAMPTZ),
        })
    }

    fn many(self, operands: &[Value]) -> Option<Parameter> {
        Some(match self {
            Self::Id => (Box::new(all(operands, id)?), Type::UUID_ARRAY),
            Self::Number => (Box::new(all(operands, Value::as_f64)?), Type::FLOAT8_ARRAY),
            Self::Time => (Box::new(all(operands, time)?), Type::TIMESTAMPTZ_ARRAY),
        })
    }
}

fn all<T>(operands: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    operands.iter().map(read).collect()
}

fn id(operand: &Value) -> Option<Uuid> {
    Uuid::parse_str(operand.as_str()?).ok()
}

/// Only what lies within the times that PostgreSQL has.
fn time(operand: &Value) -> Option<Moment> {
    let micros = operand.as_i64()?;
    (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros).then_some(Moment(Timestamp(micros)))
}

const fn column(field: &Field) -> Option<(&'static str, Kind)> {
    match field {
        Field::Id => Some(("id", Kind::Id)),
        Field::EventId => Some(("event_id", Kind::Id)),
        Field::Importance => Some(("importance", Kind::Number)),
        Field::CreatedAt => Some(("created_at", Kind::Time)),
        Field::UpdatedAt => Some(("updated_at", Kind::Time)),
        Field::Payload(_) | Field::Namespace | Field::ModelRevision | Field::Version => None,
    }
}
