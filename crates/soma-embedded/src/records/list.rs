//! Lists: memories in an order, page by page.
//!
//! One namespace after the other is read along the index of the order, keys first, until the page
//! is full, by number or by bytes, or the next key would not be on it. Nothing beyond one page of the
//! list and one of a namespace is kept, however many memories or namespaces there are.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use soma_core::error::Result;
use soma_core::ids::{MemoryId, Namespace, Timestamp};
use soma_core::memory::Memory;
use soma_core::store::{ListKey, ListQuery, Order};
use soma_core::{json, limits};
use uuid::Uuid;

use super::narrow::Narrow;
use super::row::{self, Cells, STATE};
use crate::sqlite::Database;

pub(super) fn list(database: &Database, connection: &Connection, query: &ListQuery) -> Result<Vec<Memory>> {
    // ?1 is the namespace, ?2 and ?3 the place in the order.
    let narrow = Narrow::new(query.filter.as_ref(), 4);
    let mut page = Page { database, connection, query, narrow, found: Vec::new(), walked_bytes: 0 };
    if query.limit == 0 {
        return Ok(page.found);
    }
    if let Some(namespaces) = &query.namespaces {
        for namespace in namespaces.iter().collect::<BTreeSet<_>>() {
            page.add(namespace)?;
        }
        return Ok(page.found);
    }
    let failing = database.failing("read");
    let mut statement =
        connection.prepare_cached("SELECT namespace FROM namespaces ORDER BY namespace").map_err(&failing)?;
    let mut rows = statement.query([]).map_err(&failing)?;
    while let Some(row) = rows.next().map_err(&failing)? {
        if let Some(namespace) = (Cells { database, row, table: "namespaces" }).namespace(0)? {
            page.add(&namespace)?;
        }
    }
    Ok(page.found)
}

struct Page<'a> {
    database: &'a Database,
    connection: &'a Connection,
    query: &'a ListQuery,
    narrow: Narrow<'a>,
    /// In order, at most a page.
    found: Vec<Memory>,
    /// What the namespace that is walked has added, by weight.
    walked_bytes: usize,
}

impl Page<'_> {
    /// Adds what this namespace has for the page.
    fn add(&mut self, namespace: &Namespace) -> Result<()> {
        if !self.narrow.admits(namespace.as_str()) {
            return Ok(());
        }
        let (order, limit) = (self.query.order, self.query.limit);
        let bytes: usize = self.found.iter().map(|memory| json::weight(&memory.payload)).sum();
        let full = self.found.len() >= limit || bytes >= limits::PAGE_BYTES;
        self.walked_bytes = 0;
        let last = self.found.last().filter(|_| full).map(key_of);
        let earlier = self.found.len();
        for stretch in stretches(order, self.query.after.as_ref()) {
            if !self.walk(namespace, &stretch, last.as_ref(), earlier + limit)? {
                break;
            }
        }
        if earlier > 0 && self.found.len() > earlier {
            self.found.sort_by(|a, b| compare(order, &key_of(a), &key_of(b)));
        }
        self.found.truncate(limit);
        self.found.truncate(json::page_len(self.found.iter().map(|memory| Some(&memory.payload))));
        Ok(())
    }

    /// Walks along the index; `false` when the page needs no more of this namespace.
    fn walk(&mut self, namespace: &Namespace, stretch: &Stretch, last: Option<&ListKey>, full: usize) -> Result<bool> {
        let database = self.database;
        let failing = database.failing("read");
        let order = self.query.order;
        let Stretch { condition, bounds } = stretch;
        let sql = text(order, condition, &self.narrow.sql);
        let mut keys = self.connection.prepare_cached(&sql).map_err(&failing)?;
        let row = format!("SELECT {STATE} FROM memories WHERE number = ?1");
        let mut content = self.connection.prepare_cached(&row).map_err(&failing)?;

        let [first, second] = bounds;
        let place = [SqlValue::Text(namespace.as_str().to_owned()), first.clone(), second.clone()];
        let used = place.into_iter().chain(self.narrow.params.iter().cloned());
        keys.clear_bindings();
        for (number, value) in used.enumerate().take(keys.parameter_count()) {
            keys.raw_bind_parameter(number + 1, value).map_err(&failing)?;
        }
        let mut rows = keys.raw_query();
        while let Some(row) = rows.next().map_err(&failing)? {
            let cells = Cells { database, row, table: "memories" };
            let id = MemoryId(cells.id(0)?);
            // Only what the order compares is read, so that sorting ties keeps no more.
            let key = match order {
                Order::Newest | Order::Oldest => ListKey { id, updated_at: Timestamp(cells.get(2)?), importance: None },
                Order::Importance => ListKey { id, updated_at: Timestamp(0), importance: cells.get(2)? },
            };
            if last.is_some_and(|last| compare(order, &key, last).is_ge()) {
                return Ok(false);
            }
            let mut found = content.query(params_from_iter([cells.get::<i64>(1)?])).map_err(&failing)?;
            let Some(row) = found.next().map_err(&failing)? else { continue };
            let Some(memory) = row::state(database, row)?.into_memory() else { continue };
            if self.query.filter.as_ref().is_none_or(|filter| filter.matches(&memory)) {
                self.walked_bytes += json::weight(&memory.payload);
                self.found.push(memory);
                if self.found.len() >= full || self.walked_bytes >= limits::PAGE_BYTES {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The keys of one namespace in order: id, row, and what the order compares.
fn text(order: Order, condition: &str, narrow: &str) -> String {
    let (column, by) = match order {
        Order::Newest => ("updated_at", "updated_at DESC, id"),
        Order::Oldest => ("updated_at", "updated_at, id"),
        Order::Importance => ("importance", "importance DESC, id"),
    };
    format!(
        "SELECT id, number, {column} FROM memories
         WHERE namespace = ?1 AND payload IS NOT NULL{condition}{narrow} ORDER BY {by}"
    )
}

/// A part of an order that lies in one piece in its index.
struct Stretch {
    /// Begins with `AND`; uses ?2 and ?3.
    condition: &'static str,
    /// ?2 and ?3.
    bounds: [SqlValue; 2],
}

/// What follows `after`, in order.
fn stretches(order: Order, after: Option<&ListKey>) -> Vec<Stretch> {
    // Every text names both parameters, so that those of the filter keep their numbers.
    let Some(ListKey { updated_at, importance, id }) = after else {
        return vec![Stretch { condition: " AND ?2 IS NULL AND ?3 IS NULL", bounds: [SqlValue::Null, SqlValue::Null] }];
    };
    let id = SqlValue::Blob(blob(id.0));
    let (time, none) = (SqlValue::Integer(updated_at.0), SqlValue::Null);
    let stretch =
        |condition, first: &SqlValue, second: &SqlValue| Stretch { condition, bounds: [first.clone(), second.clone()] };
    let same_time = stretch(" AND updated_at = ?2 AND id > ?3", &time, &id);
    match (order, importance) {
        (Order::Newest, _) => vec![same_time, stretch(" AND updated_at < ?2 AND ?3 IS NULL", &time, &none)],
        (Order::Oldest, _) => vec![same_time, stretch(" AND updated_at > ?2 AND ?3 IS NULL", &time, &none)],
        (Order::Importance, Some(importance)) => {
            let importance = SqlValue::Real(*importance);
            vec![
                stretch(" AND importance = ?2 AND id > ?3", &importance, &id),
                stretch(" AND importance < ?2 AND ?3 IS NULL", &importance, &none),
                stretch(" AND importance IS NULL AND ?2 IS NULL AND ?3 IS NULL", &none, &none),
            ]
        }
        (Order::Importance, None) => vec![stretch(" AND importance IS NULL AND ?2 IS NULL AND id > ?3", &none, &id)],
    }
}

fn blob(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn key_of(memory: &Memory) -> ListKey {
    ListKey { updated_at: memory.updated_at, importance: memory.importance, id: memory.id }
}

/// Where a list puts one memory before another.
fn compare(order: Order, a: &ListKey, b: &ListKey) -> Ordering {
    let first = match order {
        Order::Newest => Reverse(a.updated_at).cmp(&Reverse(b.updated_at)),
        Order::Oldest => a.updated_at.cmp(&b.updated_at),
        Order::Importance => match (a.importance, b.importance) {
            (Some(a), Some(b)) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
            (a, b) => b.is_some().cmp(&a.is_some()),
        },
    };
    first.then(a.id.cmp(&b.id))
}

/// Every text of an order without a filter, for the test of their plans.
#[cfg(test)]
pub(super) fn every_text(order: Order) -> Vec<String> {
    let key = |importance| ListKey { updated_at: Timestamp(0), importance, id: MemoryId(Uuid::nil()) };
    let starts = [None, Some(key(None)), Some(key(Some(1.0)))];
    let each = starts.iter().flat_map(|after| stretches(order, after.as_ref()));
    each.map(|stretch| text(order, stretch.condition, "")).collect()
}
