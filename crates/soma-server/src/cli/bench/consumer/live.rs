//! A running `soma consumer`, watched from outside: by its positions in the record store and by what the
//! system tells about the process.

use std::sync::Arc;
use std::time::Duration;

use soma_core::Result;
use soma_core::store::MemoryStore;

use super::super::batches::per_second;
use super::super::stats::Samples;
use super::process::Process;
use super::site::Site;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(120);
/// Into how many parts a backlog is cut, each a sample.
const PARTS: u64 = 20;

/// A consumer in its room.
pub(super) struct Live {
    process: Process,
    pub(super) store: Arc<dyn MemoryStore>,
    /// What it held in memory before its first event, in MiB.
    idle: f64,
}

/// What a backlog took.
pub(super) struct Run {
    /// Events a second, of each part.
    pub(super) rates: Samples,
    /// Events a second from the first commit to the last.
    pub(super) whole: Samples,
    /// Seconds of processor time for 1,000 events, of each part.
    pub(super) cpu: Samples,
    /// MiB, looked at all the time.
    pub(super) resident: Samples,
    /// The most that it held since it started.
    pub(super) peak: Samples,
    /// What it held before.
    pub(super) idle: Samples,
}

/// Where it stood at some moment.
#[derive(Clone, Copy)]
struct Mark {
    events: u64,
    at: Duration,
    cpu: f64,
}

impl Live {
    /// Starts one and waits until it is ready; it joins its group afterwards.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn start(site: &mut Site, room: &'static str, args: &[&str]) -> Result<Self> {
        site.enter(room);
        site.runtime.block_on(site.servers.make_schema(room))?;
        let process = Process::start(site, room, args, "metrics.url")?;
        let idle = process.resident()?;
        let store = site.runtime.block_on(site.servers.store(room))?;
        Ok(Self { process, store, idle: idle.anonymous + idle.files })
    }

    /// Watches until both stores have passed so many events. The clock starts with the first commit: joining
    /// a group takes seconds and depends on the broker's settings.
    ///
    /// # Errors
    /// `unavailable` when nothing moves.
    pub(super) fn work_through(&mut self, site: &Site, events: u64) -> Result<Run> {
        let (mut rates, mut cpu, mut resident) = (Samples::default(), Samples::default(), Samples::default());
        let (mut first, mut last) = (None, None);
        let mut moved = (0, site.clock.elapsed());
        loop {
            let mark = self.mark(site)?;
            if mark.events > moved.0 {
                moved = (mark.events, mark.at);
            } else if mark.at.saturating_sub(moved.1) > PATIENCE {
                return Err(self.process.failed(&format!("it stands at {} of {events} events", mark.events)));
            }
            if mark.events > 0 {
                let held = self.process.resident()?;
                resident.push(held.anonymous + held.files);
                first.get_or_insert(mark);
                let before = *last.get_or_insert(mark);
                if mark.events - before.events >= (events / PARTS).max(1) || mark.events >= events {
                    if mark.events > before.events {
                        rates.push(rate(before, mark));
                        cpu.push((mark.cpu - before.cpu) * 1e3 / (mark.events - before.events) as f64);
                    }
                    last = Some(mark);
                }
            }
            if mark.events >= events {
                let whole = first.map_or(0.0, |first| rate(first, mark));
                let peak = Samples::one(self.process.resident()?.peak);
                return Ok(Run {
                    rates,
                    whole: Samples::one(whole),
                    cpu,
                    resident,
                    peak,
                    idle: Samples::one(self.idle),
                });
            }
            site.runtime.block_on(site.clock.sleep(LOOK));
        }
    }

    fn mark(&mut self, site: &Site) -> Result<Mark> {
        self.process.check()?;
        let positions = site.runtime.block_on(self.store.positions())?;
        let events = positions.iter().map(|position| position.next).sum();
        Ok(Mark { events, at: site.clock.elapsed(), cpu: self.process.cpu()? })
    }

    /// Ends it.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn stop(self) -> Result<()> {
        self.process.stop()
    }
}

fn rate(from: Mark, to: Mark) -> f64 {
    let events = usize::try_from(to.events - from.events).unwrap_or(usize::MAX);
    per_second(events, to.at.saturating_sub(from.at).as_secs_f64() * 1e3)
}
