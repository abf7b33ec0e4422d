//! The thread that owns every write and every flush.
//!
//! qdrant-edge panics when a flush meets a write, and forgets what was not flushed when it has to be
//! opened again. So one thread does both, in order, and keeps the changes since the last flush:
//! after a failure it opens the folder anew, applies them again, and goes on. A caller that got an
//! error may repeat its call.
//!
//! Points are packed in another thread, beside the writes. Before it begins everything is flushed, and
//! after it has ended again; a flush in between only notes the changes ([`super::redo`]), because what
//! packing still has to remove would not be durable. A kill therefore finds the files as they were
//! flushed last, packed or not, and the notes; and perhaps points twice, which is noticed ([`super::copies`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use soma_core::embed::Identity;
use soma_core::error::{Code, Error, Result};
use tokio::sync::mpsc;

use super::collection::{Collection, Folder, Opened, SPACE_MIN, io_error, space_left};
use super::copies;
use super::failure::{self, contain};
use super::owner::{Call, Change, Shared};
use super::packing::{Packing, Plan};
use super::redo::{self, Redo};
use super::writes;

/// Changes kept since the last flush; beyond it the thread flushes on its own.
const KEPT_MAX: usize = 8_000;
/// Bytes noted beside packing; beyond it a flush waits for packing, so that writers do not outrun it.
const NOTED_MAX: u64 = 256 << 20;

/// The thread's state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    dir: PathBuf,
    identity: Identity,
    packing: Packing,
    /// By which packing says that it is over.
    wake: mpsc::WeakSender<Call>,
    /// Changes that the growing segment has taken since it was last packed.
    growing: usize,
    /// Applied since the last flush.
    kept: Vec<Change>,
    /// Flushed since packing began; `None` while there is no collection.
    redo: Option<Redo>,
    packer: Option<Packer>,
    /// The library failed: it refuses further changes until it is opened anew.
    failed: bool,
}

/// Packing that goes on.
struct Packer {
    thread: JoinHandle<Result<()>>,
    done: Arc<AtomicBool>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        dir: &Path,
        identity: &Identity,
        packing: Packing,
        wake: mpsc::WeakSender<Call>,
    ) -> Self {
        Self {
            shared,
            dir: dir.to_owned(),
            identity: identity.clone(),
            packing,
            wake,
            growing: 0,
            kept: Vec::new(),
            redo: None,
            packer: None,
            failed: false,
        }
    }

    /// Answers calls until there are no more callers, then closes the folder.
    pub(super) fn run(mut self, fresh: Option<Folder>, mut calls: mpsc::Receiver<Call>) {
        if let Some(Err(error)) = fresh.map(|folder| self.settle(folder)) {
            tracing::warn!(%error, "the vector index could not be created; the next write tries again");
        }
        while let Some(call) = calls.blocking_recv() {
            // Nobody waits for the answer of a call that was cancelled; its change stands.
            let _ = match call {
                Call::Change(change, answer) => answer.send(self.change(change)),
                Call::Flush(answer) => answer.send(self.flush()),
                Call::Packed => Ok(()),
            };
            // Nobody has to wait for this with an answer that is ready.
            if self.packer.as_ref().is_some_and(|packer| packer.done.load(Ordering::Acquire)) {
                self.end_packing();
            }
            self.pack_if_due();
        }
        self.end_packing();
        self.close();
    }

    /// Opens the folder, and applies what was flushed beside packing that never ended.
    pub(super) fn settle(&mut self, folder: Folder) -> Result<()> {
        let opened = self.opened(folder).map(|(collection, redo)| {
            self.growing = contain(&self.dir, || Ok(Packing::taken(collection.shard()))).unwrap_or_default();
            self.redo = Some(redo);
            self.shared.replace(Some(collection))
        });
        self.failed = opened.is_err();
        // Readers find the collection, or that there is none.
        let _ = self.shared.settled.set(());
        opened.map(drop)
    }

    fn opened(&self, folder: Folder) -> Result<(Collection, Redo)> {
        let dir = &self.dir;
        if folder.opened() == Opened::Fresh {
            copies::end(dir).and_then(|()| redo::remove(dir)).map_err(|error| io_error(dir, error))?;
        }
        let cut_off = copies::suspected(dir);
        let collection = folder.open(self.packing)?;
        let mut redo = Redo::open(dir).map_err(|error| io_error(dir, error))?;
        if !redo.is_empty() {
            redo.replay(|error| io_error(dir, error), |run| contain(dir, || writes::apply(collection.shard(), run)))?;
        }
        if cut_off {
            let removed = contain(dir, || copies::remove(collection.shard()))?;
            if removed > 0 {
                tracing::info!(points = removed, "packing had been cut off: points that stood twice stand once again");
            }
        }
        if cut_off || !redo.is_empty() {
            collection.flush()?;
            redo.clear().map_err(|error| io_error(dir, error))?;
            copies::end(dir).map_err(|error| io_error(dir, error))?;
        }
        Ok((collection, redo))
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
        if self.packer.is_some() { self.note() } else { self.flush_files() }
    }

    /// Makes the kept changes durable beside packing.
    fn note(&mut self) -> Result<()> {
        let Some(redo) = &mut self.redo else {
            return Err(Error::new(Code::Internal, "the vector index has no file for notes"));
        };
        if redo.bytes() > NOTED_MAX {
            self.end_packing();
            self.ready()?;
            return self.flush_files();
        }
        let runs: Vec<_> = self.kept.iter().flat_map(Change::runs).collect();
        let room = space_left(&self.dir).map(|bytes| bytes.saturating_sub(SPACE_MIN));
        redo.append(&runs, room).map_err(|error| io_error(&self.dir, error))?;
        self.kept.clear();
        Ok(())
    }

    fn flush_files(&mut self) -> Result<()> {
        let flushed = self.shared.read(&self.dir, Collection::flush);
        let flushed = flushed.and_then(|()| match &mut self.redo {
            Some(redo) => redo.clear().map_err(|error| io_error(&self.dir, error)),
            None => Ok(()),
        });
        self.failed = flushed.is_err();
        flushed?;
        self.kept.clear();
        Ok(())
    }

    /// Begins to pack what has grown. Where there is no space for it the points stay where they are, and a
    /// later change tries again.
    fn pack_if_due(&mut self) {
        if self.failed || self.packer.is_some() || self.growing < self.packing.changes {
            return;
        }
        self.growing = 0;
        match self.shared.read(&self.dir, Collection::plan) {
            Ok(plan) => self.pack(plan),
            Err(error) if error.code == Code::StorageFull => {
                tracing::warn!(%error, "the vector index is not packed: recall and writes become slower");
            }
            Err(error) => self.not_packed(&error),
        }
    }

    fn pack(&mut self, plan: Plan) {
        let begun = self.flush_files().and_then(|()| copies::begin(&self.dir).map_err(|e| io_error(&self.dir, e)));
        if let Err(error) = begun {
            return self.not_packed(&error);
        }
        let (shared, dir, wake) = (Arc::clone(&self.shared), self.dir.clone(), self.wake.clone());
        let done = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("packing".into()).spawn(move || {
            let packed = shared.read(&dir, |collection| collection.pack(&plan));
            over.store(true, Ordering::Release);
            // Where calls wait, the thread looks for itself after each; where nobody calls any more, it waits.
            let _ = wake.upgrade().map(|calls| calls.try_send(Call::Packed));
            packed
        });
        match thread {
            Ok(thread) => self.packer = Some(Packer { thread, done }),
            Err(error) => tracing::warn!(%error, "no thread can be started to pack the vector index"),
        }
    }

    /// Waits for packing to end, and makes durable what it left and what was written beside it.
    fn end_packing(&mut self) {
        let Some(packer) = self.packer.take() else { return };
        let panicked = || Error::new(Code::Internal, "the thread that packs the vector index panicked");
        let packed = packer.thread.join().unwrap_or_else(|_| Err(panicked()));
        // What was removed before is counted no more.
        self.shared.rarities.forget();
        if self.failed {
            return;
        }
        let ended = packed.and_then(|()| self.flush_files());
        let ended = ended.and_then(|()| copies::end(&self.dir).map_err(|error| io_error(&self.dir, error)));
        if let Err(error) = ended {
            self.not_packed(&error);
        }
    }

    /// The library may have forgotten what was removed meanwhile.
    fn not_packed(&mut self, error: &Error) {
        tracing::warn!(%error, "the vector index could not be packed; the next write opens it again");
        self.failed = true;
    }

    /// Sees to it that the next change can be applied.
    fn ready(&mut self) -> Result<()> {
        if space_left(&self.dir).is_some_and(|bytes| bytes < SPACE_MIN) {
            return Err(failure::full(&self.dir));
        }
        if !self.failed {
            return Ok(());
        }
        self.end_packing();
        self.close();
        self.settle(Folder::claim(&self.dir, &self.identity)?)?;
        // If it was packing that failed, it is not tried again at once.
        self.growing = 0;
        let kept = std::mem::take(&mut self.kept);
        let again = kept.iter().try_for_each(|change| self.applied(change));
        self.kept = kept;
        again?;
        tracing::warn!(path = %self.dir.display(), "the vector index failed and was opened again; nothing is lost");
        Ok(())
    }

    fn applied(&mut self, change: &Change) -> Result<()> {
        let applied = self.shared.read(&self.dir, |collection| {
            contain(&self.dir, || change.runs().into_iter().try_for_each(|run| writes::apply(collection.shard(), run)))
        });
        self.shared.rarities.forget();
        // A refused point leaves the library sound; any other failure does not.
        self.failed = applied.as_ref().is_err_and(|error| error.code != Code::StoreRejected);
        applied
    }

    /// Waits for the readers, then closes the folder. The library flushes as it is dropped.
    fn close(&mut self) {
        self.redo = None;
        let collection = self.shared.replace(None);
        if let Err(error) = contain(&self.dir, || {
            drop(collection);
            Ok(())
        }) {
            tracing::warn!(%error, "the vector index could not be flushed while it closed");
        }
    }
}
