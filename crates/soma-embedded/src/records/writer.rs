//! The one connection that writes, and who holds it.
//!
//! Whoever writes holds the [`Pen`]; the others wait in the order in which they came. A record
//! transaction ([`Session`]) holds it from its begin to its end, across calls. Statements run on the
//! blocking threads of the runtime, and so does the rollback of what is dropped; the pen passes on
//! only after it.
//!
//! A claim ends the transaction of the partition's previous owner, and one that had waited for its
//! turn is refused: neither can keep the claim waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rusqlite::Connection;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition, Timestamp};
use soma_core::store::{Claim, Claimed, ProjectorName};
use tokio::sync::OwnedMutexGuard;

use super::position::{self, Standing};
use super::progress::{Board, Key, key};
use crate::sqlite::Database;

/// Pages of the WAL (4 KiB each) after which a commit writes it back into the file.
const WAL_PAGES: u32 = 4_000;
/// Memory for pages of the writing connection, in KiB.
const CACHE_KIB: i32 = 32 << 10;
/// How long a commit waits for readers of other connections; and how long a scrub does, which is
/// tried again.
const BUSY: Duration = Duration::from_secs(5);
/// See [`BUSY`].
const SCRUB_BUSY: Duration = Duration::from_millis(20);

/// The connection that writes.
pub(super) struct Pen {
    pub(super) connection: Connection,
    /// The last `rev` drawn: it does not go back when a transaction does.
    rev: u64,
}

impl Pen {
    /// Draws the next `rev`.
    pub(super) fn draw(&mut self) -> u64 {
        self.rev += 1;
        self.rev
    }
}

/// Who writes, and who waits for it.
pub(super) struct Writer {
    database: Database,
    pen: Arc<tokio::sync::Mutex<Pen>>,
    seats: Mutex<Seats>,
    board: Arc<Board>,
    /// Whether the WAL may hold content that was erased.
    erased: AtomicBool,
}

#[derive(Default)]
struct Seats {
    /// The record transaction that is open.
    open: Weak<Session>,
    /// The partitions that are being taken over.
    taking: Vec<Key>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs on a blocking thread; what `work` holds is released there even if nobody waits for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = |e| Error::new(Code::Internal, "a write ended unexpectedly").because(e);
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

/// Drops on a blocking thread if there is a runtime, else here.
pub(super) fn drop_aside<T: Send + 'static>(value: T) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(move || drop(value));
    }
}

impl Writer {
    pub(super) fn new(database: Database, connection: Connection, board: Arc<Board>) -> Result<Self> {
        let prepare = || {
            connection.pragma_update_and_check(None, "wal_autocheckpoint", WAL_PAGES, |_| Ok(()))?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.query_row("SELECT rev FROM totals", [], |row| row.get::<_, i64>(0))
        };
        let rev = prepare().map_err(database.failing("open"))?;
        let rev = u64::try_from(rev).map_err(|_| database.corrupt("its last rev is negative"))?;
        let pen = Arc::new(tokio::sync::Mutex::new(Pen { connection, rev }));
        // A process that ended between a commit that erased and its scrub left the WAL as it was.
        let erased = AtomicBool::new(true);
        Ok(Self { database, pen, seats: Mutex::default(), board, erased })
    }

    async fn take_pen(self: &Arc<Self>) -> Transaction {
        let pen = Arc::clone(&self.pen).lock_owned().await;
        Transaction { pen, writer: Arc::clone(self), erased: false }
    }

    /// Runs statements outside of any record transaction.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Pen, &Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut transaction = self.take_pen().await;
        blocking(move || {
            let database = transaction.writer.database.clone();
            work(&mut transaction.pen, &database)
        })
        .await
    }

    pub(super) async fn claim(
        self: &Arc<Self>,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Claimed> {
        let key: Key = (projector.clone(), log.clone(), partition);
        let _taking = self.take_over(key.clone()).await?;
        let board = Arc::clone(&self.board);
        self.run(move |pen, database| {
            let failing = database.failing("write to");
            pen.rev = pen.rev.max(u64::try_from(now.0).unwrap_or(0));
            let transaction = pen.connection.unchecked_transaction().map_err(&failing)?;
            let claimed = position::claim(database, &transaction, (&key.0, &key.1, key.2), now)?;
            save_rev(database, &transaction, pen.rev)?;
            transaction.commit().map_err(&failing)?;
            board.moved(key, claimed.next);
            Ok(claimed)
        })
        .await
    }

    /// Ends the transaction of the previous owner and keeps it from opening another one.
    async fn take_over(self: &Arc<Self>, key: Key) -> Result<Taking> {
        let previous = {
            let mut seats = lock(&self.seats);
            seats.taking.push(key.clone());
            seats.open.upgrade()
        };
        let taking = Taking { writer: Arc::clone(self), key };
        if let Some(session) = previous.filter(|session| super::progress::key(&session.claim) == taking.key) {
            blocking(move || {
                drop(lock(&session.transaction).take());
                Ok(())
            })
            .await?;
        }
        Ok(taking)
    }

    pub(super) async fn begin(self: &Arc<Self>, claim: &Claim) -> Result<Arc<Session>> {
        let transaction = self.take_pen().await;
        let claim = claim.clone();
        blocking(move || {
            let writer = Arc::clone(&transaction.writer);
            let connection = &transaction.pen.connection;
            connection.execute_batch("BEGIN IMMEDIATE").map_err(writer.database.failing("write to"))?;
            position::check(&writer.database, connection, &claim)?;
            let session = Arc::new(Session { claim, transaction: Mutex::new(Some(transaction)) });
            let mut seats = lock(&writer.seats);
            if seats.taking.contains(&key(&session.claim)) {
                return Err(position::fenced(&session.claim));
            }
            seats.open = Arc::downgrade(&session);
            drop(seats);
            Ok(session)
        })
        .await
    }

    /// Opens a transaction under the claim that stands. A takeover waits for it: it is not among the seats,
    /// where the owner would find it and write into it.
    pub(super) async fn mend(
        self: &Arc<Self>,
        projector: &ProjectorName,
        log: &LogId,
        partition: Partition,
    ) -> Result<(Arc<Session>, Standing)> {
        let transaction = self.take_pen().await;
        let (projector, log) = (projector.clone(), log.clone());
        blocking(move || {
            let writer = Arc::clone(&transaction.writer);
            let connection = &transaction.pen.connection;
            connection.execute_batch("BEGIN IMMEDIATE").map_err(writer.database.failing("write to"))?;
            let standing = position::standing(&writer.database, connection, (&projector, &log, partition))?;
            let claim = standing.claim.clone();
            Ok((Arc::new(Session { claim, transaction: Mutex::new(Some(transaction)) }), standing))
        })
        .await
    }

    /// Inside the claim's own transaction if one is open, so that its holder need not end it first.
    pub(super) async fn mark_indexed(self: &Arc<Self>, claim: &Claim, indexed: Offset) -> Result<()> {
        let open = lock(&self.seats).open.upgrade().filter(|session| session.claim == *claim);
        if let Some(session) = open {
            let marked = session.run(move |transaction, claim| {
                let database = &transaction.writer.database;
                position::mark_indexed(database, &transaction.pen.connection, claim, indexed)
            });
            match marked.await {
                // It has ended meanwhile.
                Err(e) if e.code == Code::Fenced => {}
                other => return other,
            }
        }
        let claim = claim.clone();
        self.run(move |pen, database| position::mark_indexed(database, &pen.connection, &claim, indexed)).await
    }

    /// Whether a scrub is due.
    pub(super) fn is_erased(&self) -> bool {
        self.erased.load(Ordering::Acquire)
    }

    pub(super) async fn scrub_now(self: &Arc<Self>) -> Result<bool> {
        let writer = Arc::clone(self);
        self.run(move |pen, _| writer.scrub(pen)).await
    }

    /// Scrubs if one is due and nobody writes; whoever does scrubs afterwards.
    pub(super) fn scrub_aside(self: &Arc<Self>) {
        if self.is_erased()
            && let Ok(pen) = Arc::clone(&self.pen).try_lock_owned()
        {
            drop_aside(Transaction { pen, writer: Arc::clone(self), erased: false });
        }
    }

    fn scrub(&self, pen: &Pen) -> Result<bool> {
        let checkpoint = || {
            pen.connection.busy_timeout(SCRUB_BUSY)?;
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy = pen.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            pen.connection.busy_timeout(BUSY)?;
            busy
        };
        let done = checkpoint().map_err(self.database.failing("write back the WAL of"))? == 0;
        if done {
            self.erased.store(false, Ordering::Release);
        }
        Ok(done)
    }
}

pub(super) fn save_rev(database: &Database, connection: &Connection, rev: u64) -> Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE totals SET rev = ?1").map_err(database.failing("write to"))?;
    statement.execute([super::row::integer(rev)?]).map(|_| ()).map_err(database.failing("write to"))
}

/// While it lives, no transaction of the partition can open.
struct Taking {
    writer: Arc<Writer>,
    key: Key,
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut seats = lock(&self.writer.seats);
        if let Some(at) = seats.taking.iter().position(|key| *key == self.key) {
            seats.taking.swap_remove(at);
        }
    }
}

/// The pen in somebody's hand. Passing it on rolls back what was not committed.
pub(super) struct Transaction {
    pub(super) pen: OwnedMutexGuard<Pen>,
    pub(super) writer: Arc<Writer>,
    /// Whether content was erased.
    pub(super) erased: bool,
}

impl Transaction {
    pub(super) fn database(&self) -> &Database {
        &self.writer.database
    }

    /// Commits, and tells those who wait that the position has moved.
    pub(super) fn commit(self, claim: &Claim, next: Offset) -> Result<()> {
        self.pen.connection.execute_batch("COMMIT").map_err(self.database().failing("write to"))?;
        self.writer.board.moved(key(claim), next);
        if self.erased {
            self.writer.erased.store(true, Ordering::Release);
        }
        if self.writer.is_erased() {
            // The caller need not wait for the scrub; the next one who writes does.
            drop_aside(self);
        }
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.pen.connection.is_autocommit()
            && let Err(e) = self.pen.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(error = %e, "a rollback of the record store failed; the next transaction fails too");
        }
        if self.writer.is_erased()
            && let Err(e) = self.writer.scrub(&self.pen)
        {
            tracing::warn!(error = %e, "the WAL of the record store still holds erased content");
        }
    }
}

/// One record transaction.
pub(super) struct Session {
    pub(super) claim: Claim,
    /// `None` once it has ended, whoever ended it.
    transaction: Mutex<Option<Transaction>>,
}

impl Session {
    /// Runs statements in the transaction; an error ends it.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Transaction, &Claim) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let session = Arc::clone(self);
        blocking(move || {
            let mut slot = lock(&session.transaction);
            let Some(transaction) = slot.as_mut() else { return Err(position::fenced(&session.claim)) };
            let result = work(transaction, &session.claim);
            if result.is_err() {
                *slot = None;
            }
            result
        })
        .await
    }

    /// Takes the transaction out, to end it.
    pub(super) fn take(&self) -> Option<Transaction> {
        lock(&self.transaction).take()
    }
}
