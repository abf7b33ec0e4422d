//! A clock whose time and randomness follow from a seed.
//!
//! Virtual time never moves on its own. In a simulation it moves when nothing else can: see
//! [`SeededClock::block_on`].

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::lock;
use crate::clock::Clock;
use crate::ids::Timestamp;

/// Where virtual time begins: 2024-01-01T00:00:00Z, in microseconds.
const START: i64 = 1_704_067_200_000_000;

/// What a sleep does with virtual time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// Lets other tasks run for a while, then moves the time itself.
    Jumps,
    /// Waits until somebody moves the time.
    Waits,
}

/// A deterministic [`Clock`].
pub struct SeededClock {
    sleep: Sleep,
    inner: Mutex<Inner>,
}

struct Inner {
    elapsed: Duration,
    random: u64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
}

impl SeededClock {
    /// A clock whose sleeps move the time themselves, for tests on any executor.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Sleep::Jumps)
    }

    /// A clock whose sleeps end when the time is moved by [`Self::advance`] or [`Self::block_on`].
    #[must_use]
    pub fn waiting(seed: u64) -> Self {
        Self::with(seed, Sleep::Waits)
    }

    fn with(seed: u64, sleep: Sleep) -> Self {
        let inner = Inner { elapsed: Duration::ZERO, random: seed, sleepers: BTreeMap::new(), next_sleeper: 0 };
        Self { sleep, inner: Mutex::new(inner) }
    }

    /// Moves the time and wakes the sleepers whose time has come.
    pub fn advance(&self, duration: Duration) {
        let mut inner = lock(&self.inner);
        let now = inner.elapsed + duration;
        inner.move_to(now);
    }

    /// Moves the time to the end of the shortest sleep; tells whether anybody slept.
    pub fn advance_to_next(&self) -> bool {
        let mut inner = lock(&self.inner);
        let next = inner.sleepers.keys().next().map(|(deadline, _)| *deadline);
        next.inspect(|deadline| inner.move_to(*deadline)).is_some()
    }

    /// Runs a future to its end on this thread; when it can go no further, moves the time.
    ///
    /// # Panics
    /// When the future waits and nobody sleeps: it would wait for ever.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            while flag.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
            }
            assert!(self.advance_to_next(), "the future waits for something that cannot happen");
        }
    }

    fn next_random(&self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014): one addition and one mix per number.
        let mut inner = lock(&self.inner);
        inner.random = inner.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = inner.random;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    async fn sleep_until(&self, deadline: Duration) {
        let key = {
            let mut inner = lock(&self.inner);
            inner.next_sleeper += 1;
            (deadline, inner.next_sleeper)
        };
        let _forget = Forget { clock: self, key };
        poll_fn(|context| {
            let mut inner = lock(&self.inner);
            if inner.elapsed >= deadline {
                return Poll::Ready(());
            }
            inner.sleepers.insert(key, context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Inner {
    fn move_to(&mut self, now: Duration) {
        self.elapsed = self.elapsed.max(now);
        while let Some(entry) = self.sleepers.first_entry() {
            if entry.key().0 > self.elapsed {
                break;
            }
            entry.remove().wake();
        }
    }
}

/// Takes a sleep that was dropped off the list.
struct Forget<'a> {
    clock: &'a SeededClock,
    key: (Duration, u64),
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(&self.clock.inner).sleepers.remove(&self.key);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets every other task that is ready run once.
pub async fn pause() {
    let mut done = false;
    poll_fn(|context| {
        if done {
            return Poll::Ready(());
        }
        done = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Clock for SeededClock {
    fn now(&self) -> Timestamp {
        let elapsed = lock(&self.inner).elapsed;
        Timestamp(START + i64::try_from(elapsed.as_micros()).expect("virtual time stays within centuries"))
    }

    fn elapsed(&self) -> Duration {
        lock(&self.inner).elapsed
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_random().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_random().to_le_bytes());
        bytes
    }

    async fn sleep(&self, duration: Duration) {
        /// Rounds in which what is ready goes before what sleeps.
        const ROUNDS: u32 = 32;
        let deadline = self.elapsed() + duration;
        if self.sleep == Sleep::Jumps {
            for _ in 0..ROUNDS {
                pause().await;
            }
            lock(&self.inner).move_to(deadline);
        }
        self.sleep_until(deadline).await;
    }
}
