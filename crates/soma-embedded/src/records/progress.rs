//! How far projectors have come, for those who wait.
//!
//! The board mirrors the committed positions; it is written after the commit, so whoever it wakes
//! reads what was committed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition, Position};
use soma_core::store::{Claim, PositionRow, Progress, ProjectorName};
use tokio::sync::watch;

use super::{Records, position};

/// Whose position, in which partition of which log.
pub(super) type Key = (ProjectorName, LogId, Partition);

pub(super) fn key(claim: &Claim) -> Key {
    (claim.projector.clone(), claim.log.clone(), claim.partition)
}

pub(super) struct Board {
    next: watch::Sender<BTreeMap<Key, Offset>>,
}

impl Board {
    pub(super) fn new(rows: &[PositionRow]) -> Self {
        let next = rows.iter().map(|row| ((row.projector.clone(), row.log.clone(), row.partition), row.next));
        Self { next: watch::Sender::new(next.collect()) }
    }

    pub(super) fn moved(&self, key: Key, next: Offset) {
        self.next.send_modify(|positions| {
            positions.insert(key, next);
        });
    }
}

#[async_trait]
impl Progress for Records {
    async fn positions(&self) -> Result<Vec<PositionRow>> {
        let database = self.shared.database.clone();
        self.read(move |connection| position::all(&database, connection)).await
    }

    async fn reached(&self, projector: &ProjectorName, wanted: &Position) -> Result<()> {
        let mut board = self.shared.board.next.subscribe();
        let reached = board.wait_for(|positions| {
            wanted.0.iter().all(|((log, partition), next)| {
                let has = positions.get(&(projector.clone(), log.clone(), *partition));
                has.copied().unwrap_or(0) >= *next
            })
        });
        reached.await.map(|_| ()).map_err(|e| Error::new(Code::ShuttingDown, "the record store is closing").because(e))
    }
}
