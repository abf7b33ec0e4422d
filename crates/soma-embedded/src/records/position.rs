//! The rows of `positions`: claims, fences, and how far each projector has come.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Timestamp};
use soma_core::store::{Advance, Claim, Claimed, LastEvent, PositionRow, ProjectorName};

use super::row::{Cells, integer};
use crate::sqlite::Database;

pub(super) fn all(database: &Database, connection: &Connection) -> Result<Vec<PositionRow>> {
    let failing = database.failing("read");
    let sql = "SELECT projector, log, partition, next, indexed, updated_at FROM positions
               ORDER BY projector, log, partition";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows = statement.query([]).map_err(&failing)?;
    let mut positions = Vec::new();
    while let Some(row) = rows.next().map_err(&failing)? {
        let cells = cells(database, row);
        positions.push(PositionRow {
            projector: ProjectorName::new(&cells.get::<String>(0)?),
            log: cells.log(1)?,
            partition: cells.partition(2)?,
            next: cells.count(3)?,
            indexed: cells.count(4)?,
            updated_at: Timestamp(cells.get(5)?),
        });
    }
    Ok(positions)
}

fn cells<'a>(database: &'a Database, row: &'a Row<'a>) -> Cells<'a> {
    Cells { database, row, table: "positions" }
}

/// Draws the next epoch and reads the position in one statement.
pub(super) fn claim(
    database: &Database,
    connection: &Connection,
    (projector, log, partition): (&ProjectorName, &LogId, Partition),
    now: Timestamp,
) -> Result<Claimed> {
    let failing = database.failing("write to");
    let sql = "INSERT INTO positions (projector, log, partition, next, indexed, epoch, updated_at)
               VALUES (?1, ?2, ?3, 0, 0, 1, ?4)
               ON CONFLICT (projector, log, partition) DO UPDATE SET epoch = epoch + 1
               RETURNING next, indexed, epoch, last_offset, last_event_id";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows = statement.query(params![projector.as_str(), log.as_str(), partition, now.0]).map_err(&failing)?;
    let row = rows.next().map_err(&failing)?;
    let row = row.ok_or_else(|| Error::new(Code::Internal, "the claim of a partition returned no row"))?;
    let cells = cells(database, row);
    let last = match cells.get::<Option<[u8; 16]>>(4)? {
        Some(id) => Some(LastEvent { offset: cells.count(3)?, event_id: EventId(uuid::Uuid::from_bytes(id)) }),
        None => None,
    };
    let (next, indexed, epoch) = (cells.count(0)?, cells.count(1)?, cells.count(2)?);
    // The statement has its effect when it has run to its end.
    while rows.next().map_err(&failing)?.is_some() {}
    let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch };
    let rewritten = rewritten(database, connection, &claim)?;
    Ok(Claimed { claim, next, indexed, last, rewritten })
}

/// A claim that stands, and its position.
pub(super) struct Standing {
    pub(super) claim: Claim,
    pub(super) next: Offset,
    pub(super) last: Option<LastEvent>,
}

/// Who has the partition, and how far it has come.
pub(super) fn standing(
    database: &Database,
    connection: &Connection,
    (projector, log, partition): (&ProjectorName, &LogId, Partition),
) -> Result<Standing> {
    let failing = database.failing("read");
    let sql = "SELECT epoch, next, last_offset, last_event_id FROM positions
               WHERE projector = ?1 AND log = ?2 AND partition = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows = statement.query(params![projector.as_str(), log.as_str(), partition]).map_err(&failing)?;
    let row = rows.next().map_err(&failing)?.ok_or_else(|| {
        Error::new(Code::Unavailable, format!("no projector has taken partition {partition} of {log} yet"))
            .remedy("let a projector run")
    })?;
    let cells = cells(database, row);
    let last = match cells.get::<Option<[u8; 16]>>(3)? {
        Some(id) => Some(LastEvent { offset: cells.count(2)?, event_id: EventId(uuid::Uuid::from_bytes(id)) }),
        None => None,
    };
    let claim = Claim { projector: projector.clone(), log: log.clone(), partition, epoch: cells.count(0)? };
    Ok(Standing { claim, next: cells.count(1)?, last })
}

/// Notes whose points a batch rewrites beside those that it names.
pub(super) fn note_rewritten(
    database: &Database,
    connection: &Connection,
    claim: &Claim,
    (ids, next): (&[MemoryId], Offset),
) -> Result<()> {
    let failing = database.failing("write to");
    let sql = "INSERT INTO rewritten (projector, log, partition, next, ids) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let ids: Vec<u8> = ids.iter().flat_map(|id| *id.0.as_bytes()).collect();
    let key = (claim.projector.as_str(), claim.log.as_str(), claim.partition);
    statement.execute(params![key.0, key.1, key.2, integer(next)?, ids]).map(|_| ()).map_err(&failing)
}

/// All that is noted for a partition, ascending.
fn rewritten(database: &Database, connection: &Connection, claim: &Claim) -> Result<Vec<MemoryId>> {
    let failing = database.failing("read");
    let sql = "SELECT ids FROM rewritten WHERE projector = ?1 AND log = ?2 AND partition = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let mut rows =
        statement.query(params![claim.projector.as_str(), claim.log.as_str(), claim.partition]).map_err(&failing)?;
    let mut all = BTreeSet::new();
    while let Some(row) = rows.next().map_err(&failing)? {
        let bytes: Vec<u8> = row.get(0).map_err(&failing)?;
        let (ids, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(database.corrupt("a row of rewritten points is torn"));
        }
        all.extend(ids.iter().map(|id| MemoryId(uuid::Uuid::from_bytes(*id))));
    }
    Ok(all.into_iter().collect())
}

/// Fails when the claim's epoch has passed.
pub(super) fn check(database: &Database, connection: &Connection, claim: &Claim) -> Result<()> {
    let failing = database.failing("read");
    let sql = "SELECT epoch FROM positions WHERE projector = ?1 AND log = ?2 AND partition = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let key = params![claim.projector.as_str(), claim.log.as_str(), claim.partition];
    let epoch: Option<i64> = statement.query_row(key, |row| row.get(0)).optional().map_err(&failing)?;
    if epoch == Some(integer(claim.epoch)?) { Ok(()) } else { Err(fenced(claim)) }
}

/// Moves the position under a claim.
pub(super) fn advance(database: &Database, connection: &Connection, claim: &Claim, advance: &Advance) -> Result<()> {
    let failing = database.failing("write to");
    let sql = "UPDATE positions SET next = ?5, indexed = min(indexed, ?5), last_offset = ?6, last_event_id = ?7,
                   updated_at = ?8
               WHERE projector = ?1 AND log = ?2 AND partition = ?3 AND epoch = ?4";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let last = advance.last;
    let changed = statement.execute(params![
        claim.projector.as_str(),
        claim.log.as_str(),
        claim.partition,
        integer(claim.epoch)?,
        integer(advance.next)?,
        last.map(|last| integer(last.offset)).transpose()?,
        last.map(|last| *last.event_id.0.as_bytes()),
        advance.now.0,
    ]);
    if changed.map_err(&failing)? == 1 { Ok(()) } else { Err(fenced(claim)) }
}

/// Moves `indexed` forward under a claim.
pub(super) fn mark_indexed(database: &Database, connection: &Connection, claim: &Claim, indexed: Offset) -> Result<()> {
    let failing = database.failing("write to");
    let sql = "UPDATE positions SET indexed = max(indexed, min(?5, next))
               WHERE projector = ?1 AND log = ?2 AND partition = ?3 AND epoch = ?4";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    let key = (claim.projector.as_str(), claim.log.as_str(), claim.partition);
    let changed = statement.execute(params![key.0, key.1, key.2, integer(claim.epoch)?, integer(indexed)?]);
    if changed.map_err(&failing)? != 1 {
        return Err(fenced(claim));
    }
    // Those that a commit adds meanwhile lie beyond `next`, hence beyond every `indexed`.
    let sql = "DELETE FROM rewritten WHERE projector = ?1 AND log = ?2 AND partition = ?3 AND next <= ?4";
    let mut statement = connection.prepare_cached(sql).map_err(&failing)?;
    statement.execute(params![key.0, key.1, key.2, integer(indexed)?]).map(|_| ()).map_err(&failing)
}

pub(super) fn forget_indexed(database: &Database, connection: &Connection, projector: &ProjectorName) -> Result<()> {
    let sql = "UPDATE positions SET indexed = 0 WHERE projector = ?1";
    connection.execute(sql, [projector.as_str()]).map(|_| ()).map_err(database.failing("write to"))
}

pub(super) fn fenced(claim: &Claim) -> Error {
    let Claim { log, partition, epoch, .. } = claim;
    let message = format!("another projector has taken partition {partition} of {log} over since epoch {epoch}");
    Error::new(Code::Fenced, message).remedy("claim the partition again")
}
