//! Reading at explicit offsets, apart from any group.
//!
//! A read is served from a lane that it continues; otherwise a lane is put where the read begins. There are
//! several fetchers, so that somebody who reads elsewhere (a verification, a repair) has a lane beside the
//! projector's. Whoever comes to a partition takes the lane that has been idle for longest. Several may sit at one
//! lane; what one of them takes or passes is gone from there, and whoever still wants it fetches it anew.
//!
//! A read answers with everything that was in the log when it began, up to its limit: it knows the end from
//! what this process appended and from the ends it asked for; a transaction that somebody has open ends it
//! earlier, for as long as it is open. Memory is bounded whatever the backlog.

mod fetcher;
mod lane;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Offset, Partition};
use soma_core::log::{ReadLimit, Record};
use soma_core::pulse::Pulses;
use tokio::sync::{Notify, Semaphore};

use super::client;
use super::producer::{Ends, Producer};
use fetcher::{Fetcher, Parts};
use lane::Taken;

/// Fetchers that read one topic at most; each is started when it is first needed.
const FETCHERS_MAX: usize = 3;
/// How long a read may wait for the broker.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Bytes of all lanes of one fetcher together, and of one lane.
const FETCHER_BYTES: usize = 64 << 20;
const LANE_BYTES_MIN: usize = 1 << 20;
const LANE_BYTES_MAX: usize = 8 << 20;

pub(super) struct Reader {
    topic: String,
    log: LogId,
    producer: Arc<Producer>,
    pulses: Pulses,
    known: Known,
    bytes_max: usize,
    fetchers: Mutex<Vec<Arc<Fetcher>>>,
    /// Reads that do not continue a lane; one fetcher is left to those that do, so that nobody takes a lane
    /// from under a read.
    elsewhere: Semaphore,
}

/// The known ends of the partitions.
#[derive(Default)]
struct Known {
    ends: Mutex<BTreeMap<Partition, End>>,
    /// How the log was seen to be another one than before. It does not become the old one again.
    replaced: OnceLock<String>,
}

#[derive(Clone, Copy, Default)]
struct End {
    /// A record below it is in the log, whoever says so.
    written: Offset,
    /// Readers were told that they can read up to there; this never goes back in one log.
    readable: Offset,
}

impl Known {
    fn get(&self, partition: Partition) -> End {
        self.lock().get(&partition).copied().unwrap_or_default()
    }

    fn written(&self, partition: Partition, end: Offset) {
        let mut ends = self.lock();
        let known = ends.entry(partition).or_default();
        known.written = known.written.max(end);
    }

    fn readable(&self, partition: Partition, end: Offset) {
        let mut ends = self.lock();
        let known = ends.entry(partition).or_default();
        *known = End { written: known.written.max(end), readable: known.readable.max(end) };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, End>> {
        self.ends.lock().expect("nobody panics while holding the lock")
    }
}

/// Where partitions ended, as readers were told at some moment.
pub(super) struct Told(BTreeMap<Partition, Offset>);

/// A lane that somebody uses.
struct Seat {
    fetcher: Arc<Fetcher>,
    partition: Partition,
    from: Offset,
    epoch: u64,
    arrived: Arc<Notify>,
}

/// The epoch of no lane: they count from 1.
const NOWHERE: u64 = 0;

/// What a look at the lane found.
enum Seen<T> {
    Ready(T),
    NotYet,
    /// The client reports the end at this position, where the log is known to go on.
    Unsettled(Offset),
    /// The lane was put elsewhere, or somebody who reads here too has taken what is asked for.
    Lost,
    /// The client says that an offset is out of range, perhaps this one of the lane.
    Doubted(Offset),
    /// Nothing will ever arrive.
    Dead,
}

impl Reader {
    pub(super) fn new(log: LogId, topic: &str, partitions: usize, producer: Arc<Producer>, pulses: Pulses) -> Self {
        let bytes_max = (FETCHER_BYTES / partitions.max(1)).clamp(LANE_BYTES_MIN, LANE_BYTES_MAX);
        let (topic, known) = (topic.to_owned(), Known::default());
        Self {
            topic,
            log,
            producer,
            pulses,
            known,
            bytes_max,
            fetchers: Mutex::new(Vec::new()),
            elsewhere: Semaphore::new(FETCHERS_MAX - 1),
        }
    }

    /// Takes note that records were written up to there.
    pub(super) fn written(&self, partition: Partition, end: Offset) {
        self.known.written(partition, end);
    }

    /// Gives up what was fetched of a partition: whoever reads it next fetches anew.
    pub(super) fn forget(&self, partition: Partition) {
        for fetcher in self.fetchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(lane) = fetcher.lock().lanes.remove(&partition) {
                lane.arrived.notify_waiters();
            }
            fetcher.wake();
        }
    }

    /// Where readers were told that the partitions end. To be asked before the broker is: answers to several
    /// questions at once may come in any order.
    pub(super) fn told(&self) -> Told {
        Told(self.known.lock().iter().map(|(partition, end)| (*partition, end.readable)).collect())
    }

    /// Takes note of where a partition ends for readers, as the broker says it.
    ///
    /// # Errors
    /// `log_replaced` when it had ended later before the broker was asked: then every read of this log fails,
    /// also where the new one has grown beyond the old one since.
    pub(super) fn ends_at(&self, told: &Told, partition: Partition, end: Offset) -> Result<()> {
        let before = told.0.get(&partition).copied().unwrap_or(0);
        if end < before {
            let what = format!(
                "log {} partition {partition} was recreated or truncated: it ends at offset {end}, and ended at {before}",
                self.log
            );
            // Only the first one is told of.
            drop(self.known.replaced.set(what));
            for fetcher in self.fetchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                fetcher.lock().doubt();
            }
        }
        self.known.readable(partition, end);
        self.same()
    }

    /// Refuses a log that is known to be another one than before.
    fn same(&self) -> Result<()> {
        let Some(what) = self.known.replaced.get() else { return Ok(()) };
        Err(Error::new(Code::LogReplaced, what.clone())
            .remedy("restore the log, or start a new generation with `soma log renew`"))
    }

    /// Records from `from` on; empty at the end of the log.
    ///
    /// # Errors
    /// `unavailable`; `log_replaced` when the offsets are gone.
    pub(super) async fn read(&self, partition: Partition, from: Offset, limit: ReadLimit) -> Result<Vec<Record>> {
        let (mut seat, mut turn) = match self.sit(partition, from) {
            Some(seat) => (seat, None),
            None => {
                let turn = self.elsewhere.acquire().await.map_err(|_| dead())?;
                (self.move_to(partition, from).await?, Some(turn))
            }
        };
        let end = self.known.get(partition).written;
        let read = async {
            let mut settled = false;
            loop {
                let arrived = seat.arrived.clone();
                let mut notified = std::pin::pin!(arrived.notified());
                notified.as_mut().enable();
                let seen = seat.look(self.now(), |lane| {
                    if settled {
                        return Seen::Ready(lane.take_some(from, limit));
                    }
                    match lane.take(from, limit, end) {
                        Taken::Records(records) => Seen::Ready(records),
                        Taken::End => Seen::Ready(Vec::new()),
                        Taken::NotYet => Seen::NotYet,
                        Taken::Unsettled(position) => Seen::Unsettled(position),
                    }
                });
                match seen {
                    Seen::Ready(records) => return Ok(records),
                    Seen::NotYet => notified.await,
                    Seen::Unsettled(position) => settled = self.settle(&seat, position).await?,
                    Seen::Lost => {
                        seat.leave();
                        settled = false;
                        if turn.is_none() {
                            turn = Some(self.elsewhere.acquire().await.map_err(|_| dead())?);
                        }
                        seat = self.move_to(partition, from).await?;
                    }
                    Seen::Doubted(position) => {
                        seat.leave();
                        settled = false;
                        seat = self.go_on(partition, from, position).await?;
                    }
                    Seen::Dead => return Err(dead()),
                }
            }
        };
        let records = match tokio::time::timeout(TIMEOUT, read).await {
            Ok(answer) => answer?,
            Err(_) => {
                let some = seat.take_some(self.now(), from, limit);
                if some.is_empty() {
                    return Err(self.silent(&seat));
                }
                some
            }
        };
        // Only now: they may have been fetched before the log was known to be another one.
        self.same()?;
        Ok(records)
    }

    /// Returns once a record at or beyond `from` is there.
    ///
    /// # Errors
    /// `unavailable`, `log_replaced`.
    pub(super) async fn wait(&self, partition: Partition, from: Offset) -> Result<()> {
        let mut seat = match self.sit(partition, from) {
            Some(seat) => seat,
            None => self.move_to(partition, from).await?,
        };
        loop {
            let arrived = seat.arrived.clone();
            let mut notified = std::pin::pin!(arrived.notified());
            notified.as_mut().enable();
            let reached = |lane: &mut lane::Lane| if lane.reaches(from) { Seen::Ready(()) } else { Seen::NotYet };
            match seat.look(self.now(), reached) {
                Seen::Ready(()) => return Ok(()),
                Seen::NotYet | Seen::Unsettled(_) => notified.await,
                Seen::Lost => {
                    seat.leave();
                    seat = self.move_to(partition, from).await?;
                }
                Seen::Doubted(position) => {
                    seat.leave();
                    seat = self.go_on(partition, from, position).await?;
                }
                Seen::Dead => return Err(dead()),
            }
        }
    }

    fn now(&self) -> Duration {
        self.producer.clock().elapsed()
    }

    /// A lane that a read from there continues.
    fn sit(&self, partition: Partition, from: Offset) -> Option<Seat> {
        let end = self.known.get(partition).written;
        let fetchers = self.fetchers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for fetcher in fetchers {
            let mut state = fetcher.lock();
            if state.dead() {
                continue;
            }
            if let Some(lane) =
                state.lanes.get_mut(&partition).filter(|lane| !lane.doubted && lane.continues(from, end))
            {
                lane.used = self.now();
                lane.readers += 1;
                let (epoch, arrived) = (lane.epoch, Arc::clone(&lane.arrived));
                drop(state);
                return Some(Seat { fetcher, partition, from, epoch, arrived });
            }
        }
        None
    }

    /// Whether the log ends for readers at this position of the lane. If it goes on, what follows are offsets
    /// without records, or records to come: the lane is fetched once more to tell.
    async fn settle(&self, seat: &Seat, position: Offset) -> Result<bool> {
        let ends = self.ends(seat.partition).await?;
        if ends.high <= position {
            return Ok(true);
        }
        seat.look(self.now(), |lane| {
            if lane.reached() == position {
                lane.confirm(ends.high);
            }
            Seen::Ready(())
        });
        seat.fetcher.wake();
        Ok(false)
    }

    /// Goes on after some offset of the fetcher was out of range: not where the log ends before this one.
    async fn go_on(&self, partition: Partition, from: Offset, position: Offset) -> Result<Seat> {
        self.known.readable(partition, position);
        self.move_to(partition, from).await
    }

    /// The ends of a partition now.
    async fn ends(&self, partition: Partition) -> Result<Ends> {
        self.same()?;
        let told = self.told();
        let ends = self.producer.ends(&self.topic, partition).await?;
        self.ends_at(&told, partition, ends.high)?;
        Ok(ends)
    }

    /// Puts the lane that has been idle for longest where a read begins.
    async fn move_to(&self, partition: Partition, from: Offset) -> Result<Seat> {
        let ends = self.ends(partition).await?;
        if from < ends.low {
            let (log, low) = (&self.log, ends.low);
            let gone =
                format!("log {log} partition {partition}: offsets {from} to {low} are gone before they were read");
            return Err(Error::new(Code::LogReplaced, gone).remedy(
                "set the topic's `retention.ms` to -1; restore the log, or rebuild the stores from what is left",
            ));
        }
        let fetcher = self.idlest(partition)?;
        let mut state = fetcher.lock();
        let epoch = state.place(partition, from.min(ends.high), self.bytes_max, self.now());
        let lane = state.lanes.get_mut(&partition);
        let arrived = lane.map(|lane| {
            lane.readers += 1;
            Arc::clone(&lane.arrived)
        });
        drop(state);
        fetcher.wake();
        let arrived = arrived.ok_or_else(dead)?;
        Ok(Seat { fetcher, partition, from, epoch, arrived })
    }

    /// A fetcher without a lane for the partition, else the one whose lane nobody has used for longest.
    fn idlest(&self, partition: Partition) -> Result<Arc<Fetcher>> {
        let mut fetchers = self.fetchers.lock().unwrap_or_else(PoisonError::into_inner);
        fetchers.retain(|fetcher| !fetcher.lock().dead());
        let used =
            |fetcher: &Arc<Fetcher>| fetcher.lock().lanes.get(&partition).map(|lane| (lane.readers > 0, lane.used));
        let best = fetchers.iter().min_by_key(|fetcher| used(fetcher)).cloned();
        match best {
            Some(fetcher) if used(&fetcher).is_none() || fetchers.len() >= FETCHERS_MAX => Ok(fetcher),
            Some(_) | None => {
                let settings = self.producer.settings();
                let fetcher = Arc::new(Fetcher::start(Parts {
                    config: client::reader(settings)?,
                    context: client::context(settings, self.producer.clock()),
                    topic: self.topic.clone(),
                    log: self.log.clone(),
                    clock: Arc::clone(self.producer.clock()),
                    pulse: self.pulses.begin("reading the log"),
                })?);
                fetchers.push(Arc::clone(&fetcher));
                Ok(fetcher)
            }
        }
    }

    /// Why nothing came. Whatever the client waits for, the next read puts the lane there anew.
    fn silent(&self, seat: &Seat) -> Error {
        let mut state = seat.fetcher.lock();
        let here = |lane: &&mut lane::Lane| lane.epoch == seat.epoch && lane.holds(seat.from);
        if let Some(lane) = state.lanes.get_mut(&seat.partition).filter(here) {
            lane.doubted = true;
            lane.arrived.notify_waiters();
        }
        let failure = state.failure.take();
        drop(state);
        failure.unwrap_or_else(|| {
            let (topic, partition) = (&self.topic, seat.partition);
            let what = format!("cannot read topic {topic} partition {partition}: no broker answered in {TIMEOUT:?}");
            Error::new(Code::Unavailable, what).remedy("check that the partition's leader runs and can be reached")
        })
    }
}

impl Seat {
    fn look<T>(&self, now: Duration, see: impl FnOnce(&mut lane::Lane) -> Seen<T>) -> Seen<T> {
        let mut state = self.fetcher.lock();
        if state.dead() {
            return Seen::Dead;
        }
        let here = |lane: &&mut lane::Lane| lane.epoch == self.epoch && lane.holds(self.from);
        let Some(lane) = state.lanes.get_mut(&self.partition).filter(here) else {
            return Seen::Lost;
        };
        if lane.doubted {
            return Seen::Doubted(lane.position());
        }
        lane.used = now;
        let seen = see(lane);
        let wants = lane.fetching == lane::Fetching::Wanted;
        drop(state);
        if wants {
            self.fetcher.wake();
        }
        seen
    }

    /// What there is, complete or not.
    fn take_some(&self, now: Duration, from: Offset, limit: ReadLimit) -> Vec<Record> {
        match self.look(now, |lane| Seen::Ready(lane.take_some(from, limit))) {
            Seen::Ready(records) => records,
            Seen::NotYet | Seen::Unsettled(_) | Seen::Lost | Seen::Doubted(_) | Seen::Dead => Vec::new(),
        }
    }

    /// Gets up: whoever looks for a lane that nobody uses may have this one.
    fn leave(&mut self) {
        let mut state = self.fetcher.lock();
        if let Some(lane) = state.lanes.get_mut(&self.partition).filter(|lane| lane.epoch == self.epoch) {
            lane.readers = lane.readers.saturating_sub(1);
        }
        self.epoch = NOWHERE;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

fn dead() -> Error {
    Error::new(Code::Internal, "a Kafka reader's thread has ended").remedy("restart, and report this as a defect")
}
