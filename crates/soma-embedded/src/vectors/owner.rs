//! The door to the thread that owns every write and every flush ([`super::worker`]), and what it shares with
//! the readers.

use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use soma_core::ids::MemoryId;
use soma_core::index::Op;
use tokio::sync::{mpsc, oneshot};

use super::collection::{Collection, Folder, Opened};
use super::packing::Packing;
use super::rarities::Rarities;
use super::worker::Worker;
use super::writes::{self, Run};

/// Calls that may wait for the owner.
const WAITING_MAX: usize = 16;

/// The open collection, shared with the readers.
#[derive(Default)]
pub(super) struct Shared {
    /// `None` before it is settled, and while it cannot be opened again.
    collection: RwLock<Option<Collection>>,
    /// Set once the owner has tried to open it.
    pub(super) settled: OnceLock<()>,
    /// Of the open collection.
    pub(super) rarities: Rarities,
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
    pub(super) fn replace(&self, collection: Option<Collection>) -> Option<Collection> {
        let before =
            std::mem::replace(&mut *self.collection.write().unwrap_or_else(PoisonError::into_inner), collection);
        self.rarities.forget();
        before
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
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Ops(ops) => ops.len(),
            Self::Purge(ids) => ids.len(),
        }
    }

    /// In the library's terms, in their order.
    pub(super) fn runs(&self) -> Vec<Run> {
        match self {
            Self::Ops(ops) => writes::runs(ops),
            Self::Purge(ids) => writes::purges(ids),
        }
    }
}

/// What the thread is told.
pub(super) enum Call {
    Change(Change, oneshot::Sender<Result<()>>),
    Flush(oneshot::Sender<Result<()>>),
    /// Packing is over. Only wakes the thread up.
    Packed,
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
        let mut worker = Worker::new(Arc::clone(&shared), dir, identity, packing, calls.downgrade());
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
