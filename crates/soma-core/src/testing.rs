//! The ports in memory, and one conformance suite per port.
//!
//! Ships as code: the simulation runs on it, every adapter proves itself with the suites, and a test
//! of a flow needs neither files nor servers. The in-memory ports are written to be obviously right,
//! never to be fast; they hold everything in ordered maps behind one lock each.
//!
//! They run on any executor. Under [`SeededClock::block_on`] a whole run follows from its seed.

pub mod clock;
pub mod conformance;
pub mod index;
pub mod letters;
pub mod log;
pub mod mixing;
pub mod sample;
pub mod store;

pub use clock::SeededClock;
pub use index::Index;
pub use letters::Letters;
pub use log::Log;
pub use mixing::Mixing;
pub use store::Store;

use std::sync::{Mutex, MutexGuard};

/// Locks what no holder can leave half done: none of them panics or waits while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding the lock")
}
