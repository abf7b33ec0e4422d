//! Threads that compute, each by itself.
//!
//! A batch of short texts makes narrow matrices. Shared out over the processors they take no less time than on
//! one, and twice the processor, because threads spend it on waiting for each other. So each batch is computed
//! by one thread, and as many batches at once as there are processors, up to eight.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The most threads: each takes memory for the batch that it computes.
const LANES_MAX: usize = 8;

/// As many threads as processors, up to [`LANES_MAX`].
pub(super) struct Lanes {
    count: usize,
    idle: Mutex<Vec<ThreadPool>>,
    free: Arc<Semaphore>,
    /// Where there are several lanes, documents leave one to questions.
    documents: Arc<Semaphore>,
}

/// The right to one lane.
pub(super) struct Turn {
    _free: OwnedSemaphorePermit,
    _document: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// # Errors
    /// `unavailable` when no thread can be started.
    pub(super) fn new() -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(LANES_MAX);
        // Whatever shares its work out in a pool of one thread does it there, one part after the other.
        let lane = |n| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("minilm-{n}")).build();
        let idle = (0..count).map(lane).collect::<Result<Vec<_>, _>>().map_err(|error| {
            let error = Error::new(Code::Unavailable, "no thread can be started for the model").because(error);
            error.remedy("let this process start more threads (ulimit -u, or pids.max of its container)")
        })?;
        let documents = Arc::new(Semaphore::new(count.saturating_sub(1).max(1)));
        Ok(Self { count, idle: Mutex::new(idle), free: Arc::new(Semaphore::new(count)), documents })
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Waits for a lane.
    pub(super) async fn turn(&self) -> Result<Turn, AcquireError> {
        Ok(Turn { _free: Arc::clone(&self.free).acquire_owned().await?, _document: None })
    }

    /// Waits for a lane that is not left to questions.
    pub(super) async fn document_turn(&self) -> Result<Turn, AcquireError> {
        let document = Arc::clone(&self.documents).acquire_owned().await?;
        Ok(Turn { _document: Some(document), ..self.turn().await? })
    }

    /// Computes on one thread; blocks meanwhile.
    pub(super) fn compute<T: Send>(&self, turn: Turn, work: impl FnOnce() -> T + Send) -> T {
        let lane = Lane { lanes: self, pool: self.take() };
        let made = match &lane.pool {
            Some(pool) => pool.install(work),
            // Never: there are as many turns as lanes.
            None => work(),
        };
        drop((lane, turn));
        made
    }

    fn take(&self) -> Option<ThreadPool> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A thread in use, given back also when the work on it panics.
struct Lane<'a> {
    lanes: &'a Lanes,
    pool: Option<ThreadPool>,
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.pool.take());
    }
}

#[cfg(test)]
mod tests;
