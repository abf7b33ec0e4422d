//! Whether the loops of a process still move.
//!
//! What runs as long as the process (the projector of a partition, a thread that polls a client) holds a
//! [`Pulse`] and beats whenever it is run. A dependency that is away silences nobody: a port answers or
//! fails within a deadline of its own, and whoever waits on purpose wakes to beat ([`waiting`]). Silence is
//! a call that does neither, or a thread that is blocked: only a new start mends that
//! (`docs/decisions/0023-liveness.md`).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How often a loop beats at least while it waits on purpose.
pub const EVERY: Duration = Duration::from_secs(5);

/// The loops of a process. Clones show the same ones.
#[derive(Clone)]
pub struct Pulses(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    loops: Mutex<Loops>,
}

#[derive(Default)]
struct Loops {
    begun: u64,
    running: BTreeMap<u64, (String, Arc<AtomicU64>)>,
}

/// How long a loop has not beaten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Which one.
    pub name: String,
    /// Since its last beat.
    pub lasts: Duration,
}

impl Pulses {
    /// No loops yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared { clock, loops: Mutex::default() }))
    }

    /// A loop begins; it ends when the pulse is dropped.
    #[must_use]
    pub fn begin(&self, name: impl Into<String>) -> Pulse {
        let beaten = Arc::new(AtomicU64::new(self.0.now()));
        let mut loops = self.0.loops();
        loops.begun += 1;
        let number = loops.begun;
        loops.running.insert(number, (name.into(), Arc::clone(&beaten)));
        drop(loops);
        Pulse { shared: Arc::clone(&self.0), number, beaten }
    }

    /// How long each loop has not beaten, in the order of their names.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        let now = self.0.now();
        let lasts = |beaten: &AtomicU64| Duration::from_micros(now.saturating_sub(beaten.load(Ordering::Relaxed)));
        let loops = self.0.loops();
        let all = loops.running.values();
        let mut silences: Vec<Silence> =
            all.map(|(name, beaten)| Silence { name: name.clone(), lasts: lasts(beaten) }).collect();
        drop(loops);
        silences.sort_by(|a, b| a.name.cmp(&b.name));
        silences
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn loops(&self) -> MutexGuard<'_, Loops> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pulse of one loop.
pub struct Pulse {
    shared: Arc<Shared>,
    number: u64,
    beaten: Arc<AtomicU64>,
}

impl Pulse {
    /// The loop has been run.
    pub fn beat(&self) {
        self.beaten.store(self.shared.now(), Ordering::Relaxed);
    }

    /// Runs a loop that beats whenever it is polled, and ends with it.
    pub async fn keep<T>(self, run: impl Future<Output = T>) -> T {
        let mut run = pin!(run);
        poll_fn(|context| {
            self.beat();
            run.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.loops().running.remove(&self.number);
    }
}

/// Waits on purpose, for however long it takes: who waits is run every now and then, so that a loop goes on
/// beating.
pub async fn waiting<T>(clock: &dyn Clock, wait: impl Future<Output = T>) -> T {
    let mut wait = pin!(wait);
    loop {
        tokio::select! {
            biased;
            done = &mut wait => return done,
            () = clock.sleep(EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests;
