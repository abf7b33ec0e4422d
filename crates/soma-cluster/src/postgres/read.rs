//! Everybody else's side.

use std::collections::HashMap;

use async_trait::async_trait;
use soma_core::error::Result;
use soma_core::fold::State;
use soma_core::ids::{EventId, MemoryId, Namespace};
use soma_core::memory::Memory;
use soma_core::store::{Audit, Counts, ListQuery, Mark, NamespaceCount, Reading, StoredEvent};
use soma_core::thread::{Thread, TurnKey};
use soma_core::{json, limits};
use uuid::Uuid;

use super::link::{Failure, Lease};
use super::row::{self, Cells, STATE};
use super::{Records, count, list, load, thread};

/// Rows that are read at once: each may be as large as an event.
const CHUNK: usize = 128;

#[async_trait]
impl Reading for Records {
    async fn states(&self, ids: &[MemoryId]) -> Result<Vec<State>> {
        let lease = self.shared.link.reader().await?;
        Ok(load::states(&lease, ids).await?)
    }

    async fn owners(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Option<Namespace>>> {
        let lease = self.shared.link.reader().await?;
        Ok(load::owners(&lease, ids).await?)
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>> {
        let lease = self.shared.link.reader().await?;
        Ok(scan(&lease, after, limit).await?)
    }

    async fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        let lease = self.shared.link.reader().await?;
        Ok(thread::turns(&lease, thread, around, reach).await?)
    }

    async fn actors(&self, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>> {
        let lease = self.shared.link.reader().await?;
        Ok(thread::actors(&lease, namespaces, limit).await?)
    }

    async fn histories(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Mark>>> {
        let lease = self.shared.link.reader().await?;
        Ok(load::histories(&lease, ids).await?)
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Memory>> {
        let lease = self.shared.link.reader().await?;
        Ok(list::list(&lease, query).await?)
    }

    async fn namespaces(&self, prefix: &str, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceCount>> {
        let lease = self.shared.link.reader().await?;
        Ok(namespaces(&lease, prefix, after, limit).await?)
    }

    /// Costs one row for each namespace and partition.
    async fn counts(&self) -> Result<Counts> {
        let lease = self.shared.link.reader().await?;
        Ok(counts(&lease).await?)
    }

    async fn audit(&self, limit: usize) -> Result<Audit> {
        let lease = self.shared.link.reader().await?;
        Ok(count::audit(&lease, limit).await?)
    }

    async fn event(&self, event_id: EventId) -> Result<Option<StoredEvent>> {
        let lease = self.shared.link.reader().await?;
        Ok(load::event(&lease, event_id).await?)
    }
}

/// How many rows a statement is asked for.
pub(super) fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

async fn scan(lease: &Lease, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>, Failure> {
    let sql = format!("SELECT {STATE} FROM memories WHERE id >= $1 ORDER BY id LIMIT $2");
    let mut from = after.map_or(Some(Uuid::nil()), successor);
    lease.snapshot().await?;
    let (mut states, mut bytes): (Vec<State>, usize) = (Vec::new(), 0);
    'pages: while let Some(first) = from
        && states.len() < limit
    {
        let wanted = CHUNK.min(limit - states.len());
        let rows = lease.rows("read memories", &sql, &[&first, &limited(wanted)]).await?;
        for row in &rows {
            let state = row::state(row)?;
            bytes += state.content.as_ref().map_or(0, |content| json::weight(&content.payload));
            states.push(state);
            if bytes >= limits::PAGE_BYTES {
                break 'pages;
            }
        }
        if rows.len() < wanted {
            break;
        }
        from = states.last().and_then(|state| successor(state.id));
    }
    lease.commit("end reading").await?;
    Ok(states)
}

/// The smallest id that comes after this one.
fn successor(id: MemoryId) -> Option<Uuid> {
    id.0.as_u128().checked_add(1).map(Uuid::from_u128)
}

async fn namespaces(
    lease: &Lease,
    prefix: &str,
    after: Option<&Namespace>,
    limit: usize,
) -> Result<Vec<NamespaceCount>, Failure> {
    // Names with one prefix stand together: the collation orders bytes of UTF-8 as Rust does.
    let sql = "SELECT namespace, sum(memories)::bigint FROM memory_counts WHERE namespace >= $1 AND namespace > $2
               GROUP BY namespace HAVING sum(memories) > 0 ORDER BY namespace LIMIT $3";
    let after = after.map_or("", Namespace::as_str);
    let rows = lease.rows("read namespaces", sql, &[&prefix, &after, &limited(limit)]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let cells = Cells { row, table: "memory_counts" };
        let Some(namespace) = cells.namespace(0)?.filter(|namespace| namespace.as_str().starts_with(prefix)) else {
            break;
        };
        found.push(NamespaceCount { namespace, memories: cells.count(1)? });
    }
    Ok(found)
}

async fn counts(lease: &Lease) -> Result<Counts, Failure> {
    let sql = "SELECT coalesce(sum(memories), 0)::bigint, coalesce(sum(deleted), 0)::bigint,
                   coalesce(sum(events), 0)::bigint, count(*) FILTER (WHERE memories > 0)
               FROM (SELECT namespace, sum(memories) AS memories, sum(deleted) AS deleted, sum(events) AS events
                     FROM memory_counts GROUP BY namespace) AS sums";
    let rows = lease.rows("count", sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Counts::default()) };
    let cells = Cells { row, table: "memory_counts" };
    Ok(Counts {
        memories: cells.count(0)?,
        deleted: cells.count(1)?,
        events: cells.count(2)?,
        namespaces: cells.count(3)?,
    })
}
