//! Ports that fail as they are told: before or after the effect of a call, for good or for a while.
//!
//! One [`Faults`] stands for one process. Every port that the process uses is wrapped with it, so
//! each call is a place where the process may be killed, suspended, or told an error. What the
//! wrapped ports hold survives the process.

mod index;
mod log;
mod store;

use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use soma_core::error::{Code, Error, Result};
use soma_core::ids::EventId;
use soma_core::testing::clock::pause;

pub use index::{Embedding, Index};
pub use log::{Letters, Log};
pub use store::Store;

/// What becomes of one call of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes through.
    Pass,
    /// The port answers with an error, and nothing has happened.
    FailBefore(Code),
    /// The port answers with an error, and yet it has happened.
    FailAfter(Code),
    /// The process dies before the call has an effect.
    CrashBefore,
    /// The process dies before it learns of the effect.
    CrashAfter,
    /// The process is suspended before the call, until [`Faults::release`].
    Suspend,
}

/// How a process stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    #[default]
    Running,
    /// It died: drop it.
    Dead,
    /// It stands still until it is released.
    Suspended,
}

/// Decides the fate of every call, by port and name (`store.commit`).
pub type Script = Box<dyn FnMut(&'static str) -> Fate + Send>;

/// The faults of one process.
pub struct Faults {
    script: Mutex<Script>,
    standing: Mutex<Standing>,
    refused: Arc<Mutex<BTreeSet<EventId>>>,
}

impl Faults {
    /// A process whose calls fare as the script says; the record store refuses the rows of `refused`.
    #[must_use]
    pub fn new(script: Script, refused: Arc<Mutex<BTreeSet<EventId>>>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script), standing: Mutex::default(), refused })
    }

    /// How the process stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *lock(&self.standing)
    }

    /// Lets a suspended process go on.
    pub fn release(&self) {
        *lock(&self.standing) = Standing::Running;
    }

    fn refuses(&self, event_id: EventId) -> bool {
        lock(&self.refused).contains(&event_id)
    }

    fn fate(&self, call: &'static str) -> Fate {
        let mut script = lock(&self.script);
        (*script)(call)
    }

    /// Makes a call as its fate has it. Every call lets others run first.
    async fn around<T>(&self, call: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        pause().await;
        match self.fate(call) {
            Fate::Pass => work.await,
            Fate::FailBefore(code) => Err(failure(call, code)),
            Fate::FailAfter(code) => {
                work.await?;
                Err(failure(call, code))
            }
            Fate::CrashBefore => self.die().await,
            Fate::CrashAfter => {
                // The process never learns how the call went.
                drop(work.await);
                self.die().await
            }
            Fate::Suspend => {
                *lock(&self.standing) = Standing::Suspended;
                poll_fn(|_| if self.standing() == Standing::Suspended { Poll::Pending } else { Poll::Ready(()) }).await;
                work.await
            }
        }
    }

    async fn die<T>(&self) -> T {
        *lock(&self.standing) = Standing::Dead;
        pending().await
    }
}

fn failure(call: &str, code: Code) -> Error {
    Error::new(code, format!("{call} fails as it was told"))
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding the lock")
}
