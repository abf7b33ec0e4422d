//! Which schemas exist: the registry, as a port.
//!
//! An event's JSON is read without a schema, so nothing is fetched. A record that names a schema which no
//! registry knows was written for somebody else, or for another registry: it becomes a dead letter. While
//! the registry is away nobody can tell, and the batch is tried again.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::frame::{self, SchemaId};
use crate::error::{Code, Error, Result};
use crate::log::Record;

/// A registry of schemas.
#[async_trait]
pub trait Schemas: Send + Sync {
    /// Whether it has that schema.
    ///
    /// # Errors
    /// `unavailable` when it cannot tell.
    async fn knows(&self, id: SchemaId) -> Result<bool>;
}

/// No registry: whatever a record names is taken for known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Any;

#[async_trait]
impl Schemas for Any {
    async fn knows(&self, _: SchemaId) -> Result<bool> {
        Ok(true)
    }
}

/// The schemas that these records name and the registry does not know.
///
/// # Errors
/// `unavailable` when the registry cannot tell.
pub async fn unknown(schemas: &dyn Schemas, records: &[Record]) -> Result<BTreeSet<SchemaId>> {
    let named: BTreeSet<SchemaId> = records.iter().filter_map(frame::schema).collect();
    let mut unknown = BTreeSet::new();
    for id in named {
        if !schemas.knows(id).await? {
            unknown.insert(id);
        }
    }
    Ok(unknown)
}

/// The refusal of a record whose schema nobody knows.
#[must_use]
pub fn refusal(id: SchemaId) -> Error {
    Error::new(Code::SchemaUnknown, format!("the schema registry knows no schema {id}"))
        .remedy("register the schema, or send the event as plain JSON; then redrive the letter")
}
