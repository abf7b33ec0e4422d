//! One suite per port. An adapter is right when its suite passes.
//!
//! A suite takes a function that makes an empty adapter and calls it once per case; each case is one
//! sentence about the port, printed when it does not hold. The suites ask for what the documentation
//! of the ports promises and nothing else: where it leaves room (a log that cannot erase, an index
//! that answers a wider filter), they take every allowed answer.

mod dead_letters;
mod event_log;
mod folding;
mod index;
mod mending;
mod positions;
mod reading;
mod staging;
mod threads;

pub use dead_letters::dead_letters;
pub use event_log::event_log;
pub use folding::{Case, folding, folding_cases};
pub use index::vector_index;
pub use mending::mending;
pub use positions::positions;
pub use reading::reading;
pub use staging::staging;

use std::fmt::{Arguments, Debug};

use crate::fold::{self, Entry, Outcome};
use crate::ids::{LogId, Offset};
use crate::store::{Advance, Claim, MemoryStore, ProjectorName};
use crate::testing::sample::time;

/// What a case answers.
type Check = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Fails a case with a sentence unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+).into());
        }
    };
}

/// Fails a case unless two values are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($text:tt)+) => {
        $crate::testing::conformance::equal(&$found, &$expected, format_args!($($text)+))?
    };
}

/// Runs cases one after another, each on an adapter of its own.
macro_rules! run {
    ($make:expr, $($sentence:literal => $case:path),+ $(,)?) => {
        $(
            let adapter = $make().await;
            if let Err(why) = $case(&*adapter).await {
                panic!("{}\n  {why}", $sentence);
            }
        )+
    };
}

use {ensure, ensure_eq, run};

fn equal<T: PartialEq<U> + Debug + ?Sized, U: Debug + ?Sized>(found: &T, expected: &U, what: Arguments<'_>) -> Check {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}:\n  found    {found:?}\n  expected {expected:?}").into())
}

/// A projector's hand: takes a partition and pushes events through fold and store.
struct Hand<'a> {
    store: &'a dyn MemoryStore,
    claim: Claim,
    next: Offset,
}

impl<'a> Hand<'a> {
    /// Takes partition 0 of the log `log`.
    async fn take(store: &'a dyn MemoryStore) -> crate::Result<Self> {
        Self::take_log(store, "log").await
    }

    async fn take_log(store: &'a dyn MemoryStore, log: &str) -> crate::Result<Self> {
        let claimed = store.claim(&ProjectorName::memory(), &LogId::new(log), 0, time(0)).await?;
        Ok(Self { store, claim: claimed.claim, next: claimed.next })
    }

    /// Projects one batch as the projector does, without an index.
    async fn project(&mut self, events: &[Entry]) -> crate::Result<Vec<Outcome>> {
        self.next += events.len() as u64;
        let mut staging = self.store.begin(&self.claim).await?;
        let mut ids: Vec<_> = events.iter().map(|entry| entry.event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let event_ids: Vec<_> = events.iter().map(|entry| entry.event.event_id).collect();
        let loaded = staging.load(&ids, &event_ids).await?;
        let folded = match fold::batch(&loaded, events, &std::collections::HashMap::new()) {
            Ok(folded) => folded,
            Err(missing) => {
                let entries = staging.entries(&missing).await?;
                fold::batch(&loaded, events, &entries).map_err(|ids| {
                    let text = format!("fold asks again for the events of {} memories", ids.len());
                    crate::Error::new(crate::error::Code::Internal, text)
                })?
            }
        };
        staging.stage(&folded.changes).await?;
        staging.commit(self.advance()).await?;
        Ok(folded.outcomes)
    }

    /// To where the next commit moves the position.
    fn advance(&self) -> Advance {
        Advance { next: self.next, last: None, now: time(self.next) }
    }
}
