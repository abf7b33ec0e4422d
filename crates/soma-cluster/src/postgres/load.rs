//! Rows by id.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use soma_core::fold::{Entry, State, in_order};
use soma_core::ids::{EventId, MemoryId, Namespace};
use soma_core::store::{Loaded, Mark, StoredEvent};
use uuid::Uuid;

use super::link::{Failure, Lease};
use super::row::{self, Cells, ENTRY, MARK, STATE};

const SEEN: &str = "SELECT event_id FROM memory_events WHERE event_id = ANY($1)";
static LOCKED: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {STATE} FROM memories WHERE id = ANY($1) ORDER BY id FOR UPDATE"));

type Read<T> = std::result::Result<T, Failure>;

fn uuids(ids: &[MemoryId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

pub(super) async fn load(lease: &Lease, ids: &[MemoryId], events: &[EventId]) -> Read<Loaded> {
    lease.prepare("read memories", &[&LOCKED, SEEN]).await?;
    // Sent together, run in this order.
    let (states, seen) = tokio::join!(biased; locked(lease, ids), seen(lease, events));
    Ok(Loaded { states: states?, seen: seen? })
}

/// Those of the events that are there.
async fn seen(lease: &Lease, events: &[EventId]) -> Read<HashSet<EventId>> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    let events: Vec<Uuid> = events.iter().map(|id| id.0).collect();
    let rows = lease.rows("read events", SEEN, &[&events]).await?;
    Ok(rows.iter().map(|row| EventId(row.get(0))).collect())
}

/// Locks the rows that exist, in the order of their ids, so that no two transactions wait for each
/// other. Those that do not exist are held by their first event, see [`super::apply`].
pub(super) async fn locked(lease: &Lease, ids: &[MemoryId]) -> Read<HashMap<MemoryId, State>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = lease.rows("read memories", &LOCKED, &[&uuids(ids)]).await?;
    let states = rows.iter().map(|row| row::state(row).map(|state| (state.id, state)));
    Ok(states.collect::<soma_core::Result<_>>()?)
}

/// Those that exist.
pub(super) async fn states(lease: &Lease, ids: &[MemoryId]) -> Read<Vec<State>> {
    let sql = format!("SELECT {STATE} FROM memories WHERE id = ANY($1)");
    let rows = lease.rows("read memories", &sql, &[&uuids(ids)]).await?;
    Ok(rows.iter().map(row::state).collect::<soma_core::Result<_>>()?)
}

/// The namespaces of those that exist.
pub(super) async fn owners(lease: &Lease, ids: &[MemoryId]) -> Read<HashMap<MemoryId, Option<Namespace>>> {
    let sql = "SELECT id, namespace FROM memories WHERE id = ANY($1)";
    let rows = lease.rows("read memories", sql, &[&uuids(ids)]).await?;
    let owner = |row| {
        let cells = Cells { row, table: "memories" };
        Ok((MemoryId(cells.get(0)?), cells.namespace(1)?))
    };
    Ok(rows.iter().map(owner).collect::<soma_core::Result<_>>()?)
}

/// In the order in which they were staged.
pub(super) async fn entries(lease: &Lease, ids: &[MemoryId]) -> Read<HashMap<MemoryId, Vec<Entry>>> {
    let sql = format!("SELECT {ENTRY} FROM memory_events WHERE id = ANY($1) ORDER BY arrival");
    by_memory(lease, &sql, ids).await
}

/// Each in the order in which it counts, without content.
pub(super) async fn histories(lease: &Lease, ids: &[MemoryId]) -> Read<HashMap<MemoryId, Vec<Mark>>> {
    let sql = format!("SELECT {MARK} FROM memory_events WHERE id = ANY($1) ORDER BY arrival");
    let entries = by_memory(lease, &sql, ids).await?;
    let marks = |entries: &[Entry]| in_order(entries).into_iter().map(Mark::from).collect();
    Ok(entries.iter().map(|(id, entries)| (*id, marks(entries))).collect())
}

async fn by_memory(lease: &Lease, sql: &str, ids: &[MemoryId]) -> Read<HashMap<MemoryId, Vec<Entry>>> {
    let mut entries: HashMap<MemoryId, Vec<Entry>> = HashMap::with_capacity(ids.len());
    for row in lease.rows("read events", sql, &[&uuids(ids)]).await? {
        let entry = row::entry(&row)?;
        entries.entry(entry.event.id).or_default().push(entry);
    }
    Ok(entries)
}

pub(super) async fn event(lease: &Lease, id: EventId) -> Read<Option<StoredEvent>> {
    let sql = format!("SELECT {ENTRY} FROM memory_events WHERE event_id = $1");
    let rows = lease.rows("read an event", &sql, &[&id.0]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let Entry { event, place } = row::entry(row)?;
    Ok(Some(StoredEvent { event, place }))
}
