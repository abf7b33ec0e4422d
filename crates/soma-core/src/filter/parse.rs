//! JSON to filter: every key known, every operand of its field's type, every bound kept.

use serde_json::{Map, Value};

use super::number::Num;
use super::{Field, Filter, Test};
use crate::error::{Code, Error, Result};
use crate::ids::{self, Timestamp};
use crate::limits::{FILTER_DEPTH_MAX, FILTER_TERMS_MAX};

const TESTS: [&str; 7] = ["eq", "in", "gt", "gte", "lt", "lte", "exists"];

pub(super) fn filter(value: &Value) -> Result<Filter> {
    Parser { terms: 0 }.filter(value, "", 1)
}

struct Parser {
    terms: usize,
}

/// What a field's operands can be.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    /// Any scalar.
    Any,
    /// An id: equality only.
    Id,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A moment.
    Time,
}

impl Type {
    const fn of(field: &Field) -> Self {
        match field {
            Field::Payload(_) => Self::Any,
            Field::Id | Field::EventId => Self::Id,
            Field::Namespace | Field::ModelRevision => Self::Text,
            Field::Importance | Field::Version => Self::Number,
            Field::CreatedAt | Field::UpdatedAt => Self::Time,
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Any => "a string, a number, a boolean or null",
            Self::Id => "a UUID as a string",
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Time => "an RFC 3339 time as a string",
        }
    }
}

impl Parser {
    fn filter(&mut self, value: &Value, at: &str, depth: usize) -> Result<Filter> {
        if depth > FILTER_DEPTH_MAX {
            return Err(refuse(at, format!("the filter nests deeper than {FILTER_DEPTH_MAX} levels")));
        }
        let Value::Object(object) = value else {
            return Err(refuse(at, format!("a filter is an object, not {}", kind(value))).remedy(FORMS));
        };
        let Some(form) = ["and", "or", "not", "field"].into_iter().find(|form| object.contains_key(*form)) else {
            let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
            keys.sort_unstable();
            let has = keys.first().map_or_else(|| "is empty".to_owned(), |key| format!("has {key:?} and none of them"));
            return Err(refuse(at, format!("the filter names no and, or, not or field: it {has}")).remedy(FORMS));
        };
        let known: &[&str] = if form == "field" { &TESTS } else { &[] };
        refuse_unknown(object, form, known, at)?;
        let inside = join(at, form);
        match form {
            "and" => Ok(Filter::And(self.list(&object[form], &inside, depth)?)),
            "or" => Ok(Filter::Or(self.list(&object[form], &inside, depth)?)),
            "not" => Ok(Filter::Not(Box::new(self.filter(&object[form], &inside, depth + 1)?))),
            _ => self.field(object, at),
        }
    }

    fn list(&mut self, value: &Value, at: &str, depth: usize) -> Result<Vec<Filter>> {
        let Value::Array(items) = value else {
            return Err(refuse(at, format!("must be a list of filters, not {}", kind(value))));
        };
        if items.is_empty() {
            return Err(refuse(at, "lists no filter").remedy("leave it out, or list at least one"));
        }
        let each = items.iter().enumerate();
        each.map(|(i, item)| self.filter(item, &format!("{at}[{i}]"), depth + 1)).collect()
    }

    fn field(&mut self, object: &Map<String, Value>, at: &str) -> Result<Filter> {
        let inside = join(at, "field");
        let Value::String(path) = &object["field"] else {
            return Err(refuse(&inside, format!("must be a path as a string, not {}", kind(&object["field"]))));
        };
        let field = Field::parse(path).map_err(|e| e.at(inside.clone()))?;
        // In a fixed order, so that equal filters are equal however their JSON was ordered.
        let mut tests = Vec::new();
        for name in TESTS {
            if let Some(operand) = object.get(name) {
                tests.push(self.test(&field, name, operand, &join(at, name))?);
            }
        }
        if tests.is_empty() {
            return Err(refuse(at, format!("{field} is not tested"))
                .remedy(format!("add one of {}; exists: true asks whether it is there", TESTS.join(", "))));
        }
        Ok(Filter::Field(field, tests))
    }

    fn test(&mut self, field: &Field, name: &str, operand: &Value, at: &str) -> Result<Test> {
        let range = |operand| ordered(field, operand, at);
        self.count(if let ("in", Value::Array(items)) = (name, operand) { items.len().max(1) } else { 1 }, at)?;
        match name {
            "eq" => Ok(Test::Eq(scalar(field, operand, at)?)),
            "in" => {
                let Value::Array(items) = operand else {
                    return Err(refuse(at, format!("must be a list of values, not {}", kind(operand))));
                };
                let each = items.iter().enumerate();
                let values: Result<_> = each.map(|(i, item)| scalar(field, item, &format!("{at}[{i}]"))).collect();
                Ok(Test::In(values?))
            }
            "gt" => Ok(Test::Gt(range(operand)?)),
            "gte" => Ok(Test::Gte(range(operand)?)),
            "lt" => Ok(Test::Lt(range(operand)?)),
            "lte" => Ok(Test::Lte(range(operand)?)),
            _ => {
                let exists = operand.as_bool();
                let refused = || refuse(at, format!("must be true or false, not {}", kind(operand)));
                exists.map(Test::Exists).ok_or_else(refused)
            }
        }
    }

    fn count(&mut self, terms: usize, at: &str) -> Result<()> {
        self.terms = self.terms.saturating_add(terms);
        if self.terms > FILTER_TERMS_MAX {
            return Err(refuse(at, format!("the filter has more than {FILTER_TERMS_MAX} conditions and values")));
        }
        Ok(())
    }
}

/// An operand of `eq` or an element of `in`, in canonical form.
fn scalar(field: &Field, operand: &Value, at: &str) -> Result<Value> {
    let wanted = Type::of(field);
    let found = match (wanted, operand) {
        (Type::Any, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
        | (Type::Text, Value::String(_))
        | (Type::Number, Value::Number(_)) => Some(operand.clone()),
        (Type::Id, Value::String(text)) => ids::any_spelling(text).map(|id| Value::from(id.to_string())),
        (Type::Time, Value::String(text)) => Some(time(text, at)?),
        _ => None,
    };
    found.ok_or_else(|| {
        let error = refuse(at, format!("{field} is compared with {}, not with {}", wanted.wanted(), describe(operand)));
        if operand.is_null() { error.remedy("use exists: false for a field that is not there") } else { error }
    })
}

/// An operand of a range, in canonical form.
fn ordered(field: &Field, operand: &Value, at: &str) -> Result<Value> {
    if Type::of(field) == Type::Id {
        return Err(refuse(at, format!("{field} has no order")).remedy("use eq or in"));
    }
    let operand = scalar(field, operand, at)?;
    match &operand {
        Value::Number(number) if Type::of(field) != Type::Time && !Num::of(number).is_ordered() => {
            Err(refuse(at, format!("{number} lies beyond ±2⁵³, where numbers compare by equality only"))
                .remedy("use eq, or a bound within ±9007199254740992"))
        }
        Value::Number(_) | Value::String(_) => Ok(operand),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(refuse(at, format!("a range is bounded by a number or a string, not by {}", kind(&operand))))
        }
    }
}

/// A time in microseconds since the epoch, in the years that memories can have.
fn time(text: &str, at: &str) -> Result<Value> {
    let time = Timestamp::parse(text)
        .map_err(|e| refuse(at, format!("{text:?} is not an RFC 3339 time with an offset or Z")).because(e))?;
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    if fraction.bytes().take_while(u8::is_ascii_digit).count() > 6 {
        return Err(refuse(at, format!("{text:?} is finer than a microsecond")).remedy("give at most six digits"));
    }
    Ok(Value::from(time.0))
}

fn refuse_unknown(object: &Map<String, Value>, form: &str, known: &[&str], at: &str) -> Result<()> {
    let unknown = object.keys().filter(|key| *key != form && !known.contains(&key.as_str())).min();
    let Some(key) = unknown else { return Ok(()) };
    let error = refuse(&join(at, key), format!("{key:?} does not belong beside {form:?}"));
    Err(if form == "field" { error.remedy(format!("use {}", TESTS.join(", "))) } else { error.remedy(FORMS) })
}

const FORMS: &str = "write {\"and\": […]}, {\"or\": […]}, {\"not\": …} or {\"field\": path, test: value}";

fn refuse(at: &str, why: impl Into<String>) -> Error {
    Error::new(Code::BadFilter, why).at(at)
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn describe(value: &Value) -> String {
    value.as_str().map_or_else(|| kind(value).to_owned(), |text| format!("the string {text:?}"))
}
