//! A search's conditions in terms that an index of Qdrant's kind can check.
//!
//! Where the index cannot express a test (the order of strings, `version`), the translation is
//! *wider*: it lets through at least what the filter does, and says so. Below a `not` the same test
//! has to become narrower, because the opposite of a wider filter is a narrower one; so every
//! translation knows on which side it may err.
//!
//! Paths are in the index's own language: names split by dots, `[]` for every element of an array.

use serde_json::Value;
use uuid::Uuid;

use super::facts;
use super::fields::{self, Held};
use crate::filter::{Field, Filter, Test};
use crate::ids::Timestamp;
use crate::index::Search;
use crate::limits::EXACT_INTEGER_MAX;

/// One condition on stored points. A field with several values passes if one of them does.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of these; never empty.
    All(Vec<Self>),
    /// At least one of these; never empty.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// One of these points; never empty.
    Ids(Vec<Uuid>),
    /// A string at the path is one of these; never empty.
    Texts {
        /// The path.
        at: String,
        /// The strings.
        any: Vec<String>,
    },
    /// An integer at the path is one of these; never empty.
    Integers {
        /// The path.
        at: String,
        /// The integers.
        any: Vec<i64>,
    },
    /// A boolean at the path is this.
    Flag {
        /// The path.
        at: String,
        /// The boolean.
        is: bool,
    },
    /// A number at the path lies within.
    Numbers {
        /// The path.
        at: String,
        /// The bounds.
        within: Bounds<f64>,
    },
    /// A moment at the path lies within.
    Moments {
        /// The path.
        at: String,
        /// The bounds, in microseconds since the Unix epoch.
        within: Bounds<i64>,
    },
    /// There is a null at the path.
    Null {
        /// The path.
        at: String,
    },
    /// The path leads to nothing, or to an empty array.
    Empty {
        /// The path.
        at: String,
    },
}

/// Which values pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds<T> {
    /// Those above.
    pub gt: Option<T>,
    /// Those not below.
    pub gte: Option<T>,
    /// Those below.
    pub lt: Option<T>,
    /// Those not above.
    pub lte: Option<T>,
}

impl<T> Bounds<T> {
    /// The same bounds in another type.
    pub fn map<U>(self, mut to: impl FnMut(T) -> U) -> Bounds<U> {
        let Self { gt, gte, lt, lte } = self;
        Bounds { gt: gt.map(&mut to), gte: gte.map(&mut to), lt: lt.map(&mut to), lte: lte.map(&mut to) }
    }
}

/// What of a search's conditions the index can check.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Which points pass.
    pub clause: Clause,
    /// Whether exactly those pass that should, and not more.
    pub exact: bool,
}

/// A translated condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
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
#[must_use]
pub fn conditions(search: &Search) -> Conditions {
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
fn has_id(ids: impl Iterator<Item = Uuid>) -> Clause {
    let ids: Vec<Uuid> = ids.collect();
    if ids.is_empty() { Clause::Nothing } else { Clause::Test(Condition::Ids(ids)) }
}

/// The opposite of a range over `rev`: points whose `rev` is not above `rev`, or that have none.
#[must_use]
pub fn rev_up_to(rev: u64) -> Condition {
    #[expect(clippy::cast_precision_loss, reason = "revs are microseconds or counters, below 2^53 until the year 2255")]
    let above = Bounds { gt: Some(rev as f64), ..Bounds::default() };
    Condition::Not(Box::new(Condition::Numbers { at: "rev".to_owned(), within: above }))
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
                Test::Exists(wanted) => there("model_revision".to_owned(), *wanted),
                Test::Eq(value) => equal("model_revision", std::slice::from_ref(value)),
                Test::In(values) => equal("model_revision", values),
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
        let path = || "importance".to_owned();
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
            Held::Ordered(n) => range("importance".to_owned(), closed(n)),
            Held::Digits(_) => self.inexpressible(side),
        }
    }

    fn time(&mut self, name: &str, test: &Test, side: Side) -> Clause {
        let mut at = |value: &Value, bound: fn(i64) -> Bounds<i64>| {
            let Some(micros) = value.as_i64() else { return Clause::Nothing };
            if !(Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros) {
                return self.inexpressible(side);
            }
            Clause::Test(Condition::Moments { at: name.to_owned(), within: bound(micros) })
        };
        match test {
            Test::Exists(wanted) => decided(*wanted),
            Test::Eq(value) => at(value, closed),
            Test::In(values) => any_of(values.iter().map(|value| at(value, closed)).collect()),
            Test::Gt(value) => at(value, |v| Bounds { gt: Some(v), ..Bounds::default() }),
            Test::Gte(value) => at(value, |v| Bounds { gte: Some(v), ..Bounds::default() }),
            Test::Lt(value) => at(value, |v| Bounds { lt: Some(v), ..Bounds::default() }),
            Test::Lte(value) => at(value, |v| Bounds { lte: Some(v), ..Bounds::default() }),
        }
    }

    fn payload(&mut self, path: &[String], test: &Test, side: Side) -> Clause {
        let entry = || format!("fields.{}", fields::name(path));
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
fn holds(path: &[String], entry: &str, values: &[Value]) -> Clause {
    all_of(vec![Clause::Test(facts::any(path, values)), equal(entry, values)])
}

/// Whether the entry holds one of these scalars.
fn equal(entry: &str, values: &[Value]) -> Clause {
    let mut parts = Vec::new();
    let mut digests = Vec::new();
    let mut digits = Vec::new();
    for value in values {
        match value {
            Value::Null => parts.push(Clause::Test(Condition::Null { at: format!("{entry}[]") })),
            Value::Bool(flag) => {
                parts.push(Clause::Test(Condition::Flag { at: entry.to_owned(), is: *flag }));
            }
            Value::String(text) => digests.push(fields::digest(text)),
            Value::Number(number) => match fields::held(number) {
                Held::Ordered(n) => parts.push(range(entry.to_owned(), closed(n))),
                Held::Digits(text) => digits.push(text),
            },
            // Not a scalar: nothing is equal to it.
            Value::Array(_) | Value::Object(_) => {}
        }
    }
    parts.push(matches(entry.to_owned(), digests));
    parts.push(matches(format!("{entry}[].{}", fields::DIGITS), digits));
    any_of(parts)
}

fn number_range(at: String, test: &Test, value: &Value) -> Clause {
    let Some(Held::Ordered(n)) = value.as_number().map(fields::held) else { return Clause::Nothing };
    // Beyond ±2^53 nothing has a place in the order.
    #[expect(clippy::cast_precision_loss, reason = "2^53 is a float")]
    let max = EXACT_INTEGER_MAX as f64;
    let (low, high, n) = (Some(-max), Some(max), Some(n));
    let within = match test {
        Test::Gt(_) => Bounds { gt: n, lte: high, ..Bounds::default() },
        Test::Gte(_) => Bounds { gte: n, lte: high, ..Bounds::default() },
        Test::Lt(_) => Bounds { lt: n, gte: low, ..Bounds::default() },
        Test::Lte(_) => Bounds { lte: n, gte: low, ..Bounds::default() },
        Test::Eq(_) | Test::In(_) | Test::Exists(_) => return Clause::Nothing,
    };
    Clause::Test(Condition::Numbers { at, within })
}

fn range(at: String, within: Bounds<f64>) -> Clause {
    Clause::Test(Condition::Numbers { at, within })
}

const fn closed<T: Copy>(value: T) -> Bounds<T> {
    Bounds { gte: Some(value), lte: Some(value), gt: None, lt: None }
}

fn there(at: String, wanted: bool) -> Clause {
    let missing = Clause::Test(Condition::Empty { at });
    if wanted { none_of(missing) } else { missing }
}

fn texts(name: &str, values: &[Value]) -> Clause {
    one_of(name, values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

fn one_of(name: &str, values: Vec<String>) -> Clause {
    matches(name.to_owned(), values)
}

fn matches(at: String, any: Vec<String>) -> Clause {
    if any.is_empty() { Clause::Nothing } else { Clause::Test(Condition::Texts { at, any }) }
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
        _ => Clause::Test(Condition::All(tests)),
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
        _ => Clause::Test(Condition::Any(tests)),
    }
}

fn none_of(part: Clause) -> Clause {
    match part {
        Clause::All => Clause::Nothing,
        Clause::Nothing => Clause::All,
        Clause::Test(test) => Clause::Test(Condition::Not(Box::new(test))),
    }
}
