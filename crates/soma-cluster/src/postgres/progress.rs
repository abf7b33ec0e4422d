//! How far projectors have come, for those who wait.
//!
//! The board mirrors the committed positions. Who commits here writes it afterwards; what others
//! commit is heard by [`super::listen`], which runs from the first wait on. A position only grows on
//! the board, so whoever it wakes reads what was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition, Position};
use soma_core::store::{PositionRow, Progress, ProjectorName};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::link::Address;
use super::schema::Schema;
use super::{Records, listen, position};

/// The longest text that a notification carries, in bytes.
const NOTICE_BYTES_MAX: usize = 7_900;

/// Whose position, in which partition of which log.
pub(super) type Key = (ProjectorName, LogId, Partition);

/// One position that was committed.
pub(super) struct Moved {
    pub(super) key: Key,
    pub(super) next: Offset,
}

/// The text of a notification; empty when it would be too long: then everything is read again.
pub(super) fn notice(moved: &Moved) -> String {
    let Moved { key: (projector, log, partition), next } = moved;
    let text = serde_json::json!([projector.as_str(), log.as_str(), partition, next]).to_string();
    if text.len() > NOTICE_BYTES_MAX { String::new() } else { text }
}

/// What [`notice`] wrote.
pub(super) fn read_notice(text: &str) -> Option<Moved> {
    let (projector, log, partition, next): (String, String, Partition, Offset) = serde_json::from_str(text).ok()?;
    Some(Moved { key: (ProjectorName::new(&projector), LogId::new(&log), partition), next })
}

/// What is known, and how often listening has failed.
#[derive(Default)]
struct Seen {
    positions: BTreeMap<Key, Offset>,
    failures: u64,
    why: String,
}

impl Seen {
    fn has(&self, projector: &ProjectorName, wanted: &Position) -> bool {
        wanted.0.iter().all(|((log, partition), next)| {
            let has = self.positions.get(&(projector.clone(), log.clone(), *partition));
            has.copied().unwrap_or(0) >= *next
        })
    }
}

/// What the board shares with the task that listens.
pub(super) struct Wall {
    pub(super) address: Address,
    pub(super) channel: String,
    pub(super) clock: Arc<dyn Clock>,
    seen: watch::Sender<Seen>,
    /// Whether the task runs.
    listening: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wall {
    /// Puts up what was told.
    pub(super) fn moved(&self, Moved { key, next }: Moved) {
        self.seen.send_modify(|seen| {
            let place = seen.positions.entry(key).or_default();
            *place = (*place).max(next);
        });
    }

    /// Puts up what was read.
    pub(super) fn all(&self, rows: Vec<PositionRow>) {
        for row in rows {
            self.moved(Moved { key: (row.projector, row.log, row.partition), next: row.next });
        }
    }

    /// The task has ended: whoever waits is told why.
    pub(super) fn ended(&self, why: &str) {
        let mut listening = lock(&self.listening);
        *listening = false;
        self.seen.send_modify(|seen| {
            seen.failures += 1;
            why.clone_into(&mut seen.why);
        });
    }
}

/// The committed positions, and the task that listens for them.
pub(super) struct Board {
    wall: Arc<Wall>,
    task: Mutex<Option<AbortHandle>>,
}

impl Board {
    pub(super) fn new(address: Address, schema: &Schema, clock: Arc<dyn Clock>) -> Self {
        let (channel, seen) = (schema.channel(), watch::Sender::default());
        let wall = Wall { address, channel, clock, seen, listening: Mutex::new(false) };
        Self { wall: Arc::new(wall), task: Mutex::new(None) }
    }

    pub(super) fn moved(&self, moved: Moved) {
        self.wall.moved(moved);
    }

    /// Sees to it that the task runs; tells how often it has failed so far.
    fn listen(&self) -> u64 {
        let mut listening = lock(&self.wall.listening);
        if !*listening {
            *listening = true;
            *lock(&self.task) = Some(listen::start(Arc::clone(&self.wall)));
        }
        self.wall.seen.borrow().failures
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

#[async_trait]
impl Progress for Records {
    async fn positions(&self) -> Result<Vec<PositionRow>> {
        let lease = self.shared.link.reader().await?;
        Ok(position::all(&lease).await?)
    }

    async fn reached(&self, projector: &ProjectorName, wanted: &Position) -> Result<()> {
        let board = &self.shared.board;
        let mut seen = board.wall.seen.subscribe();
        let failures = board.listen();
        let closing = |e| Error::new(Code::ShuttingDown, "the record store is closing").because(e);
        let seen =
            seen.wait_for(|seen| seen.has(projector, wanted) || seen.failures != failures).await.map_err(closing)?;
        if seen.has(projector, wanted) {
            return Ok(());
        }
        Err(Error::new(Code::Unavailable, format!("PostgreSQL tells nothing about positions: {}", seen.why)))
    }
}

#[cfg(test)]
mod tests;
