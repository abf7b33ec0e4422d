//! Filters: one language for every reader and every store, and the function that defines it.

use serde_json::Value;

use crate::error::Result;
use crate::memory::Memory;

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Equal to this scalar.
    Eq(Value),
    /// Equal to one of these scalars.
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

/// A field of a memory.
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
    /// `importance`.
    Importance,
    /// `model_revision`.
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

impl Filter {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// `bad_filter` with the path to the fault.
    pub fn parse(value: &Value) -> Result<Self> {
        let _ = value;
        todo!()
    }

    /// Whether a memory matches: the definition that every store must agree with.
    #[must_use]
    pub fn matches(&self, memory: &Memory) -> bool {
        let _ = memory;
        todo!()
    }
}
