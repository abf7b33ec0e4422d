//! Our filters in the index's language.
//!
//! Where the index cannot express a test (the order of strings, `version`), the translation is
//! *wider*: it lets through at least what the filter does, and says so. Below a `not` the same test
//! has to become narrower, because the opposite of a wider filter is a narrower one; so every
//! translation knows on which side it may err.

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    Condition, DateTimeWrapper, FieldCondition, Filter as EdgeFilter, IsEmptyCondition, IsNullCondition, JsonPath,
    Match, PointId, Range,
};
use serde_json::Value;
use soma_core::filter::{Field, Filter, Test};
use soma_core::index::Search;
use soma_core::limits::EXACT_INTEGER_MAX;
use uuid::Uuid;

use super::facts;
use super::fields::{self, Held};
use super::point::key;

/// What of a search's conditions the index can check.
pub(super) struct Conditions {
    /// Which points pass.
    pub(super) clause: Clause,
    /// Whether exactly those pass that should, and not more.
    pub(super) exact: bool,
}

/// A translated condition.
#[expect(clippy::large_enum_variant, reason = "a handful per search, and most are the large one")]
pub(super) enum Clause {
    /// Every point passes.
    All,
    /// No point passes.
    Nothing,
    /// Those that the index selects.
    Test(Condition),
}

/// On which side a test that the index cannot express may err.
#[derive(Clone, Copy)]
enum Side {
    Wider,
    Narrower,
}

impl Side {
    const fn opposite(self) -> Self {
        match self {
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
        }
    }
}

/// Translates the namespaces, ids and filter of a search.
pub(super) fn conditions(search: &Search) -> Conditions {
    let mut exact = true;
    let mut parts = Vec::new();
    if let Some(namespaces) = &search.namespaces {
        parts.push(one_of("namespace", namespaces.iter().map(|n| n.as_str().to_owned()).collect()));
    }
    if let Some(ids) = &search.ids {
        parts.push(has_id(ids.iter().map(|id| id.0)));
    }
    if let Some(filter) = &search.filter {
        parts.push(Translator { exact: &mut exact }.filter(filter, Side::Wider));
    }
    Conditions { clause: all_of(parts), exact }
}

/// The points with these ids.
pub(super) fn has_id(ids: impl Iterator<Item = Uuid>) -> Clause {
    let mut ids = ids.map(PointId::Uuid).peekable();
    if ids.peek().is_none() {
        return Clause::Nothing;
    }
    Clause::Test(Condition::Filter(EdgeFilter::default().with_point_ids(ids)))
}

/// The opposite of a range over `rev`: points whose `rev` is not above `rev`, or that have none.
pub(super) fn rev_up_to(rev: u64) -> EdgeFilter {
    #[expect(clippy::cast_precision_loss, reason = "revs are microseconds or counters, below 2^53 until the year 2255")]
    let above = Range { lt: None, gt: Some(OrderedFloat(rev as f64)), gte: None, lte: None };
    EdgeFilter::new_must_not(Condition::Field(FieldCondition::new_range(key("rev"), above)))
}

struct Translator<'a> {
    exact: &'a mut bool,
}

impl Translator<'_> {
    fn filter(&mut self, filter: &Filter, side: Side) -> Clause {
        match filter {
            Filter::And(inner) => all_of(inner.iter().map(|f| self.filter(f, side)).collect()),
            Filter::Or(inner) => any_of(inner.iter().map(|f| self.filter(f, side)).collect()),
            Filter::Not(inner) => none_of(self.filter(inner, side.opposite())),
            Filter::Field(field, tests) => all_of(tests.iter().map(|test| self.test(field, test, side)).collect()),
        }
    }

    fn test(&mut self, field: &Field, test: &Test, side: Side) -> Clause {
        match field {
            Field::Payload(path) => self.payload(path, test, side),
            Field::Id => match test {
                Test::Eq(value) => ids(std::slice::from_ref(value)),
                Test::In(values) => ids(values),
                Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) | Test::Exists(_) => {
                    self.always_there(test, side)
                }
            },
            Field::EventId => self.text("event_id", test, side),
            Field::Namespace => self.text("namespace", test, side),
            Field::ModelRevision => match test {
                Test::Exists(wanted) => there(key("model_revision"), *wanted),
                Test::Eq(value) => equal(&key("model_revision"), std::slice::from_ref(value)),
                Test::In(values) => equal(&key("model_revision"), values),
                Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => self.inexpressible(side),
            },
            Field::Importance => self.importance(test, side),
            Field::CreatedAt => self.time("created_at", test, side),
            Field::UpdatedAt => self.time("timestamp", test, side),
            Field::Version => self.always_there(test, side),
        }
    }

    /// A test that the index cannot express.
    fn inexpressible(&mut self, side: Side) -> Clause {
        *self.exact = false;
        match side {
            Side::Wider => Clause::All,
            Side::Narrower => Clause::Nothing,
        }
    }

    /// A test of a field that every memory has and of which only that much is known.
    fn always_there(&mut self, test: &Test, side: Side) -> Clause {
        match test {
            Test::Exists(wanted) => decided(*wanted),
            Test::Eq(_) | Test::In(_) | Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => {
                self.inexpressible(side)
            }
        }
    }

    fn text(&mut self, name: &str, test: &Test, side: Side) -> Clause {
        match test {
            Test::Eq(value) => texts(name, std::slice::from_ref(value)),
            Test::In(values) => texts(name, values),
            Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) | Test::Exists(_) => self.always_there(test, side),
        }
    }

    fn importance(&mut self, test: &Test, side: Side) -> Clause {
        let path = || key("importance");
        match test {
            Test::Exists(wanted) => there(path(), *wanted),
            Test::Eq(value) => self.importance_is(value, side),
            Test::In(values) => any_of(values.iter().map(|value| self.importance_is(value, side)).collect()),
            Test::Gt(value) | Test::Gte(value) | Test::Lt(value) | Test::Lte(value) => {
                number_range(path(), test, value)
            }
        }
    }

    fn importance_is(&mut self, value: &Value, side: Side) -> Clause {
        let Value::Number(number) = value else { return Clause::Nothing };
        match fields::held(number) {
            Held::Ordered(n) => range(key("importance"), closed(n)),
            Held::Digits(_) => self.inexpressible(side),
        }
    }

    fn time(&mut self, name: &str, test: &Test, side: Side) -> Clause {
        let mut at = |value: &Value, bound: fn(DateTimeWrapper) -> Range<DateTimeWrapper>| {
            let Some(micros) = value.as_i64() else { return Clause::Nothing };
            match DateTimeWrapper::from_timestamp(micros) {
                Some(moment) => {
                    Clause::Test(Condition::Field(FieldCondition::new_datetime_range(key(name), bound(moment))))
                }
                None => self.inexpressible(side),
            }
        };
        match test {
            Test::Exists(wanted) => decided(*wanted),
            Test::Eq(value) => at(value, closed),
            Test::In(values) => any_of(values.iter().map(|value| at(value, closed)).collect()),
            Test::Gt(value) => at(value, |v| Range { gt: Some(v), lt: None, gte: None, lte: None }),
            Test::Gte(value) => at(value, |v| Range { gte: Some(v), lt: None, gt: None, lte: None }),
            Test::Lt(value) => at(value, |v| Range { lt: Some(v), gt: None, gte: None, lte: None }),
            Test::Lte(value) => at(value, |v| Range { lte: Some(v), lt: None, gt: None, gte: None }),
        }
    }

    fn payload(&mut self, path: &[String], test: &Test, side: Side) -> Clause {
        let entry = || JsonPath { first_key: "fields".to_owned(), rest: Vec::new() }.extend(&key(&fields::name(path)));
        match test {
            Test::Exists(wanted) if path.is_empty() => decided(*wanted),
            Test::Exists(wanted) => there(entry(), *wanted),
            Test::Eq(value) => holds(path, &entry(), std::slice::from_ref(value)),
            Test::In(values) => holds(path, &entry(), values),
            Test::Gt(value) | Test::Gte(value) | Test::Lt(value) | Test::Lte(value) => match value {
                Value::Number(_) => number_range(entry(), test, value),
                // The index has no order of strings: any point where something is there may pass.
                Value::String(_) => match (self.inexpressible(side), path.is_empty()) {
                    (Clause::All, false) => there(entry(), true),
                    (clause, _) => clause,
                },
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Clause::Nothing,
            },
        }
    }
}

/// Whether the path leads to one of these scalars: those that may by their numbers, then by themselves.
fn holds(path: &[String], entry: &JsonPath, values: &[Value]) -> Clause {
    all_of(vec![Clause::Test(facts::any(path, values)), equal(entry, values)])
}

/// Whether the entry holds one of these scalars.
fn equal(entry: &JsonPath, values: &[Value]) -> Clause {
    let mut parts = Vec::new();
    let mut digests = Vec::new();
    let mut digits = Vec::new();
    for value in values {
        match value {
            Value::Null => parts.push(Clause::Test(Condition::IsNull(IsNullCondition::from(entry.array_key())))),
            Value::Bool(flag) => {
                parts.push(Clause::Test(Condition::Field(FieldCondition::new_match(entry.clone(), (*flag).into()))));
            }
            Value::String(text) => digests.push(fields::digest(text)),
            Value::Number(number) => match fields::held(number) {
                Held::Ordered(n) => parts.push(range(entry.clone(), closed(n))),
                Held::Digits(text) => digits.push(text),
            },
            // Not a scalar: nothing is equal to it.
            Value::Array(_) | Value::Object(_) => {}
        }
    }
    parts.push(matches(entry.clone(), digests));
    parts.push(matches(entry.array_key().extend(&key(fields::DIGITS)), digits));
    any_of(parts)
}

fn number_range(path: JsonPath, test: &Test, value: &Value) -> Clause {
    let Some(Held::Ordered(n)) = value.as_number().map(fields::held) else { return Clause::Nothing };
    // Beyond ±2^53 nothing has a place in the order.
    #[expect(clippy::cast_precision_loss, reason = "2^53 is a float")]
    let max = EXACT_INTEGER_MAX as f64;
    let (low, high, n) = (Some(OrderedFloat(-max)), Some(OrderedFloat(max)), Some(OrderedFloat(n)));
    let bounds = match test {
        Test::Gt(_) => Range { gt: n, lte: high, gte: None, lt: None },
        Test::Gte(_) => Range { gte: n, lte: high, gt: None, lt: None },
        Test::Lt(_) => Range { lt: n, gte: low, gt: None, lte: None },
        Test::Lte(_) => Range { lte: n, gte: low, gt: None, lt: None },
        Test::Eq(_) | Test::In(_) | Test::Exists(_) => return Clause::Nothing,
    };
    Clause::Test(Condition::Field(FieldCondition::new_range(path, bounds)))
}

fn range(path: JsonPath, bounds: Range<f64>) -> Clause {
    Clause::Test(Condition::Field(FieldCondition::new_range(path, bounds.map(OrderedFloat))))
}

const fn closed<T: Copy>(value: T) -> Range<T> {
    Range { gte: Some(value), lte: Some(value), gt: None, lt: None }
}

fn there(path: JsonPath, wanted: bool) -> Clause {
    let missing = Clause::Test(Condition::IsEmpty(IsEmptyCondition::from(path)));
    if wanted { none_of(missing) } else { missing }
}

fn texts(name: &str, values: &[Value]) -> Clause {
    one_of(name, values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

fn one_of(name: &str, values: Vec<String>) -> Clause {
    matches(key(name), values)
}

fn matches(path: JsonPath, mut values: Vec<String>) -> Clause {
    let one = if values.len() == 1 { values.pop() } else { None };
    match one {
        Some(value) => Clause::Test(Condition::Field(FieldCondition::new_match(path, value.into()))),
        None if values.is_empty() => Clause::Nothing,
        None => Clause::Test(Condition::Field(FieldCondition::new_match(path, Match::from(values)))),
    }
}

/// Ids are compared as text, so only the canonical spelling can be equal to one.
fn ids(values: &[Value]) -> Clause {
    let parsed = values
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|text| Uuid::parse_str(text).ok().filter(|id| id.as_hyphenated().to_string() == text));
    has_id(parsed)
}

const fn decided(passes: bool) -> Clause {
    if passes { Clause::All } else { Clause::Nothing }
}

fn all_of(parts: Vec<Clause>) -> Clause {
    let mut tests = Vec::new();
    for part in parts {
        match part {
            Clause::All => {}
            Clause::Nothing => return Clause::Nothing,
            Clause::Test(test) => tests.push(test),
        }
    }
    match tests.len() {
        0 => Clause::All,
        1 => Clause::Test(tests.remove(0)),
        _ => Clause::Test(Condition::Filter(EdgeFilter { must: Some(tests), ..EdgeFilter::default() })),
    }
}

fn any_of(parts: Vec<Clause>) -> Clause {
    let mut tests = Vec::new();
    for part in parts {
        match part {
            Clause::All => return Clause::All,
            Clause::Nothing => {}
            Clause::Test(test) => tests.push(test),
        }
    }
    match tests.len() {
        0 => Clause::Nothing,
        1 => Clause::Test(tests.remove(0)),
        _ => Clause::Test(Condition::Filter(EdgeFilter { should: Some(tests), ..EdgeFilter::default() })),
    }
}

fn none_of(part: Clause) -> Clause {
    match part {
        Clause::All => Clause::Nothing,
        Clause::Nothing => Clause::All,
        Clause::Test(test) => Clause::Test(Condition::Filter(EdgeFilter::new_must_not(test))),
    }
}
