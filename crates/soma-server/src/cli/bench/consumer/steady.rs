//! A steady stream: how long an event takes from the hand of its writer into both stores.
//!
//! Events are appended at their times, whether or not those before them have arrived anywhere. The
//! record store tells when it has passed each of them, and it does so after the index.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::error::Code;
use soma_core::event::Event;
use soma_core::ids::Position;
use soma_core::log::{Appended, EventLog};
use soma_core::store::{MemoryStore, ProjectorName};
use soma_core::{Error, Result};
use tokio::task::JoinSet;

use super::super::stats::Samples;
use super::live::Live;
use super::site::{self, Site};

/// Between two looks at which events are due.
const TICK: Duration = Duration::from_millis(1);
/// The first events find connections that are not made yet.
const WARM: Duration = Duration::from_secs(2);

/// Milliseconds of each event: until both stores had it, and until the log had it.
pub(super) struct Steady {
    pub(super) stored: Samples,
    pub(super) accepted: Samples,
}

/// One event's way.
struct Way {
    clock: Arc<dyn Clock>,
    log: Arc<dyn EventLog>,
    store: Arc<dyn MemoryStore>,
    found: Mutex<Steady>,
}

/// Streams for so many seconds.
///
/// # Errors
/// `unavailable`.
pub(super) fn measure(site: &mut Site, live: &Live, rate: u32, seconds: u64) -> Result<Steady> {
    let log = site.runtime.block_on(site.servers.log())?;
    let warm = u64::from(rate) * WARM.as_secs();
    let count = warm + u64::from(rate) * seconds;
    let mut events = Vec::new();
    // Made beforehand: making a text takes as long as sending it.
    while (events.len() as u64) < count {
        events.extend(site.events(1_000)?);
    }
    events.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let found = Mutex::new(Steady { stored: Samples::default(), accepted: Samples::default() });
    let way = Arc::new(Way { clock: Arc::clone(&site.clock), log, store: Arc::clone(&live.store), found });
    site.runtime.block_on(stream(&way, events, rate, warm))?;
    let found = Arc::into_inner(way).ok_or_else(|| Error::new(Code::Internal, "an event is still on its way"))?;
    Ok(found.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn stream(way: &Arc<Way>, events: Vec<Event>, rate: u32, warm: u64) -> Result<()> {
    let mut going = JoinSet::new();
    let start = way.clock.elapsed();
    for (number, event) in (0_u64..).zip(events) {
        let due = start + Duration::from_secs(number) / rate;
        while way.clock.elapsed() < due {
            way.clock.sleep(TICK).await;
        }
        let way = Arc::clone(way);
        going.spawn(async move { way.go(&event, number >= warm).await });
        while let Some(gone) = going.try_join_next() {
            gone.map_err(lost)??;
        }
    }
    while let Some(gone) = going.join_next().await {
        gone.map_err(lost)??;
    }
    Ok(())
}

pub(super) fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(Code::Internal, "an event met a defect").because(error)
}

impl Way {
    async fn go(&self, event: &Event, counts: bool) -> Result<()> {
        let record = site::record(event);
        let start = self.clock.elapsed();
        let appended = self.log.append(vec![record]).await?;
        let accepted = self.clock.elapsed();
        let Some(Appended::New(place)) = appended.first() else {
            return Err(Error::new(Code::Internal, "a new event was appended before"));
        };
        self.store.reached(&ProjectorName::memory(), &Position::of(place)).await?;
        let stored = self.clock.elapsed();
        if counts {
            let ms = |to: Duration| to.saturating_sub(start).as_secs_f64() * 1e3;
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.accepted.push(ms(accepted));
            found.stored.push(ms(stored));
        }
        Ok(())
    }
}
