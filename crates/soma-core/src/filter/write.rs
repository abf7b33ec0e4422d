//! Filter to JSON.

use serde_json::{Map, Value};

use super::{Field, Filter, Test};

pub(super) fn filter(filter: &Filter) -> Value {
    match filter {
        Filter::And(all) => single("and", all.iter().map(self::filter).collect()),
        Filter::Or(any) => single("or", any.iter().map(self::filter).collect()),
        Filter::Not(inner) => single("not", self::filter(inner)),
        Filter::Field(field, tests) => self::field(field, tests),
    }
}

fn single(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value)]))
}

fn field(field: &Field, tests: &[Test]) -> Value {
    let mut entries: Vec<(&str, Value)> = tests.iter().map(|test| written(field, test)).collect();
    entries.push(("field", Value::from(field.to_string())));
    // Sorted, because the map keeps this order in one build and makes its own in another.
    entries.sort_by_key(|(name, _)| *name);
    if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        // One object cannot hold a test twice; the tests must all pass, so they can stand apart.
        let apart = tests.iter().map(|test| self::field(field, std::slice::from_ref(test)));
        return single("and", apart.collect());
    }
    Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn written(field: &Field, test: &Test) -> (&'static str, Value) {
    match test {
        Test::Eq(value) => ("eq", operand(field, value)),
        Test::In(values) => ("in", values.iter().map(|value| operand(field, value)).collect()),
        Test::Gt(value) => ("gt", operand(field, value)),
        Test::Gte(value) => ("gte", operand(field, value)),
        Test::Lt(value) => ("lt", operand(field, value)),
        Test::Lte(value) => ("lte", operand(field, value)),
        Test::Exists(wanted) => ("exists", Value::Bool(*wanted)),
    }
}

fn operand(field: &Field, value: &Value) -> Value {
    let time = match field {
        Field::CreatedAt | Field::UpdatedAt => value.as_i64(),
        Field::Payload(_)
        | Field::Id
        | Field::Namespace
        | Field::EventId
        | Field::Importance
        | Field::ModelRevision
        | Field::Version => None,
    };
    match time.map(jiff::Timestamp::from_microsecond) {
        Some(Ok(time)) => Value::from(time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
        Some(Err(_)) | None => value.clone(),
    }
}
