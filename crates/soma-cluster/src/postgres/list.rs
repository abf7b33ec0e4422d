//! Lists: memories in an order, page by page.
//!
//! Keys come first, along the index of the order in each namespace, a chunk at a time; then the rows
//! of that chunk, few at once, until the page is full by number or by bytes. The filter itself decides
//! about every row. All of it is read of one moment.

use std::collections::{BTreeSet, HashMap};

use soma_core::fold::State;
use soma_core::ids::{MemoryId, Namespace, Timestamp};
use soma_core::memory::Memory;
use soma_core::store::{ListKey, ListQuery, Order};
use soma_core::{json, limits};
use tokio_postgres::types::{ToSql, Type};

use super::link::{Failure, Lease};
use super::load;
use super::narrow::Narrow;
use super::read::limited;
use super::row::{Cells, Moment};

/// Keys that are read at once, at most and, with a filter, at least.
const KEYS: usize = 1_000;
const KEYS_FILTERED: usize = 256;
/// Rows that are read at once: each may be as large as an event.
const ROWS: usize = 64;

pub(super) async fn list(lease: &Lease, query: &ListQuery) -> Result<Vec<Memory>, Failure> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    // $1 are the namespaces, $2 is the number of keys, $3 and $4 are the place in the order.
    let narrow = Narrow::new(query.filter.as_ref(), 5);
    lease.snapshot().await?;
    let namespaces = match &query.namespaces {
        Some(namespaces) => namespaces.clone(),
        None => every_namespace(lease).await?,
    };
    let admitted: BTreeSet<&str> =
        namespaces.iter().map(Namespace::as_str).filter(|namespace| narrow.admits(namespace)).collect();
    let namespaces: Vec<&str> = admitted.into_iter().collect();
    let mut page = Page { found: Vec::new(), bytes: 0, query };
    let mut after = query.after.clone();
    let wanted = if query.filter.is_some() { query.limit.max(KEYS_FILTERED) } else { query.limit }.min(KEYS);
    while !namespaces.is_empty() {
        let keys = keys(lease, query.order, &namespaces, &narrow, (after.as_ref(), wanted)).await?;
        if page.take(lease, &keys).await? || keys.len() < wanted {
            break;
        }
        after = keys.into_iter().next_back();
    }
    lease.commit("end reading").await?;
    Ok(page.found)
}

async fn every_namespace(lease: &Lease) -> Result<Vec<Namespace>, Failure> {
    let sql = "SELECT namespace FROM memory_counts WHERE namespace <> '' GROUP BY namespace HAVING sum(memories) > 0";
    let rows = lease.rows("read namespaces", sql, &[]).await?;
    let names = rows.iter().map(|row| Cells { row, table: "memory_counts" }.namespace(0));
    Ok(names.filter_map(Result::transpose).collect::<soma_core::Result<_>>()?)
}

struct Page<'a> {
    found: Vec<Memory>,
    bytes: usize,
    query: &'a ListQuery,
}

impl Page<'_> {
    /// Adds what is selected of these, in their order; `true` when the page is full.
    async fn take(&mut self, lease: &Lease, keys: &[ListKey]) -> Result<bool, Failure> {
        for keys in keys.chunks(ROWS) {
            let ids: Vec<MemoryId> = keys.iter().map(|key| key.id).collect();
            let states = load::states(lease, &ids).await?;
            let mut memories: HashMap<MemoryId, Memory> =
                states.into_iter().filter_map(State::into_memory).map(|memory| (memory.id, memory)).collect();
            for memory in ids.iter().filter_map(|id| memories.remove(id)) {
                if self.query.filter.as_ref().is_some_and(|filter| !filter.matches(&memory)) {
                    continue;
                }
                self.bytes += json::weight(&memory.payload);
                self.found.push(memory);
                if self.found.len() >= self.query.limit || self.bytes >= limits::PAGE_BYTES {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The next keys of all these namespaces, merged.
async fn keys(
    lease: &Lease,
    order: Order,
    namespaces: &[&str],
    narrow: &Narrow<'_>,
    (after, wanted): (Option<&ListKey>, usize),
) -> Result<Vec<ListKey>, Failure> {
    let mut keys = Vec::new();
    for stretch in stretches(order, after) {
        let limit = limited(wanted - keys.len());
        let (first, second) = stretch.bounds;
        let sql = text(order, stretch.condition, &narrow.sql);
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&namespaces, Type::TEXT_ARRAY), (&limit, Type::INT8), (&*first.0, first.1), (&second, Type::UUID)];
        parameters.extend(narrow.parameters.iter().map(|(value, kind)| {
            let value: &(dyn ToSql + Sync) = &**value;
            (value, kind.clone())
        }));
        for row in &lease.rows_once("list memories", &sql, &parameters).await? {
            let cells = Cells { row, table: "memories" };
            let id = MemoryId(cells.get(0)?);
            keys.push(match order {
                Order::Newest | Order::Oldest => ListKey { id, updated_at: cells.time(1)?, importance: None },
                Order::Importance => ListKey { id, updated_at: Timestamp(0), importance: cells.get(1)? },
            });
        }
        if keys.len() >= wanted {
            break;
        }
    }
    Ok(keys)
}

fn text(order: Order, condition: &str, narrow: &str) -> String {
    let (column, by) = match order {
        Order::Newest => ("updated_at", "updated_at DESC"),
        Order::Oldest => ("updated_at", "updated_at"),
        Order::Importance => ("importance", "importance DESC NULLS LAST"),
    };
    format!(
        "SELECT k.id, k.{column} FROM unnest($1) AS n(namespace) CROSS JOIN LATERAL (
             SELECT m.id, m.{column} FROM memories m
             WHERE m.namespace = n.namespace AND m.payload IS NOT NULL{condition}{narrow}
             ORDER BY m.{by}, m.id LIMIT $2) AS k
         ORDER BY k.{by}, k.id LIMIT $2"
    )
}

/// A part of an order that lies in one piece in its index.
struct Stretch {
    /// Begins with `AND`; uses $3 and $4.
    condition: &'static str,
    /// $3 with its type, and $4.
    bounds: ((Box<dyn ToSql + Sync + Send>, Type), Option<uuid::Uuid>),
}

/// What follows `after`, in order.
fn stretches(order: Order, after: Option<&ListKey>) -> Vec<Stretch> {
    // Every text names both parameters, so that those of the filter keep their numbers.
    let Some(ListKey { updated_at, importance, id }) = after else {
        let none: Option<f64> = None;
        let condition = " AND $3::float8 IS NULL AND $4::uuid IS NULL";
        return vec![Stretch { condition, bounds: ((Box::new(none), Type::FLOAT8), None) }];
    };
    let number = |condition, bound: Option<f64>, id: Option<MemoryId>| Stretch {
        condition,
        bounds: ((Box::new(bound), Type::FLOAT8), id.map(|id| id.0)),
    };
    let time =
        |condition| Stretch { condition, bounds: ((Box::new(Moment(*updated_at)), Type::TIMESTAMPTZ), Some(id.0)) };
    match (order, importance) {
        (Order::Newest, _) => vec![time(" AND m.updated_at <= $3 AND (m.updated_at < $3 OR m.id > $4)")],
        (Order::Oldest, _) => vec![time(" AND m.updated_at >= $3 AND (m.updated_at > $3 OR m.id > $4)")],
        (Order::Importance, Some(importance)) => vec![
            number(" AND m.importance <= $3 AND (m.importance < $3 OR m.id > $4)", Some(*importance), Some(*id)),
            number(" AND m.importance IS NULL AND $3::float8 IS NULL AND $4::uuid IS NULL", None, None),
        ],
        (Order::Importance, None) => {
            vec![number(" AND m.importance IS NULL AND $3::float8 IS NULL AND m.id > $4", None, Some(*id))]
        }
    }
}
