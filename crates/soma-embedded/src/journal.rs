//! The event log in one SQLite file, `journal.db`.
//!
//! Invariants:
//!
//! - An append is answered after the `fsync` of its commit, and all or nothing. Appends that wait at
//!   the same time share a commit.
//! - Offsets are contiguous from 0, so a missing record is noticed. An offset that was acknowledged
//!   is never given to another record.
//! - Every record carries a checksum over all of it, verified whenever it is read.
//! - What was acknowledged is noted outside of the file (`tip`): a journal that lost its end is
//!   refused when it is opened, not continued.
//! - Nothing is acknowledged once the file is not under its name any more (`files`).
//! - An event id is held once. Key and event id of a record never change; its content does once, when
//!   it is erased.
//!
//! One thread writes (`writer`); reads run on a pool of connections beside it. It has one partition,
//! drops no records, and reads no event: what a value means is decided elsewhere.

mod beside;
mod erase;
mod files;
mod insert;
mod letters;
mod read;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod tip;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{EventId, LogId, MemoryId, Offset, Partition, Place};
use soma_core::limits;
use soma_core::log::{Appended, Bounds, DeadLetter, DeadLetters, Erasure, EventLog, NewRecord, ReadLimit, Record};
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;

pub use beside::Beside;
pub use read::Checked;

use crate::directory::DataDir;
use crate::sqlite::{Database, Readers};
use files::Files;
use read::Source;
use tip::{Tip, TipFile};
use writer::{Append, Counters, Request, Writer};

/// The journal's only partition.
const PARTITION: Partition = 0;
/// Bytes of the appends that may wait; beyond that, callers wait before they enter the queue.
const QUEUE_BYTES: usize = 64 << 20;
/// What an append counts for in the queue, however small it is: this bounds their number.
const QUEUE_ITEM_BYTES_MIN: usize = 64 << 10;
/// Other requests that may wait beside the appends.
const QUEUE_OTHERS: usize = 64;
/// Key and headers of one record together, in bytes.
const KEY_AND_HEADERS_BYTES_MAX: usize = 1 << 20;

/// What the journal has done since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Transactions, each with one `fsync`.
    pub commits: u64,
    /// Records appended.
    pub records: u64,
    /// Records that were not appended because their event id was known.
    pub duplicates: u64,
    /// Times that the WAL was written back into the file.
    pub checkpoints: u64,
}

/// The event log and the dead letters of one data directory.
pub struct Journal {
    source: Source,
    readers: Readers,
    requests: Option<SyncSender<Request>>,
    room: Arc<Semaphore>,
    published: watch::Receiver<Offset>,
    counters: Arc<Counters>,
    files: Arc<Files>,
    writer: Option<JoinHandle<()>>,
    closing: AtomicBool,
    /// Held so that the lock outlives the writer.
    _directory: DataDir,
}

impl Journal {
    /// Opens the journal of a directory, or makes it.
    ///
    /// # Errors
    /// `corrupt` when the file is damaged, foreign, or ends before what was acknowledged;
    /// `bad_config` when it can only be read; `format_too_new`, `storage_full`, `unavailable`.
    pub fn open(directory: &DataDir, clock: Arc<dyn Clock>) -> Result<Self> {
        let path = directory.journal();
        let noted = Tip::load(&tip_path(&path))?;
        if noted.is_some() && path.metadata().map_or(0, |file| file.len()) == 0 {
            return Err(lost(&path, "it is missing or empty"));
        }
        let crashed = wal_path(&path).metadata().is_ok_and(|wal| wal.len() > 0);
        let (database, mut connection) = Database::open(&path, &schema::KIND)?;
        let (log, changes) = identify(&database, &connection, clock.as_ref())?;
        let source = Source { database: database.clone(), log: log.clone() };
        let next = source.end(&connection)?;
        let tip = Tip { log_id: log_bytes(&database, &log)?, next, changes };
        if let Some(noted) = noted {
            compare(&path, &noted, &tip)?;
        }
        let mut tip_file = TipFile::open(&tip_path(&path))?;
        tip_file.note(&tip);

        let files = Arc::new(Files::of(&path)?);
        let counters = Arc::new(Counters::default());
        writer::watch_wal(&database, &mut connection, &counters)?;
        let (published, receiver) = watch::channel(next);
        let (sender, requests) = sync_channel(QUEUE_BYTES / QUEUE_ITEM_BYTES_MIN + QUEUE_OTHERS);
        // A WAL that was left behind may hold content that was erased before the crash.
        let scrub_since = crashed.then(|| clock.elapsed());
        let writer = Writer {
            database: database.clone(),
            connection,
            log,
            clock,
            tip,
            tip_file,
            published,
            counters: Arc::clone(&counters),
            files: Arc::clone(&files),
            checkpointed: 0,
            scrub_since,
        };
        let thread = std::thread::Builder::new().name("soma-journal".into()).spawn(move || writer.run(&requests));
        let thread =
            thread.map_err(|e| Error::new(Code::Unavailable, "cannot start the journal's writer").because(e))?;
        Ok(Self {
            source,
            readers: Readers::new(database),
            requests: Some(sender),
            room: Arc::new(Semaphore::new(QUEUE_BYTES)),
            published: receiver,
            counters,
            files,
            writer: Some(thread),
            closing: AtomicBool::new(false),
            _directory: directory.clone(),
        })
    }

    /// Finishes what is queued, writes the WAL back into the file and refuses everything afterwards.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`: nothing is lost, the WAL stays and is read at the next start.
    pub async fn close(&self) -> Result<()> {
        self.readers.close();
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Close { reply })?;
        self.closing.store(true, Ordering::Release);
        self.answer(answer).await
    }

    /// What the journal has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Counters { commits, records, duplicates, checkpoints, wal_pages: _ } = &*self.counters;
        Stats {
            commits: commits.load(Ordering::Relaxed),
            records: records.load(Ordering::Relaxed),
            duplicates: duplicates.load(Ordering::Relaxed),
            checkpoints: checkpoints.load(Ordering::Relaxed),
        }
    }

    /// Reads everything and verifies it; takes as long as reading the file.
    ///
    /// # Errors
    /// `corrupt` with the first damage found; `unavailable`.
    pub async fn check(&self) -> Result<Checked> {
        let (source, end) = (self.source.clone(), *self.published.borrow());
        self.readers.run(move |connection| source.check(connection, end)).await
    }

    /// Copies the journal, as it is at one moment, into a new file. Appends go on meanwhile.
    ///
    /// # Errors
    /// `bad_request` when the file exists or cannot be made; `storage_full`, `corrupt`, `unavailable`.
    pub async fn backup_to(&self, file: PathBuf) -> Result<()> {
        let source = self.source.clone();
        self.readers.run(move |connection| source.backup(connection, &file)).await
    }

    /// Lets the file grow to so many pages of 4 KiB and no further: appends beyond fail with
    /// `storage_full`, as they do on a full disk, until the limit is raised.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn limit_pages(&self, pages: u32) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::LimitPages { pages, reply })?;
        self.answer(answer).await
    }

    fn submit(&self, request: Request) -> Result<()> {
        // Appends have waited for room; the channel is full only of other requests.
        let Some(requests) = &self.requests else { return Err(self.gone()) };
        requests.try_send(request).map_err(|refused| match refused {
            std::sync::mpsc::TrySendError::Full(_) => {
                Error::new(Code::Unavailable, "the journal has too many requests waiting").remedy("try again")
            }
            std::sync::mpsc::TrySendError::Disconnected(_) => self.gone(),
        })
    }

    async fn answer<T>(&self, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    fn gone(&self) -> Error {
        if self.closing.load(Ordering::Acquire) {
            return Error::new(Code::ShuttingDown, "the journal is closing").remedy("try again after the restart");
        }
        Error::new(Code::Internal, "the journal's writer has ended").remedy("restart, and report this as a defect")
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // The lock of the directory must not be given up before the writer has ended.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl EventLog for Journal {
    fn id(&self) -> &LogId {
        &self.source.log
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = 0;
        for (index, record) in records.iter().enumerate() {
            bytes += size(record).map_err(|e| if records.len() > 1 { e.at(format!("[{index}]")) } else { e })?;
        }
        let cost = bytes.clamp(QUEUE_ITEM_BYTES_MIN, QUEUE_BYTES);
        let cost = u32::try_from(cost).expect("the queue is smaller than 4 GiB");
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await.map_err(|_| self.gone())?;
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Append(Append { records, bytes, reply, room }))?;
        self.answer(answer).await
    }

    async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        known(partition)?;
        let end = *self.published.borrow();
        if from >= end || limit.records == 0 {
            return Ok(Vec::new());
        }
        let source = self.source.clone();
        self.readers.run(move |connection| source.range(connection, from, end, limit)).await
    }

    async fn bounds(&self) -> Result<Vec<Bounds>> {
        self.files.check()?;
        Ok(vec![Bounds { partition: PARTITION, first: 0, next: *self.published.borrow() }])
    }

    async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        known(partition)?;
        let mut published = self.published.clone();
        published.wait_for(|next| *next > from).await.map_err(|_| self.gone())?;
        Ok(())
    }

    async fn erase(&self, partition: Partition, items: &[(MemoryId, Erasure)]) -> Result<()> {
        known(partition)?;
        if items.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Erase { items: items.to_vec(), reply })?;
        self.answer(answer).await
    }

    async fn find(&self, event_id: EventId) -> Result<Option<Record>> {
        let source = self.source.clone();
        self.readers.run(move |connection| source.find(connection, event_id.0.into_bytes())).await
    }
}

#[async_trait]
impl DeadLetters for Journal {
    async fn put(&self, letters: Vec<DeadLetter>) -> Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Put { letters, reply })?;
        self.answer(answer).await
    }

    async fn list(&self, after: Option<Place>, limit: usize) -> Result<Vec<DeadLetter>> {
        let database = self.source.database.clone();
        self.readers.run(move |connection| letters::list(&database, connection, after.as_ref(), limit)).await
    }

    async fn get(&self, source: &Place) -> Result<Option<DeadLetter>> {
        let (database, source) = (self.source.database.clone(), source.clone());
        self.readers.run(move |connection| letters::get(&database, connection, &source)).await
    }

    async fn count(&self) -> Result<u64> {
        let database = self.source.database.clone();
        self.readers.run(move |connection| letters::count(&database, connection)).await
    }
}

/// The bytes of a record, if they are within bounds: one caller's record must not be able to fail
/// the commit that it shares with others.
fn size(record: &NewRecord) -> Result<usize> {
    let refuse = |what: &str, bytes: usize, max: usize| {
        Err(Error::new(Code::TooLarge, format!("{what} of {bytes} bytes, at most {max} are allowed"))
            .remedy("split the memory, or leave part of it out"))
    };
    let value = record.value.as_ref().map_or(0, Vec::len);
    if value > limits::VALUE_BYTES_MAX {
        return refuse("the event has a value", value, limits::VALUE_BYTES_MAX);
    }
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let rest = record.key.as_ref().map_or(0, Vec::len) + headers;
    if rest > KEY_AND_HEADERS_BYTES_MAX {
        return refuse("the event has a key and headers", rest, KEY_AND_HEADERS_BYTES_MAX);
    }
    Ok(value + rest)
}

fn known(partition: Partition) -> Result<()> {
    if partition == PARTITION {
        return Ok(());
    }
    Err(Error::new(Code::Internal, format!("the journal has no partition {partition}, only {PARTITION}")))
}

/// The log's id, drawn once, and the number of changes.
fn identify(database: &Database, connection: &Connection, clock: &dyn Clock) -> Result<(LogId, u64)> {
    let failing = database.failing("open");
    let select = "SELECT log_id, changes FROM meta";
    let stored: Option<(String, u64)> =
        connection.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(&failing)?;
    if let Some((log, changes)) = stored {
        return Ok((LogId::new(&log), changes));
    }
    let drawn = uuid::Builder::from_random_bytes(clock.random()).into_uuid().to_string();
    connection.execute("INSERT INTO meta (id, log_id, changes) VALUES (1, ?1, 0)", [&drawn]).map_err(&failing)?;
    Ok((LogId::new(&drawn), 0))
}

fn log_bytes(database: &Database, log: &LogId) -> Result<[u8; 16]> {
    let id = Uuid::try_parse(log.as_str()).map_err(|e| database.corrupt("its id is not a UUID").because(e))?;
    Ok(id.into_bytes())
}

fn wal_path(journal: &Path) -> PathBuf {
    journal.with_extension("db-wal")
}

fn tip_path(journal: &Path) -> PathBuf {
    journal.with_extension("tip")
}

/// Whether the journal holds what was acknowledged.
fn compare(path: &Path, noted: &Tip, found: &Tip) -> Result<()> {
    if noted.log_id != found.log_id {
        return Err(lost(path, "it is another journal than the one that was here"));
    }
    if noted.next > found.next {
        let what = format!("it ends at offset {}, but {} records were acknowledged", found.next, noted.next);
        return Err(lost(path, &what));
    }
    if noted.changes > found.changes {
        return Err(lost(path, "its last erasures or dead letters are gone"));
    }
    Ok(())
}

fn lost(path: &Path, what: &str) -> Error {
    Error::new(Code::Corrupt, format!("the journal {} has lost data: {what}", path.display())).remedy(format!(
        "restore it together with its -wal file; to go on without what is lost, delete {}",
        tip_path(path).display()
    ))
}
