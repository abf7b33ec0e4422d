//! Turns of a thread, and who speaks in it.
//!
//! The columns `thread`, `seq`, `occurred_at` and `actor` are what [`Placed`] says of a live turn, and
//! NULL otherwise.

use std::collections::BTreeMap;

use soma_core::error::{Code, Error};
use soma_core::fold::State;
use soma_core::ids::Namespace;
use soma_core::thread::{Placed, Thread, TurnKey};
use uuid::Uuid;

use super::columns::seq;
use super::link::{Failure, Lease};
use super::read::limited;
use super::row::{self, Moment, STATE};
use super::schema::Schema;

/// How many threads a transaction locks one by one. The server's lock table is shared by everybody and
/// holds some thousands; who changes more threads than this at once locks all of them.
const LOCKS_MAX: usize = 256;

/// In the order of their keys, the same for everybody.
pub(super) async fn lock(lease: &Lease, schema: &Schema, threads: &[Thread]) -> Result<(), Failure> {
    if threads.is_empty() {
        return Ok(());
    }
    let what = "lock threads";
    let all = schema.threads_lock();
    if threads.len() > LOCKS_MAX {
        return lease.rows(what, "SELECT pg_advisory_xact_lock($1)", &[&all]).await.map(drop);
    }
    lease.rows(what, "SELECT pg_advisory_xact_lock_shared($1)", &[&all]).await?;
    let mut keys: Vec<i64> = threads.iter().map(|thread| schema.thread_lock(thread)).collect();
    keys.sort_unstable();
    keys.dedup();
    let sql = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS keys(key)";
    lease.rows(what, sql, &[&keys]).await.map(drop)
}

/// Those at each place and at most `reach` before and after it, in order.
pub(super) async fn turns(
    lease: &Lease,
    thread: &Thread,
    around: &[TurnKey],
    reach: usize,
) -> Result<Vec<State>, Failure> {
    if around.is_empty() {
        return Ok(Vec::new());
    }
    let here = "m.namespace = $1 AND m.thread = $2 AND (m.seq, m.occurred_at, m.id)";
    let sql = format!(
        "SELECT {STATE} FROM memories WHERE id = ANY(ARRAY(
             SELECT t.id FROM unnest($3::float8[], $4::timestamptz[], $5::uuid[]) AS k(seq, occurred_at, id)
             CROSS JOIN LATERAL (
                 (SELECT m.id FROM memories m WHERE {here} = (k.seq, k.occurred_at, k.id))
                 UNION ALL
                 (SELECT m.id FROM memories m WHERE {here} > (k.seq, k.occurred_at, k.id)
                  ORDER BY m.seq, m.occurred_at, m.id LIMIT $6)
                 UNION ALL
                 (SELECT m.id FROM memories m WHERE {here} < (k.seq, k.occurred_at, k.id)
                  ORDER BY m.seq DESC, m.occurred_at DESC, m.id DESC LIMIT $6)) AS t))"
    );
    let seqs: Vec<f64> = around.iter().map(seq).collect();
    let moments: Vec<Moment> = around.iter().map(|key| Moment(key.occurred_at)).collect();
    let ids: Vec<Uuid> = around.iter().map(|key| key.id.0).collect();
    let (namespace, reach) = (thread.namespace.as_str(), limited(reach));
    let rows = lease.rows("read a thread", &sql, &[&namespace, &thread.name, &seqs, &moments, &ids, &reach]).await?;
    let mut turns: BTreeMap<TurnKey, State> = BTreeMap::new();
    for row in &rows {
        let state = row::state(row)?;
        let placed = Placed::of(&state).filter(|placed| placed.thread == *thread);
        let wrong = || Error::new(Code::Corrupt, format!("memory {} stands in a wrong thread", state.id));
        turns.insert(placed.ok_or_else(wrong)?.key, state);
    }
    Ok(turns.into_values().collect())
}

/// From name to name along the index of each namespace.
pub(super) async fn actors(lease: &Lease, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>, Failure> {
    let sql = "SELECT DISTINCT f.actor FROM unnest($1::text[]) AS n(namespace) CROSS JOIN LATERAL (
                   WITH RECURSIVE found(actor, number) AS (
                       (SELECT m.actor, 1::bigint FROM memories m
                        WHERE m.namespace = n.namespace AND m.actor IS NOT NULL ORDER BY m.actor LIMIT 1)
                       UNION ALL
                       SELECT (SELECT m.actor FROM memories m WHERE m.namespace = n.namespace AND m.actor > found.actor
                               ORDER BY m.actor LIMIT 1), found.number + 1
                       FROM found WHERE found.actor IS NOT NULL AND found.number < $2)
                   SELECT found.actor FROM found WHERE found.actor IS NOT NULL) AS f
               ORDER BY f.actor LIMIT $2";
    let namespaces: Vec<&str> = namespaces.iter().map(Namespace::as_str).collect();
    let rows = lease.rows("read actors", sql, &[&namespaces, &limited(limit)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
