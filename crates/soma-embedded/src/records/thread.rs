//! Turns of a thread, and who speaks in it.
//!
//! The columns `thread`, `seq`, `occurred_at` and `actor` are what [`Placed`] says of a live turn, and
//! NULL otherwise. A turn without a `seq` has an infinite one, so that places compare as rows do.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use soma_core::error::Result;
use soma_core::fold::State;
use soma_core::ids::{MemoryId, Namespace};
use soma_core::thread::{Placed, Thread, TurnKey};

use super::row::{self, STATE};
use crate::sqlite::Database;

/// Rows whose columns are filled at a time.
const PAGE: usize = 500;

/// Whether a turn stands at ?3, ?4, ?5.
const AT: &str = "SELECT 1 FROM memories
    WHERE namespace = ?1 AND thread = ?2 AND seq = ?3 AND occurred_at = ?4 AND id = ?5";
/// The rows of turns from ?3, ?4, ?5 on.
const FROM: &str = "SELECT number FROM memories
    WHERE namespace = ?1 AND thread = ?2 AND (seq, occurred_at, id) >= (?3, ?4, ?5)
    ORDER BY seq, occurred_at, id LIMIT ?6";
/// The rows of turns before ?3, ?4, ?5, the last first.
const BEFORE: &str = "SELECT number FROM memories
    WHERE namespace = ?1 AND thread = ?2 AND (seq, occurred_at, id) < (?3, ?4, ?5)
    ORDER BY seq DESC, occurred_at DESC, id DESC LIMIT ?6";
/// The first actor of a namespace after ?2.
const ACTOR: &str = "SELECT min(actor) FROM memories WHERE namespace = ?1 AND actor > ?2";

/// Every text, for the test of their plans.
#[cfg(test)]
pub(super) const TEXTS: [&str; 4] = [AT, FROM, BEFORE, ACTOR];

/// The column of a place.
pub(super) fn seq(key: &TurnKey) -> f64 {
    key.seq.unwrap_or(f64::INFINITY)
}

pub(super) fn turns(
    database: &Database,
    connection: &Connection,
    thread: &Thread,
    around: &[TurnKey],
    reach: usize,
) -> Result<Vec<State>> {
    let failing = database.failing("read");
    let reach = i64::try_from(reach).unwrap_or(i64::MAX);
    let mut numbers: BTreeSet<i64> = BTreeSet::new();
    for key in around {
        let (namespace, name) = (thread.namespace.as_str(), &thread.name);
        let there = connection
            .prepare_cached(AT)
            .and_then(|mut at| at.exists(params![namespace, name, seq(key), key.occurred_at.0, key.id.0.as_bytes()]))
            .map_err(&failing)?;
        let from = reach.saturating_add(i64::from(there));
        for (sql, limit) in [(FROM, from), (BEFORE, reach)] {
            let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
            let place = params![namespace, name, seq(key), key.occurred_at.0, key.id.0.as_bytes(), limit];
            let mut rows = statement.query(place).map_err(&failing)?;
            while let Some(row) = rows.next().map_err(&failing)? {
                numbers.insert(row.get(0).map_err(&failing)?);
            }
        }
    }
    let sql = format!("SELECT {STATE} FROM memories WHERE number = ?1");
    let mut statement = connection.prepare_cached(&sql).map_err(&failing)?;
    let mut turns: BTreeMap<TurnKey, State> = BTreeMap::new();
    for number in numbers {
        let mut rows = statement.query([number]).map_err(&failing)?;
        let Some(row) = rows.next().map_err(&failing)? else { continue };
        let state = row::state(database, row)?;
        let placed = Placed::of(&state).filter(|placed| placed.thread == *thread);
        let placed = placed.ok_or_else(|| database.corrupt(format!("memory {} stands in a wrong thread", state.id)))?;
        turns.insert(placed.key, state);
    }
    Ok(turns.into_values().collect())
}

pub(super) fn actors(
    database: &Database,
    connection: &Connection,
    namespaces: &[Namespace],
    limit: usize,
) -> Result<Vec<String>> {
    let failing = database.failing("read");
    let mut statement = connection.prepare_cached(ACTOR).map_err(&failing)?;
    let mut actors: BTreeSet<String> = BTreeSet::new();
    for namespace in namespaces {
        let mut last = String::new();
        for _ in 0..limit {
            let next = statement.query_row([namespace.as_str(), &last], |row| row.get::<_, Option<String>>(0));
            let Some(next) = next.optional().map_err(&failing)?.flatten() else { break };
            actors.insert(next.clone());
            last = next;
        }
    }
    Ok(actors.into_iter().take(limit).collect())
}

/// Fills the columns of rows that were written before there were any.
pub(super) fn fill(database: &Database, transaction: &Transaction<'_>) -> Result<()> {
    let failing = database.failing("upgrade");
    let mut after: Option<MemoryId> = None;
    loop {
        let states = super::read::scan(database, transaction, after, PAGE)?;
        let Some(last) = states.last() else { return Ok(()) };
        after = Some(last.id);
        let sql = "UPDATE memories SET thread = ?2, seq = ?3, occurred_at = ?4, actor = ?5 WHERE id = ?1";
        let mut statement = transaction.prepare_cached(sql).map_err(&failing)?;
        for Placed { thread, key, actor } in states.iter().filter_map(Placed::of) {
            let columns = params![key.id.0.as_bytes(), thread.name, seq(&key), key.occurred_at.0, actor];
            statement.execute(columns).map_err(&failing)?;
        }
    }
}
