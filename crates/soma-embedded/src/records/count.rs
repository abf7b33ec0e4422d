//! The counts against the rows that they count.

use rusqlite::{Connection, Row};
use soma_core::error::Result;
use soma_core::ids::MemoryId;
use soma_core::store::Audit;
use uuid::Uuid;

use crate::sqlite::Database;

/// What the rows say, by the names of the columns of `totals`.
const TOTALS: &str = "SELECT
    (SELECT count(*) FROM memories WHERE payload IS NOT NULL AND namespace IS NOT NULL) AS memories,
    (SELECT count(*) FROM memories WHERE kind = 'deleted') AS deleted,
    (SELECT count(*) FROM memory_events) AS events";
/// What the rows say of each namespace.
const NAMESPACES: &str = "SELECT namespace, count(*) AS memories FROM memories
    WHERE payload IS NOT NULL AND namespace IS NOT NULL GROUP BY namespace";

pub(super) fn audit(database: &Database, connection: &Connection, limit: usize) -> Result<Audit> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let totals = format!(
        "WITH there AS ({TOTALS})
         SELECT 'memories', k.memories, t.memories FROM totals k, there t WHERE k.memories <> t.memories UNION ALL
         SELECT 'deleted memories', k.deleted, t.deleted FROM totals k, there t WHERE k.deleted <> t.deleted UNION ALL
         SELECT 'events', k.events, t.events FROM totals k, there t WHERE k.events <> t.events LIMIT ?1"
    );
    let namespaces = format!(
        "SELECT 'memories of namespace ' || namespace, sum(kept), sum(there) FROM (
             SELECT namespace, memories AS kept, 0 AS there FROM namespaces UNION ALL
             SELECT namespace, 0, memories FROM ({NAMESPACES}))
         GROUP BY namespace HAVING sum(kept) <> sum(there) ORDER BY namespace LIMIT ?1"
    );
    let miscount = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut miscounts: Vec<(String, i64, i64)> = all(database, connection, &totals, limit, miscount)?;
    miscounts.extend(all(database, connection, &namespaces, limit, miscount)?);
    let ownerless = "SELECT DISTINCT e.id FROM memory_events e
        WHERE NOT EXISTS (SELECT 1 FROM memories m WHERE m.id = e.id) ORDER BY e.id LIMIT ?1";
    let id = |row: &Row<'_>| Ok(MemoryId(Uuid::from_bytes(row.get(0)?)));
    Ok(Audit { miscounts, ownerless: all(database, connection, ownerless, limit, id)? })
}

fn all<T>(
    database: &Database,
    connection: &Connection,
    sql: &str,
    limit: i64,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let failing = database.failing("read");
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let rows = statement.query_map([limit], read).map_err(&failing)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failing)
}

pub(super) fn recount(database: &Database, connection: &Connection) -> Result<()> {
    let sql = format!(
        "UPDATE totals SET (memories, deleted, events) = ({TOTALS});
         DELETE FROM namespaces;
         INSERT INTO namespaces (namespace, memories) {NAMESPACES};"
    );
    connection.execute_batch(&sql).map_err(database.failing("write to"))
}
