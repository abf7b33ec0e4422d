//! The thread that owns every write and every flush.
//!
//! qdrant-edge panics when a flush meets a write, and forgets what was not flushed when it has to be
//! opened again. So one thread does both, in order, and keeps the changes since the last flush:
//! after a failure it opens the folder anew, applies them again, and goes on. A caller that got an
//! error may repeat its call.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::Op;
use tokio::sync::{mpsc, oneshot};

use super::collection::{Collection, Folder, Opened, SPACE_MIN, space_left};
use super::failure::{self, contain};
use super::packing::Packing;
use super::writes;

/// Calls that may wait for the owner.
const WAITING_MAX: usize = 16;
/// Changes kept since the last flush; beyond it the owner flushes on its own.
const KEPT_MAX: usize = 8_000;

/// The open collection, shared with the readers.
#[derive(Default)]
pub(super) struct Shared {
    /// `None` before it is settled, and while it cannot be opened again.
    collection: RwLock<Option<Collection>>,
    /// Set once the owner has tried to open it.
    settled: OnceLock<()>,
}

impl Shared {
    /// Runs a read beside the owner. Blocks while the folder is being created.
    pub(super) fn read<T>(&self, dir: &Path, read: impl FnOnce(&Collection) -> Result<T>) -> Result<T> {
        self.settled.wait();
        let guard = self.collection.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map_or_else(
            || {
                Err(Error::new(
                    Code::Unavailable,
                    format!("the vector index in {} is closed after a failure", dir.display()),
                )
                .remedy("wait for the next write, which opens it again, or start again"))
            },
            read,
        )
    }

    /// Puts another collection there, waiting for the readers of the one before.
    fn replace(&self, collection: Option<Collection>) -> Option<Collection> {
        std::mem::replace(&mut *self.collection.write().unwrap_or_else(PoisonError::into_inner), collection)
    }
}

/// What the owner is asked to change.
pub(super) enum Change {
    /// Under the guard of `rev`.
    Ops(Vec<Op>),
    /// Whatever the `rev`.
    Purge(Vec<MemoryId>),
}

impl Change {
    const fn len(&self) -> usize {
        match self {
            Self::Ops(ops) => ops.len(),
            Self::Purge(ids) => ids.len(),
        }
    }
}

enum Call {
    Change(Change, oneshot::Sender<Result<()>>),
    Flush(oneshot::Sender<Result<()>>),
}

/// The door to the thread. Dropping it ends the thread, which flushes and closes the folder.
pub(super) struct Owner {
    calls: Option<mpsc::Sender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    /// Starts the thread. An index that is there is opened first; a fresh one is created by the thread,
    /// because that takes dozens of `fsync`s that nobody has to wait for.
    ///
    /// # Errors
    /// Those of [`Folder::claim`] and, for an index that is there, of [`Folder::open`].
    pub(super) fn start(dir: &Path, identity: &Identity, packing: Packing) -> Result<(Self, Arc<Shared>, Opened)> {
        let folder = Folder::claim(dir, identity)?;
        let opened = folder.opened();
        let shared = Arc::new(Shared::default());
        let (calls, receiver) = mpsc::channel(WAITING_MAX);
        let mut worker = Worker {
            shared: Arc::clone(&shared),
            dir: dir.to_owned(),
            identity: identity.clone(),
            packing,
            growing: 0,
            kept: Vec::new(),
            failed: false,
        };
        let fresh = match opened {
            Opened::Existing => {
                worker.settle(folder)?;
                None
            }
            Opened::Fresh => Some(folder),
        };
        let thread = std::thread::Builder::new().name("vectors".into()).spawn(move || worker.run(fresh, receiver));
        let thread = thread.map_err(|error| {
            Error::new(Code::Unavailable, "no thread can be started for the vector index").because(error)
        })?;
        Ok((Self { calls: Some(calls), thread: Some(thread) }, shared, opened))
    }

    /// Applies a change; returns when every search sees it.
    pub(super) async fn change(&self, change: Change) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Change(change, answer), answered).await
    }

    /// Makes every change so far durable.
    pub(super) async fn flush(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Flush(answer), answered).await
    }

    async fn call(&self, call: Call, answered: oneshot::Receiver<Result<()>>) -> Result<()> {
        let gone = || Error::new(Code::ShuttingDown, "the vector index is closed");
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.calls = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the vector index panicked while it closed");
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    dir: PathBuf,
    identity: Identity,
    packing: Packing,
    /// Changes that the growing segment has taken since it was last packed.
    growing: usize,
    /// Applied since the last flush.
    kept: Vec<Change>,
    /// The library failed: it refuses further changes until it is opened anew.
    failed: bool,
}

impl Worker {
    fn run(mut self, fresh: Option<Folder>, mut calls: mpsc::Receiver<Call>) {
        if let Some(Err(error)) = fresh.map(|folder| self.settle(folder)) {
            tracing::warn!(%error, "the vector index could not be created; the next write tries again");
        }
        while let Some(call) = calls.blocking_recv() {
            // Nobody waits for the answer of a call that was cancelled; its change stands.
            let _ = match call {
                Call::Change(change, answer) => answer.send(self.change(change)),
                Call::Flush(answer) => answer.send(self.flush()),
            };
            // Nobody has to wait for this with an answer that is ready.
            self.pack_if_due();
        }
        self.close();
    }

    fn settle(&mut self, folder: Folder) -> Result<()> {
        let opened = folder.open().map(|collection| self.shared.replace(Some(collection)));
        self.failed = opened.is_err();
        // Readers find the collection, or that there is none.
        let _ = self.shared.settled.set(());
        let taken = |collection: &Collection| contain(&self.dir, || Ok(Packing::taken(collection.shard())));
        self.growing = self.shared.read(&self.dir, taken).unwrap_or_default();
        opened.map(drop)
    }

    fn change(&mut self, change: Change) -> Result<()> {
        self.ready()?;
        self.applied(&change)?;
        self.growing += change.len();
        self.kept.push(change);
        if self.kept.iter().map(Change::len).sum::<usize>() > KEPT_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.ready()?;
        let flushed = self.shared.read(&self.dir, Collection::flush);
        self.failed = flushed.is_err();
        flushed?;
        self.kept.clear();
        Ok(())
    }

    /// Packs what has grown. Where there is no space for it the points stay where they are, and the next
    /// change tries again.
    fn pack_if_due(&mut self) {
        if self.failed || self.growing < self.packing.changes {
            return;
        }
        let dir = self.dir.clone();
        let packed = self.shared.read(&dir, |collection| collection.pack(self.packing));
        match packed {
            Ok(()) => self.growing = 0,
            Err(error) if error.code == Code::StorageFull => {
                tracing::warn!(%error, "the vector index is not packed: recall and writes become slower");
                self.growing = 0;
            }
            Err(error) => {
                tracing::warn!(%error, "the vector index could not be packed; the next write opens it again");
                self.failed = true;
            }
        }
    }

    /// Sees to it that the next change can be applied.
    fn ready(&mut self) -> Result<()> {
        if space_left(&self.dir).is_some_and(|bytes| bytes < SPACE_MIN) {
            return Err(failure::full(&self.dir));
        }
        if !self.failed {
            return Ok(());
        }
        self.close();
        self.settle(Folder::claim(&self.dir, &self.identity)?)?;
        let kept = std::mem::take(&mut self.kept);
        let again = kept.iter().try_for_each(|change| self.applied(change));
        self.kept = kept;
        again?;
        tracing::warn!(path = %self.dir.display(), "the vector index failed and was opened again; nothing is lost");
        Ok(())
    }

    fn applied(&mut self, change: &Change) -> Result<()> {
        let applied = self.shared.read(&self.dir, |collection| {
            contain(&self.dir, || match change {
                Change::Ops(ops) => writes::apply(collection.shard(), ops),
                Change::Purge(ids) => writes::purge(collection.shard(), ids),
            })
        });
        // A refused point leaves the library sound; any other failure does not.
        self.failed = applied.as_ref().is_err_and(|error| error.code != Code::StoreRejected);
        applied
    }

    /// Waits for the readers, then closes the folder. The library flushes as it is dropped.
    fn close(&mut self) {
        let collection = self.shared.replace(None);
        if let Err(error) = contain(&self.dir, || {
            drop(collection);
            Ok(())
        }) {
            tracing::warn!(%error, "the vector index could not be flushed while it closed");
        }
    }
}
