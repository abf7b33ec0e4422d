//! Filters: one language for every reader and every store, and the function that defines it.
//!
//! A filter is parsed once, at the edge ([`Filter::parse`]); afterwards every operand has the type
//! that its field can have. [`Filter::matches`] is the definition: a store may answer a filter by
//! other means, and must then select the same memories. `schemas/filters.json` holds the cases that
//! every store is tested with.
//!
//! What a filter means:
//!
//! - A path steps through arrays of any depth, on the way and at its end; a test passes if it passes
//!   for any element. Several tests of one field must all pass, each with some element.
//! - A field is missing when the path leads nowhere. A missing field passes only `exists: false`,
//!   or what stands inside `not`. `null` and an empty array are there; an empty array has no element.
//! - `eq` and `in` compare scalars by value: 1 equals 1.0, and nothing else equals across types.
//! - `gt`, `gte`, `lt`, `lte` order numbers with numbers and strings with strings, by code point.
//!   Numbers beyond ±2⁵³ have no order here: as an operand they are refused, as a stored value they
//!   never pass. Times are compared as times.
//!
//! It does not rank, and it does not look outside one memory.

mod eval;
mod number;
mod parse;
mod path;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use crate::error::Result;
use crate::memory::Memory;

/// What a field is compared with. The operands of a parsed filter are canonical: ids are spelled in
/// lower case with hyphens, and times are integers, in microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Equal to this scalar.
    Eq(Value),
    /// Equal to one of these scalars; of none when there are none.
    In(Vec<Value>),
    /// Greater than this number or string.
    Gt(Value),
    /// At least this number or string.
    Gte(Value),
    /// Less than this number or string.
    Lt(Value),
    /// At most this number or string.
    Lte(Value),
    /// Whether the field is there (null counts as there).
    Exists(bool),
}

/// A field of a memory. Its text form is the path that a filter names ([`Field::parse`] and
/// `Display` are inverse).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `payload` or a path into it; steps through arrays of any depth.
    Payload(Vec<String>),
    /// `id`.
    Id,
    /// `namespace`.
    Namespace,
    /// `event_id`.
    EventId,
    /// `importance`; missing when the memory has none.
    Importance,
    /// `model_revision`; missing when the memory has none.
    ModelRevision,
    /// `created_at`.
    CreatedAt,
    /// `updated_at`.
    UpdatedAt,
    /// `version`.
    Version,
}

/// A condition on memories.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these.
    And(Vec<Self>),
    /// At least one of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A field passes all of these tests, each with some element of it.
    Field(Field, Vec<Test>),
}

impl Field {
    /// Parses a path: segments split by dots; a segment in double quotes may hold dots, `\"` and `\\`.
    ///
    /// # Errors
    /// `bad_filter` when the path is malformed or begins with a name that memories do not have.
    pub fn parse(text: &str) -> Result<Self> {
        path::parse(text)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        path::write(self, f)
    }
}

impl Filter {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// `bad_filter`, with the path to the fault inside the filter (`and[1].field`) in
    /// [`crate::Error::field`]; empty when the fault is the filter as a whole.
    pub fn parse(value: &Value) -> Result<Self> {
        parse::filter(value)
    }

    /// Whether a memory matches: the definition that every store must agree with.
    #[must_use]
    pub fn matches(&self, memory: &Memory) -> bool {
        eval::matches(self, memory)
    }

    /// The fields that the filter reads, each once, in the order in which they appear.
    #[must_use]
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        self.collect(&mut fields);
        fields
    }

    fn collect<'a>(&'a self, fields: &mut Vec<&'a Field>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|inner| inner.collect(fields)),
            Self::Not(inner) => inner.collect(fields),
            Self::Field(field, _) if fields.contains(&field) => {}
            Self::Field(field, _) => fields.push(field),
        }
    }

    /// The JSON form, so that a filter can be sent on: [`Filter::parse`] reads it back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        write::filter(self)
    }
}

/// The JSON form in one line.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}
