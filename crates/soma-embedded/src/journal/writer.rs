//! The one thread that writes the journal.
//!
//! Appends that wait while a commit runs share the next one, and its `fsync`; there is no delay to
//! collect more of them. Answers are sent after the commit, so the order is: durable, under its name,
//! noted in the tip, seen by readers and by those who wait, answered.
//!
//! A commit that fails fails the appends of its group and no others. A record that SQLite refuses
//! does not fail its neighbours: its group is repeated one append at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, MemoryId, Offset};
use soma_core::log::{Appended, DeadLetter, Erasure, NewRecord};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::files::Files;
use super::tip::{Tip, TipFile};
use super::{erase, insert, letters};
use crate::sqlite::Database;

/// Records of one commit, at most; a larger append is a commit of its own.
const GROUP_RECORDS: usize = 4_096;
/// Bytes of one commit, at most; a larger append is a commit of its own.
const GROUP_BYTES: usize = 8 << 20;
/// Pages by which the WAL grows before they are written back into the file.
const CHECKPOINT_PAGES: i64 = 1_000;
/// Pages of the WAL at which the writer waits for readers to write all of it back.
const WAL_PAGES_MAX: i64 = 8 * CHECKPOINT_PAGES;
/// An idle time after which erased content is removed from the WAL.
const SCRUB_IDLE: Duration = Duration::from_millis(100);
/// The longest that erased content stays in the WAL while the writer is busy.
const SCRUB_WITHIN: Duration = Duration::from_secs(2);

/// Where the answer to a request goes; nobody may be waiting for it any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer does for others.
pub(super) enum Request {
    Append(Append),
    Erase { items: Vec<(MemoryId, Erasure)>, reply: Reply<()> },
    Put { letters: Vec<DeadLetter>, reply: Reply<()> },
    LimitPages { pages: u32, reply: Reply<()> },
    Close { reply: Reply<()> },
}

/// Records to append together.
pub(super) struct Append {
    pub(super) records: Vec<NewRecord>,
    pub(super) bytes: usize,
    pub(super) reply: Reply<Vec<Appended>>,
    /// Room in the queue, given back when the append is done.
    pub(super) room: OwnedSemaphorePermit,
}

/// What the writer has done since the journal was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    /// Pages in the WAL after the last commit.
    pub(super) wal_pages: AtomicI64,
}

pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) connection: Connection,
    pub(super) log: LogId,
    pub(super) clock: Arc<dyn Clock>,
    /// What has been acknowledged.
    pub(super) tip: Tip,
    pub(super) tip_file: TipFile,
    pub(super) published: watch::Sender<Offset>,
    pub(super) counters: Arc<Counters>,
    pub(super) files: Arc<Files>,
    /// Pages of the WAL that have been written back.
    pub(super) checkpointed: i64,
    /// Since when the WAL holds erased content.
    pub(super) scrub_since: Option<Duration>,
}

impl Writer {
    /// Serves requests in their order until the last sender is gone or the journal is closed.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let closed = self.serve(requests);
        let finished = self.finish();
        if let Some(reply) = closed {
            let _ = reply.send(finished);
        } else if let Err(e) = finished {
            tracing::warn!(error = %e, "cannot write the journal's WAL back at the end");
        }
    }

    fn serve(&mut self, requests: &Receiver<Request>) -> Option<Reply<()>> {
        let mut carried = None;
        loop {
            let request = match carried.take() {
                Some(request) => request,
                None => match self.receive(requests) {
                    Ok(request) => request,
                    Err(RecvTimeoutError::Timeout) => {
                        self.scrub();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            };
            match request {
                Request::Append(first) => {
                    let (group, next) = gather(first, requests);
                    carried = next;
                    self.append(group);
                }
                Request::Erase { items, reply } => {
                    let result = self.change(|change| erase::erase(change, &items));
                    self.scrub_since.get_or_insert_with(|| self.clock.elapsed());
                    let _ = reply.send(result);
                }
                Request::Put { letters, reply } => {
                    let _ = reply.send(self.change(|change| letters::put(change, &letters)));
                }
                Request::LimitPages { pages, reply } => {
                    let _ = reply.send(self.limit_pages(pages));
                }
                Request::Close { reply } => return Some(reply),
            }
            self.write_back();
        }
    }

    fn receive(&self, requests: &Receiver<Request>) -> Result<Request, RecvTimeoutError> {
        match self.scrub_since {
            Some(_) => requests.recv_timeout(SCRUB_IDLE),
            None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn append(&mut self, group: Vec<Append>) {
        match self.commit(&group) {
            Ok(results) => answer(group, results),
            Err(e) if e.code == Code::StoreRejected && group.len() > 1 => {
                for alone in group {
                    self.append(vec![alone]);
                }
            }
            Err(e) => {
                for append in group {
                    let _ = append.reply.send(Err(repeat(&e)));
                }
            }
        }
    }

    /// One transaction for the whole group; the results of its appends in order.
    fn commit(&mut self, group: &[Append]) -> Result<Vec<Vec<Appended>>> {
        let now = self.clock.now();
        let acknowledged = self.tip.next;
        let (results, next) = self.transaction(|change| {
            let mut insert = insert::Insert::begin(change, now, acknowledged)?;
            let results: Result<Vec<_>> = group.iter().map(|append| insert.all(&append.records)).collect();
            Ok((results?, insert.next()))
        })?;
        let added = next - acknowledged;
        let duplicates = results.iter().flatten().filter(|a| matches!(a, Appended::Existing(_))).count();
        self.counters.records.fetch_add(added, Ordering::Relaxed);
        self.counters.duplicates.fetch_add(duplicates as u64, Ordering::Relaxed);
        self.acknowledge(Tip { next, ..self.tip });
        Ok(results)
    }

    /// A transaction that changes something else than the end of the log.
    fn change(&mut self, apply: impl FnOnce(&Change<'_>) -> Result<()>) -> Result<()> {
        let changes = self.transaction(|change| {
            apply(change)?;
            let failing = change.database.failing("write to");
            let counted = "UPDATE meta SET changes = changes + 1 RETURNING changes";
            change.connection.query_row(counted, [], |row| row.get::<_, u64>(0)).map_err(failing)
        })?;
        self.acknowledge(Tip { changes, ..self.tip });
        Ok(())
    }

    fn transaction<T>(&mut self, apply: impl FnOnce(&Change<'_>) -> Result<T>) -> Result<T> {
        self.files.check()?;
        // A rollback that failed leaves a transaction open; only a new connection is free of it.
        if !self.connection.is_autocommit() {
            self.connection = self.database.connect()?;
            watch_wal(&self.database, &mut self.connection, &self.counters)?;
        }
        let failing = self.database.failing("write to");
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failing)?;
        let change = Change { database: &self.database, connection: &transaction, log: &self.log };
        let result = apply(&change)?;
        transaction.commit().map_err(&failing)?;
        // What went into a file that is gone is not durable.
        self.files.check()?;
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(result)
    }

    fn acknowledge(&mut self, tip: Tip) {
        if tip != self.tip {
            self.tip_file.note(&tip);
            self.tip = tip;
            self.published.send_if_modified(|next| std::mem::replace(next, tip.next) != tip.next);
        }
    }

    fn limit_pages(&mut self, pages: u32) -> Result<()> {
        let limited = self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        limited.map_err(self.database.failing("limit"))
    }

    /// Keeps the WAL short, after the answers have been sent.
    fn write_back(&mut self) {
        if self.scrub_since.is_some_and(|since| self.clock.elapsed().saturating_sub(since) >= SCRUB_WITHIN) {
            return self.scrub();
        }
        let pages = self.counters.wal_pages.load(Ordering::Relaxed);
        if pages < self.checkpointed {
            // The WAL has begun anew.
            self.checkpointed = 0;
        }
        if pages - self.checkpointed >= CHECKPOINT_PAGES {
            let mode = if pages >= WAL_PAGES_MAX { "TRUNCATE" } else { "PASSIVE" };
            match self.checkpoint(mode) {
                Ok(done) => self.checkpointed = done,
                Err(e) => {
                    tracing::warn!(error = %e, "cannot write the journal's WAL back; it grows until that succeeds")
                }
            }
        }
    }

    /// Removes erased content from the WAL by emptying it.
    fn scrub(&mut self) {
        match self.checkpoint("TRUNCATE") {
            Ok(_) => self.scrub_since = None,
            Err(e) => {
                self.scrub_since = Some(self.clock.elapsed());
                tracing::warn!(error = %e, "erased content stays in the journal's WAL until it can be written back");
            }
        }
    }

    /// Writes the WAL back into the file; how many of its pages are done.
    fn checkpoint(&mut self, mode: &str) -> Result<i64> {
        let failing = self.database.failing("write back the WAL of");
        let (busy, _, done): (i64, i64, i64) = self
            .connection
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(failing)?;
        self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        if busy != 0 && mode != "PASSIVE" {
            return Err(Error::new(Code::Unavailable, "a reader holds on to the journal's WAL"));
        }
        if mode != "PASSIVE" {
            self.counters.wal_pages.store(0, Ordering::Relaxed);
        }
        Ok(done)
    }

    fn finish(mut self) -> Result<()> {
        self.checkpoint("TRUNCATE")?;
        self.connection.close().map_err(|(_, e)| self.database.error("close", e))
    }
}

/// An open transaction, and what is needed to name what fails in it.
pub(super) struct Change<'a> {
    pub(super) database: &'a Database,
    pub(super) connection: &'a Connection,
    pub(super) log: &'a LogId,
}

/// Has SQLite say after each commit how long the WAL is; this also replaces its own checkpoints.
pub(super) fn watch_wal(database: &Database, connection: &mut Connection, counters: &Arc<Counters>) -> Result<()> {
    let counters = Arc::clone(counters);
    let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
        counters.wal_pages.store(i64::from(pages), Ordering::Relaxed);
        Ok(())
    };
    connection.wal_hook(Some(hook)).map_err(database.failing("open"))
}

/// The appends that wait, within the bounds of a group, and the request that ended the group.
fn gather(first: Append, requests: &Receiver<Request>) -> (Vec<Append>, Option<Request>) {
    let (mut records, mut bytes) = (first.records.len(), first.bytes);
    let mut group = vec![first];
    while let Ok(request) = requests.try_recv() {
        let Request::Append(append) = request else { return (group, Some(request)) };
        records += append.records.len();
        bytes += append.bytes;
        if records > GROUP_RECORDS || bytes > GROUP_BYTES {
            return (group, Some(Request::Append(append)));
        }
        group.push(append);
    }
    (group, None)
}

fn answer(group: Vec<Append>, results: Vec<Vec<Appended>>) {
    for (append, result) in group.into_iter().zip(results) {
        let _ = append.reply.send(Ok(result));
        drop(append.room);
    }
}

/// The same error for one more caller.
fn repeat(error: &Error) -> Error {
    let Error { code, message, field, remedy, source } = error;
    let mut repeated = Error::new(*code, message.clone());
    (repeated.field, repeated.remedy) = (field.clone(), remedy.clone());
    match source {
        Some(source) => repeated.because(source.to_string()),
        None => repeated,
    }
}
