//! The record store as it is read beside its owner, or while nobody owns it: for dumps and checks.

use std::path::Path;

use rusqlite::Connection;
use soma_core::error::Result;
use soma_core::fold::State;
use soma_core::ids::MemoryId;
use soma_core::store::{Counts, PositionRow};

use super::{position, read, schema};
use crate::sqlite::{Database, Owner};

/// A record store that is only read.
pub struct Beside {
    database: Database,
    connection: Connection,
}

impl Beside {
    /// Opens the store's file, whoever owns its directory.
    ///
    /// # Errors
    /// `not_found`, `corrupt`, `format_too_new`, `unavailable`.
    pub fn open(records: &Path) -> Result<Self> {
        let (database, connection) = Database::open_beside(records, &schema::KIND, Owner::Maybe)?;
        Ok(Self { database, connection })
    }

    /// Rows in the order of their ids after `after`, deleted ones included.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>> {
        read::scan(&self.database, &self.connection, after, limit)
    }

    /// Counts over the whole store.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn counts(&self) -> Result<Counts> {
        read::counts(&self.database, &self.connection)
    }

    /// How far projectors have come.
    ///
    /// # Errors
    /// `corrupt`, `unavailable`.
    pub fn positions(&self) -> Result<Vec<PositionRow>> {
        position::all(&self.database, &self.connection)
    }

    /// Reads every page.
    ///
    /// # Errors
    /// `corrupt` with the first findings; `unavailable`.
    pub fn check_quickly(&self) -> Result<()> {
        self.database.check_quickly(&self.connection)
    }

    /// Reads every page, index and constraint.
    ///
    /// # Errors
    /// As [`Beside::check_quickly`].
    pub fn check(&self) -> Result<()> {
        self.database.check_integrity(&self.connection)
    }
}
