//! The rows of `positions`: claims, fences, and how far each projector has come.

use soma_core::error::{Code, Error, Result};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Timestamp};
use soma_core::store::{Advance, Claim, Claimed, LastEvent, PositionRow, ProjectorName};
use tokio_postgres::Row;

use super::link::{Failure, Lease, Params};
use super::row::{Cells, Moment, integer};
use super::schema::{Schema, halves};

type Done<T> = std::result::Result<T, Failure>;

/// How long the end of a predecessor's session is waited for, in milliseconds.
const TERMINATION_MS: i64 = 5_000;
/// What is read for a waiter, in the order of [`PositionRow`].
pub(super) const POSITIONS: &str =
    "SELECT projector, log, partition, next, indexed, updated_at FROM positions ORDER BY projector, log, partition";

/// The columns of a partition, as a statement takes them.
struct Key<'a> {
    projector: &'a str,
    log: &'a str,
    partition: i64,
}

impl<'a> Key<'a> {
    fn of(claim: &'a Claim) -> Self {
        Self { projector: claim.projector.as_str(), log: claim.log.as_str(), partition: claim.partition.into() }
    }
}

pub(super) async fn all(lease: &Lease) -> Done<Vec<PositionRow>> {
    let rows = lease.rows("read positions", POSITIONS, &[]).await?;
    Ok(rows.iter().map(position).collect::<Result<_>>()?)
}

pub(super) fn position(row: &Row) -> Result<PositionRow> {
    let cells = Cells { row, table: "positions" };
    Ok(PositionRow {
        projector: ProjectorName::new(cells.get(0)?),
        log: cells.log(1)?,
        partition: cells.partition(2)?,
        next: cells.count(3)?,
        indexed: cells.count(4)?,
        updated_at: cells.time(5)?,
    })
}

/// Takes a partition over: `soma_claim` ends the session of its previous owner and draws the epoch.
///
/// The session is looked for again afterwards, because one with the old epoch may have begun
/// meanwhile; none can from here on.
pub(super) async fn claim(
    lease: &Lease,
    schema: &Schema,
    (projector, log, partition): (&ProjectorName, &LogId, Partition),
    now: Timestamp,
) -> Done<Claimed> {
    let sql = "SELECT next, indexed, epoch, last_offset, last_event_id FROM soma_claim($1, $2, $3, $4, $5, $6, $7, $8)";
    let locks = (
        schema.claim_lock(projector, log, partition),
        schema.partition_lock(projector, log, partition),
        schema.rev_lock(),
    );
    let key = (projector.as_str(), log.as_str(), i64::from(partition));
    let parameters: Params<'_> = &[&locks.0, &locks.1, &locks.2, &key.0, &key.1, &key.2, &Moment(now), &now.0];
    let rows = lease.rows("take a partition over", sql, parameters).await?;
    let row = rows.first().ok_or_else(|| Error::new(Code::Internal, "the claim of a partition returned no row"))?;
    let cells = Cells { row, table: "positions" };
    let last = match cells.get::<Option<uuid::Uuid>>(4)? {
        Some(id) => Some(LastEvent { offset: cells.count(3)?, event_id: EventId(id) }),
        None => None,
    };
    let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch: cells.count(2)? };
    let (next, indexed) = (cells.count(0)?, cells.count(1)?);
    end_stragglers(lease, schema, &claim).await?;
    let rewritten = rewritten(lease, &claim).await?;
    Ok(Claimed { claim, next, indexed, last, rewritten })
}

/// A claim that stands, and its position.
pub(super) struct Standing {
    pub(super) claim: Claim,
    pub(super) next: Offset,
    pub(super) last: Option<LastEvent>,
}

/// Opens a record transaction under the claim that stands, and holds the partition's lock: its owner
/// waits for it, and whoever takes the partition over ends it.
pub(super) async fn mend(
    lease: &Lease,
    schema: &Schema,
    (projector, log, partition): (&ProjectorName, &LogId, Partition),
) -> Done<Standing> {
    lease.begin("begin to mend records", &begin_text(schema.partition_lock(projector, log, partition))).await?;
    let sql = "SELECT epoch, next, last_offset, last_event_id FROM positions
               WHERE projector = $1 AND log = $2 AND partition = $3";
    let key = (projector.as_str(), log.as_str(), i64::from(partition));
    let rows = lease.rows("read a position", sql, &[&key.0, &key.1, &key.2]).await?;
    let row = rows.first().ok_or_else(|| {
        Error::new(Code::Unavailable, format!("no projector has taken partition {partition} of {log} yet"))
            .remedy("let a projector run")
    })?;
    let cells = Cells { row, table: "positions" };
    let last = match cells.get::<Option<uuid::Uuid>>(3)? {
        Some(id) => Some(LastEvent { offset: cells.count(2)?, event_id: EventId(id) }),
        None => None,
    };
    let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch: cells.count(0)? };
    Ok(Standing { claim, next: cells.count(1)?, last })
}

/// Its statements find rows by their keys. A table that was small when the server last looked at it would be
/// read as a whole by plans that are kept, until it looks again.
fn begin_text(lock: i64) -> String {
    format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'; SET LOCAL lock_timeout = '5s';
         SET LOCAL enable_seqscan = off; SELECT pg_advisory_xact_lock({lock})"
    )
}

/// All that is noted for a partition, ascending.
async fn rewritten(lease: &Lease, claim: &Claim) -> Done<Vec<MemoryId>> {
    let sql = "SELECT DISTINCT unnest(ids) AS id FROM rewritten
               WHERE projector = $1 AND log = $2 AND partition = $3 ORDER BY id";
    let Key { projector, log, partition } = Key::of(claim);
    let rows = lease.rows("read what was rewritten", sql, &[&projector, &log, &partition]).await?;
    Ok(rows.iter().map(|row| MemoryId(row.get(0))).collect())
}

/// Notes whose points a batch rewrites beside those that it names.
pub(super) async fn note_rewritten(lease: &Lease, claim: &Claim, ids: &[MemoryId], next: Offset) -> Done<()> {
    let sql = "INSERT INTO rewritten (projector, log, partition, next, ids) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (projector, log, partition, next) DO UPDATE SET ids = rewritten.ids || excluded.ids";
    let Key { projector, log, partition } = Key::of(claim);
    let (next, ids) = (integer(next)?, ids.iter().map(|id| id.0).collect::<Vec<_>>());
    lease.execute("note what is rewritten", sql, &[&projector, &log, &partition, &next, &ids]).await.map(drop)
}

/// Ends the session that holds the partition's lock, while the claim is the latest: its own successor
/// is spared.
async fn end_stragglers(lease: &Lease, schema: &Schema, claim: &Claim) -> Done<()> {
    let sql = "SELECT pg_terminate_backend(l.pid, $3) FROM pg_locks l
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND l.classid = $1 AND l.objid = $2
                   AND EXISTS (SELECT FROM positions WHERE projector = $4 AND log = $5 AND partition = $6 AND epoch = $7)";
    let (upper, lower) = halves(schema.partition_lock(&claim.projector, &claim.log, claim.partition));
    let Key { projector, log, partition } = Key::of(claim);
    let epoch = integer(claim.epoch)?;
    let what = "end the session of the partition's previous owner";
    let parameters: Params<'_> = &[&upper, &lower, &TERMINATION_MS, &projector, &log, &partition, &epoch];
    match lease.rows(what, sql, parameters).await {
        // Then its locks last until its idle timeout; the epoch fences it all the same.
        Err(failure) if !failure.lost && failure.error.message.contains("SQLSTATE 42501") => {
            tracing::warn!(error = %failure.error, "a predecessor's session goes on until its idle timeout");
            Ok(())
        }
        ended => ended.map(drop),
    }
}

/// Opens a record transaction under a claim and holds the partition's lock.
pub(super) async fn begin(lease: &Lease, schema: &Schema, claim: &Claim) -> Done<()> {
    let lock = schema.partition_lock(&claim.projector, &claim.log, claim.partition);
    let sql = begin_text(lock);
    // Sent together: the position is read when the lock is held.
    let (begun, latest) =
        tokio::join!(biased; lease.begin("begin a record transaction", &sql), is_latest(lease, claim));
    begun?;
    if latest? { Ok(()) } else { Err(fenced(claim).into()) }
}

/// Whether nobody has claimed the partition since, once whoever is just claiming it has done so.
pub(super) async fn is_kept(lease: &Lease, schema: &Schema, claim: &Claim) -> Done<bool> {
    let lock = schema.claim_lock(&claim.projector, &claim.log, claim.partition);
    let sql = format!("BEGIN; SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock_shared({lock})");
    lease.begin("look for another owner", &sql).await?;
    let kept = is_latest(lease, claim).await?;
    lease.commit("look for another owner").await?;
    Ok(kept)
}

async fn is_latest(lease: &Lease, claim: &Claim) -> Done<bool> {
    let sql = "SELECT epoch FROM positions WHERE projector = $1 AND log = $2 AND partition = $3";
    let Key { projector, log, partition } = Key::of(claim);
    let rows = lease.rows("read a position", sql, &[&projector, &log, &partition]).await?;
    let epoch = integer(claim.epoch)?;
    Ok(rows.first().is_some_and(|row| row.get::<_, i64>(0) == epoch))
}

/// Moves the position under a claim and tells those who listen, both with the commit.
pub(super) async fn advance(lease: &Lease, claim: &Claim, advance: &Advance, notice: (&str, &str)) -> Done<()> {
    let sql = "UPDATE positions SET next = $5, indexed = least(indexed, $5), last_offset = $6, last_event_id = $7,
                   updated_at = $8
               WHERE projector = $1 AND log = $2 AND partition = $3 AND epoch = $4
               RETURNING pg_notify($9, $10)";
    let Key { projector, log, partition } = Key::of(claim);
    let (epoch, next) = (integer(claim.epoch)?, integer(advance.next)?);
    let offset = advance.last.map(|last| integer(last.offset)).transpose()?;
    let event = advance.last.map(|last| last.event_id.0);
    let (now, (channel, text)) = (Moment(advance.now), notice);
    let parameters: Params<'_> = &[&projector, &log, &partition, &epoch, &next, &offset, &event, &now, &channel, &text];
    if lease.rows("move a position", sql, parameters).await?.len() == 1 { Ok(()) } else { Err(fenced(claim).into()) }
}

/// Moves `indexed` forward under a claim, and forgets what was noted up to there.
pub(super) async fn mark_indexed(lease: &Lease, claim: &Claim, indexed: Offset) -> Done<()> {
    let sql = "WITH marked AS (UPDATE positions SET indexed = greatest(indexed, least($5, next))
                   WHERE projector = $1 AND log = $2 AND partition = $3 AND epoch = $4 RETURNING indexed),
               forgotten AS (DELETE FROM rewritten r USING marked m
                   WHERE r.projector = $1 AND r.log = $2 AND r.partition = $3 AND r.next <= m.indexed)
               SELECT FROM marked";
    let Key { projector, log, partition } = Key::of(claim);
    let (epoch, indexed) = (integer(claim.epoch)?, integer(indexed)?);
    let marked = lease.rows("mark what is indexed", sql, &[&projector, &log, &partition, &epoch, &indexed]).await?;
    if marked.len() == 1 { Ok(()) } else { Err(fenced(claim).into()) }
}

pub(super) async fn forget_indexed(lease: &Lease, projector: &ProjectorName) -> Done<()> {
    let sql = "UPDATE positions SET indexed = 0 WHERE projector = $1";
    lease.execute("forget what is indexed", sql, &[&projector.as_str()]).await.map(drop)
}

pub(super) fn fenced(claim: &Claim) -> Error {
    let Claim { log, partition, epoch, .. } = claim;
    let message = format!("another projector has taken partition {partition} of {log} over since epoch {epoch}");
    Error::new(Code::Fenced, message).remedy("claim the partition again")
}
