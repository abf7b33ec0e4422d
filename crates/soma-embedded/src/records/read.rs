//! Everybody else's side.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::Connection;
use soma_core::error::Result;
use soma_core::fold::State;
use soma_core::ids::{EventId, MemoryId, Namespace};
use soma_core::memory::Memory;
use soma_core::store::{Audit, Counts, ListQuery, Mark, NamespaceCount, Reading, StoredEvent};
use soma_core::thread::{Thread, TurnKey};
use soma_core::{json, limits};

use super::row::{self, Cells, STATE};
use super::{Records, count, list, load, thread};
use crate::sqlite::Database;

impl Records {
    /// Runs a read; whatever it reads, it reads of one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.shared.database.clone();
        let result = self.shared.readers.run(move |connection| {
            let snapshot = connection.transaction().map_err(database.failing("read"))?;
            read(&snapshot)
        });
        let result = result.await;
        self.shared.writer.scrub_aside();
        result
    }
}

#[async_trait]
impl Reading for Records {
    async fn states(&self, ids: &[MemoryId]) -> Result<Vec<State>> {
        let (database, ids) = (self.shared.database.clone(), ids.to_vec());
        self.read(move |connection| load::states(&database, connection, &ids)).await
    }

    async fn owners(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Option<Namespace>>> {
        let (database, ids) = (self.shared.database.clone(), ids.to_vec());
        self.read(move |connection| load::owners(&database, connection, &ids)).await
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>> {
        let database = self.shared.database.clone();
        self.read(move |connection| scan(&database, connection, after, limit)).await
    }

    async fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        let (database, thread, around) = (self.shared.database.clone(), thread.clone(), around.to_vec());
        self.read(move |connection| thread::turns(&database, connection, &thread, &around, reach)).await
    }

    async fn actors(&self, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>> {
        let (database, namespaces) = (self.shared.database.clone(), namespaces.to_vec());
        self.read(move |connection| thread::actors(&database, connection, &namespaces, limit)).await
    }

    async fn histories(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Mark>>> {
        let (database, ids) = (self.shared.database.clone(), ids.to_vec());
        self.read(move |connection| load::histories(&database, connection, &ids)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Memory>> {
        let (database, query) = (self.shared.database.clone(), query.clone());
        self.read(move |connection| list::list(&database, connection, &query)).await
    }

    async fn namespaces(&self, prefix: &str, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceCount>> {
        let (database, prefix, after) = (self.shared.database.clone(), prefix.to_owned(), after.cloned());
        self.read(move |connection| namespaces(&database, connection, &prefix, after.as_ref(), limit)).await
    }

    /// Costs one row, and one pass over the names of namespaces.
    async fn counts(&self) -> Result<Counts> {
        let database = self.shared.database.clone();
        self.read(move |connection| counts(&database, connection)).await
    }

    async fn audit(&self, limit: usize) -> Result<Audit> {
        let database = self.shared.database.clone();
        self.read(move |connection| count::audit(&database, connection, limit)).await
    }

    async fn event(&self, event_id: EventId) -> Result<Option<StoredEvent>> {
        let database = self.shared.database.clone();
        self.read(move |connection| load::event(&database, connection, event_id)).await
    }
}

pub(super) fn scan(
    database: &Database,
    connection: &Connection,
    after: Option<MemoryId>,
    limit: usize,
) -> Result<Vec<State>> {
    let failing = database.failing("read");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // No id comes before an empty blob.
    let sql = format!("SELECT {STATE} FROM memories WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let after = after.map_or(Vec::new(), |id| id.0.as_bytes().to_vec());
    let mut rows = statement.query(rusqlite::params![after, limit]).map_err(&failing)?;
    let (mut states, mut bytes) = (Vec::new(), 0);
    while bytes < limits::PAGE_BYTES {
        let Some(row) = rows.next().map_err(&failing)? else { break };
        let state = row::state(database, row)?;
        bytes += state.content.as_ref().map_or(0, |content| json::weight(&content.payload));
        states.push(state);
    }
    Ok(states)
}

fn namespaces(
    database: &Database,
    connection: &Connection,
    prefix: &str,
    after: Option<&Namespace>,
    limit: usize,
) -> Result<Vec<NamespaceCount>> {
    let failing = database.failing("read");
    // Names with one prefix stand together, and SQLite orders bytes of UTF-8 as Rust does.
    let sql = "SELECT namespace, memories FROM namespaces WHERE namespace >= ?1 AND namespace > ?2 ORDER BY namespace";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows = statement.query([prefix, after.map_or("", Namespace::as_str)]).map_err(&failing)?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next().map_err(&failing)? else { break };
        let cells = Cells { database, row, table: "namespaces" };
        let Some(namespace) = cells.namespace(0)?.filter(|namespace| namespace.as_str().starts_with(prefix)) else {
            break;
        };
        found.push(NamespaceCount { namespace, memories: cells.count(1)? });
    }
    Ok(found)
}

pub(super) fn counts(database: &Database, connection: &Connection) -> Result<Counts> {
    let failing = database.failing("read");
    let sql = "SELECT memories, deleted, events, (SELECT count(*) FROM namespaces) FROM totals";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows = statement.query([]).map_err(&failing)?;
    let row = rows.next().map_err(&failing)?.ok_or_else(|| database.corrupt("the row of totals is missing"))?;
    let cells = Cells { database, row, table: "totals" };
    Ok(Counts {
        memories: cells.count(0)?,
        deleted: cells.count(1)?,
        events: cells.count(2)?,
        namespaces: cells.count(3)?,
    })
}
