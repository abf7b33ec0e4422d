//! Rows by id.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use soma_core::error::Result;
use soma_core::fold::{Entry, State, in_order};
use soma_core::ids::{EventId, MemoryId, Namespace};
use soma_core::store::{Loaded, Mark, StoredEvent};

use super::row::{self, Cells, ENTRY, MARK, STATE};
use crate::sqlite::Database;

pub(super) fn load(
    database: &Database,
    connection: &Connection,
    ids: &[MemoryId],
    events: &[EventId],
) -> Result<Loaded> {
    let states = states(database, connection, ids)?;
    let failing = database.failing("read");
    let mut known = connection.prepare_cached("SELECT 1 FROM memory_events WHERE event_id = ?1").map_err(&failing)?;
    let mut seen = HashSet::new();
    for event in events {
        if known.exists([event.0.as_bytes()]).map_err(&failing)? {
            seen.insert(*event);
        }
    }
    Ok(Loaded { states: states.into_iter().map(|state| (state.id, state)).collect(), seen })
}

/// Those that exist, in the order of `ids`.
pub(super) fn states(database: &Database, connection: &Connection, ids: &[MemoryId]) -> Result<Vec<State>> {
    let failing = database.failing("read");
    let sql = format!("SELECT {STATE} FROM memories WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let mut states = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query([id.0.as_bytes()]).map_err(&failing)?;
        if let Some(row) = rows.next().map_err(&failing)? {
            states.push(row::state(database, row)?);
        }
    }
    Ok(states)
}

/// The namespaces of those that exist.
pub(super) fn owners(
    database: &Database,
    connection: &Connection,
    ids: &[MemoryId],
) -> Result<HashMap<MemoryId, Option<Namespace>>> {
    let failing = database.failing("read");
    let sql = "SELECT id, namespace FROM memories WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut owners = HashMap::new();
    for id in ids {
        let mut rows = statement.query([id.0.as_bytes()]).map_err(&failing)?;
        if let Some(row) = rows.next().map_err(&failing)? {
            owners.insert(*id, Cells { database, row, table: "memories" }.namespace(1)?);
        }
    }
    Ok(owners)
}

/// In the order in which they were staged.
pub(super) fn entries(database: &Database, connection: &Connection, id: MemoryId) -> Result<Vec<Entry>> {
    let failing = database.failing("read");
    let sql = format!("SELECT {ENTRY} FROM memory_events WHERE id = ?1 ORDER BY arrival");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let mut rows = statement.query([id.0.as_bytes()]).map_err(&failing)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(&failing)? {
        entries.push(row::entry(database, row)?);
    }
    Ok(entries)
}

/// Each in the order in which it counts, without content.
pub(super) fn histories(
    database: &Database,
    connection: &Connection,
    ids: &[MemoryId],
) -> Result<HashMap<MemoryId, Vec<Mark>>> {
    let failing = database.failing("read");
    let sql = format!("SELECT {MARK} FROM memory_events WHERE id = ?1 ORDER BY arrival");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let mut histories = HashMap::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query([id.0.as_bytes()]).map_err(&failing)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(&failing)? {
            entries.push(row::entry(database, row)?);
        }
        // A memory has a row exactly when it has had an event.
        if !entries.is_empty() {
            histories.insert(*id, in_order(&entries).into_iter().map(Mark::from).collect());
        }
    }
    Ok(histories)
}

pub(super) fn event(database: &Database, connection: &Connection, id: EventId) -> Result<Option<StoredEvent>> {
    let failing = database.failing("read");
    let sql = format!("SELECT {ENTRY} FROM memory_events WHERE event_id = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let mut rows = statement.query([id.0.as_bytes()]).map_err(&failing)?;
    let Some(row) = rows.next().map_err(&failing)? else { return Ok(None) };
    let Entry { event, place } = row::entry(database, row)?;
    Ok(Some(StoredEvent { event, place }))
}
