//! The counts against the rows that they count.

use soma_core::ids::{EventId, MemoryId};
use soma_core::store::{Audit, Claim};
use uuid::Uuid;

use super::link::{Failure, Lease};
use super::read::limited;

type Done<T> = std::result::Result<T, Failure>;

/// What the rows say of each namespace; '' stands for none.
const THERE: &str = "SELECT namespace, sum(memories)::bigint AS memories, sum(deleted)::bigint AS deleted,
        sum(events)::bigint AS events
    FROM (SELECT coalesce(namespace, '') AS namespace, (payload IS NOT NULL AND namespace IS NOT NULL)::int AS memories,
              (kind = 'deleted')::int AS deleted, 0 AS events FROM memories
          UNION ALL SELECT coalesce(namespace, ''), 0, 0, 1 FROM memory_events) AS rows
    GROUP BY namespace";

pub(super) async fn audit(lease: &Lease, limit: usize) -> Done<Audit> {
    let limit = limited(limit);
    lease.snapshot().await?;
    let totals = format!(
        "WITH kept AS (SELECT coalesce(sum(memories), 0)::bigint AS memories, coalesce(sum(deleted), 0)::bigint AS deleted,
                           coalesce(sum(events), 0)::bigint AS events FROM memory_counts),
              there AS (SELECT coalesce(sum(memories), 0)::bigint AS memories, coalesce(sum(deleted), 0)::bigint AS deleted,
                           coalesce(sum(events), 0)::bigint AS events FROM ({THERE}) AS of)
         SELECT 'memories', k.memories, t.memories FROM kept k, there t WHERE k.memories <> t.memories UNION ALL
         SELECT 'deleted memories', k.deleted, t.deleted FROM kept k, there t WHERE k.deleted <> t.deleted UNION ALL
         SELECT 'events', k.events, t.events FROM kept k, there t WHERE k.events <> t.events LIMIT $1"
    );
    let namespaces = "SELECT 'memories of namespace ' || namespace, sum(kept)::bigint, sum(there)::bigint
         FROM (SELECT namespace, memories AS kept, 0::bigint AS there FROM memory_counts UNION ALL
               SELECT namespace, 0, count(*) FROM memories
               WHERE payload IS NOT NULL AND namespace IS NOT NULL GROUP BY namespace) AS sums
         GROUP BY namespace HAVING sum(kept) <> sum(there) ORDER BY namespace LIMIT $1";
    let mut miscounts = Vec::new();
    for sql in [totals.as_str(), namespaces] {
        let rows = lease.rows_of_all("compare the counts", sql, &[&limit]).await?;
        miscounts.extend(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))));
    }
    let ownerless = "SELECT DISTINCT e.id FROM memory_events e
        WHERE NOT EXISTS (SELECT FROM memories m WHERE m.id = e.id) ORDER BY e.id LIMIT $1";
    let rows = lease.rows_of_all("look for events without a memory", ownerless, &[&limit]).await?;
    lease.commit("end reading").await?;
    Ok(Audit { miscounts, ownerless: rows.iter().map(|row| MemoryId(row.get(0))).collect() })
}

/// Removes rows and histories, and these events wherever they are.
pub(super) async fn discard(lease: &Lease, claim: &Claim, ids: &[MemoryId], events: &[EventId]) -> Done<()> {
    let sql = "WITH rows AS (DELETE FROM memories WHERE id = ANY($1) RETURNING coalesce(namespace, '') AS namespace,
                   (payload IS NOT NULL AND namespace IS NOT NULL)::int AS memories, (kind = 'deleted')::int AS deleted),
               history AS (DELETE FROM memory_events WHERE id = ANY($1) OR event_id = ANY($2)
                   RETURNING coalesce(namespace, '') AS namespace)
               INSERT INTO memory_counts (namespace, log, partition, memories, deleted, events)
               SELECT namespace, $3, $4, -sum(memories), -sum(deleted), -sum(events)
               FROM (SELECT namespace, memories, deleted, 0 AS events FROM rows UNION ALL
                     SELECT namespace, 0, 0, 1 FROM history) AS gone GROUP BY namespace
               ON CONFLICT (namespace, log, partition) DO UPDATE SET memories = memory_counts.memories + excluded.memories,
                   deleted = memory_counts.deleted + excluded.deleted, events = memory_counts.events + excluded.events";
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let events: Vec<Uuid> = events.iter().map(|id| id.0).collect();
    let (log, partition) = (claim.log.as_str(), i64::from(claim.partition));
    lease.execute("discard what was damaged", sql, &[&ids, &events, &log, &partition]).await.map(drop)
}

/// Whoever has counted and not yet committed is waited for; whoever counts from here on adds to what is
/// counted now, without the rows that are not yet committed.
pub(super) async fn recount(lease: &Lease, claim: &Claim) -> Done<()> {
    let clear =
        "SET LOCAL enable_seqscan TO DEFAULT; LOCK TABLE memory_counts IN EXCLUSIVE MODE; DELETE FROM memory_counts";
    lease.batch("count anew", clear).await?;
    let sql = format!(
        "INSERT INTO memory_counts (namespace, log, partition, memories, deleted, events)
         SELECT namespace, $1, $2, memories, deleted, events FROM ({THERE}) AS there"
    );
    let (log, partition) = (claim.log.as_str(), i64::from(claim.partition));
    lease.rows_of_all("count anew", &sql, &[&log, &partition]).await.map(drop)
}
