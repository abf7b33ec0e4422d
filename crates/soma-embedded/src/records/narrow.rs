//! What SQL can leave out before a filter is evaluated.
//!
//! Only conditions that every selected memory meets are taken: tests of plain columns that stand in
//! the conjunction at the top of the filter. They may let through too much, never too little; the
//! filter itself decides about every row.

use std::borrow::Cow;

use rusqlite::types::Value as SqlValue;
use serde_json::Value;
use soma_core::filter::{Field, Filter, Test};

/// Conditions and their parameters.
#[derive(Default)]
pub(super) struct Narrow<'a> {
    /// Each begins with `AND`.
    pub(super) sql: String,
    pub(super) params: Vec<SqlValue>,
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
                if let Some(column) = column(field) {
                    tests.iter().for_each(|test| self.add(column, test, first));
                }
            }
            Filter::Or(_) | Filter::Not(_) => {}
        }
    }

    fn add(&mut self, column: &str, test: &Test, first: usize) {
        let (sign, operands) = match test {
            Test::Eq(operand) => ("=", Cow::Owned(vec![operand.clone()])),
            Test::In(operands) => ("IN", Cow::Borrowed(operands)),
            Test::Gt(operand) => (">", Cow::Owned(vec![operand.clone()])),
            Test::Gte(operand) => (">=", Cow::Owned(vec![operand.clone()])),
            Test::Lt(operand) => ("<", Cow::Owned(vec![operand.clone()])),
            Test::Lte(operand) => ("<=", Cow::Owned(vec![operand.clone()])),
            Test::Exists(_) => return,
        };
        let Some(values) = operands.iter().map(|operand| value(column, operand)).collect::<Option<Vec<_>>>() else {
            return;
        };
        let from = first + self.params.len();
        let names: Vec<String> = (from..from + values.len()).map(|number| format!("?{number}")).collect();
        let names = names.join(", ");
        let operand = if sign == "IN" { format!("({names})") } else { names };
        self.sql.push_str(&format!(" AND {column} {sign} {operand}"));
        self.params.extend(values);
    }
}

const fn column(field: &Field) -> Option<&'static str> {
    match field {
        Field::Id => Some("id"),
        Field::EventId => Some("event_id"),
        Field::Importance => Some("importance"),
        Field::CreatedAt => Some("created_at"),
        Field::UpdatedAt => Some("updated_at"),
        Field::Payload(_) | Field::Namespace | Field::ModelRevision | Field::Version => None,
    }
}

fn value(column: &str, operand: &Value) -> Option<SqlValue> {
    match column {
        "id" | "event_id" => {
            let id = uuid::Uuid::parse_str(operand.as_str()?).ok()?;
            Some(SqlValue::Blob(id.as_bytes().to_vec()))
        }
        "importance" => Some(SqlValue::Real(operand.as_f64()?)),
        _ => Some(SqlValue::Integer(operand.as_i64()?)),
    }
}
