//! Logs, stores and the processes that project between them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use soma_core::clock::Clock;
use soma_core::embed::Embedder;
use soma_core::embed::hash::HashEmbedder;
use soma_core::error::Code;
use soma_core::event::codec;
use soma_core::event::schemas::Any;
use soma_core::ids::{Partition, Place};
use soma_core::index::VectorIndex;
use soma_core::log::{EventLog, ReadLimit};
use soma_core::projector::observe::Nobody;
use soma_core::projector::{Options, Projector, Step, Worker};
use soma_core::store::{Progress, ProjectorName};
use soma_core::testing::{Index, Letters, Log, Mixing, SeededClock, Store};
use soma_testkit::faults::{self, Fate, Faults, Standing};

use super::dice::Dice;
use super::workload::Workload;

type Running = Pin<Box<dyn Future<Output = (Worker, Step)>>>;

/// How often what fails, in a thousand calls.
#[derive(Clone, Copy)]
struct Weather {
    fails: usize,
    crashes: usize,
    suspends: usize,
}

const CALM: Weather = Weather { fails: 0, crashes: 0, suspends: 0 };

/// The process that owns one partition.
struct Slot {
    name: String,
    log: usize,
    partition: Partition,
    generation: u32,
    faults: Arc<Faults>,
    at_rest: Option<Worker>,
    running: Option<Running>,
}

/// A process that was suspended while another took its partition over.
struct Zombie {
    name: String,
    faults: Arc<Faults>,
    running: Running,
}

pub(super) struct World {
    pub(super) workload: Workload,
    pub(super) store: Arc<Store>,
    pub(super) index: Arc<Index>,
    pub(super) letters: Arc<Letters>,
    pub(super) embedder: Arc<dyn Embedder>,
    /// Whether a suspended process may have brought back the point of a deleted memory.
    pub(super) late_writes: bool,
    clock: Arc<SeededClock>,
    dice: Arc<Mutex<Dice>>,
    weather: Arc<Mutex<Weather>>,
    trace: Arc<Mutex<Vec<String>>>,
    slots: Vec<Slot>,
    zombies: Vec<Zombie>,
    batch: usize,
}

fn with<T, R>(mutex: &Mutex<T>, act: impl FnOnce(&mut T) -> R) -> R {
    act(&mut mutex.lock().expect("nobody panics while holding the lock"))
}

impl World {
    pub(super) fn new(mut dice: Dice) -> Self {
        let clock = Arc::new(SeededClock::waiting(1));
        let embedder: Arc<dyn Embedder> = if dice.permille(500) {
            Arc::new(HashEmbedder::new(64).expect("64 dimensions are allowed"))
        } else {
            Arc::new(Mixing::new(64).expect("64 dimensions are allowed"))
        };
        let partitions: Vec<Partition> =
            [[1, 0], [2, 0], [1, 1], [2, 1]][dice.below(4)].into_iter().filter(|partitions| *partitions > 0).collect();
        let log = |(name, partitions): (&str, &Partition)| {
            Arc::new(Log::new(name, *partitions, Arc::clone(&clock) as Arc<dyn Clock>))
        };
        let logs = ["a", "b"].into_iter().zip(&partitions).map(log).collect();
        let batch = [1, 2, 3, 5, 100][dice.below(5)];
        let mut world = Self {
            workload: Workload::new(logs),
            store: Arc::new(Store::new()),
            index: Arc::new(Index::new(embedder.identity().clone())),
            letters: Arc::new(Letters::new()),
            embedder,
            late_writes: false,
            clock,
            dice: Arc::new(Mutex::new(dice)),
            weather: Arc::new(Mutex::new(CALM)),
            trace: Arc::default(),
            slots: Vec::new(),
            zombies: Vec::new(),
            batch,
        };
        for (log, partitions) in partitions.iter().enumerate() {
            for partition in 0..*partitions {
                let name = format!("{}{partition}", ["a", "b"][log]);
                let faults = Faults::new(Box::new(|_| Fate::Pass), Arc::default());
                let slot = Slot { name, log, partition, generation: 0, faults, at_rest: None, running: None };
                world.slots.push(slot);
                let last = world.slots.len() - 1;
                world.start(last);
            }
        }
        world
    }

    pub(super) fn trace(&self) -> Vec<String> {
        with(&self.trace, |trace| trace.clone())
    }

    pub(super) fn note(&self, line: &str) {
        with(&self.trace, |trace| trace.push(line.to_owned()));
    }

    /// Starts a fresh process for a slot; whatever it had is dropped.
    fn start(&mut self, slot: usize) {
        let generation = self.slots[slot].generation + 1;
        let name = format!("{}.{generation}", self.slots[slot].name);
        let (dice, weather, trace) = (Arc::clone(&self.dice), Arc::clone(&self.weather), Arc::clone(&self.trace));
        let script = move |call: &'static str| {
            let weather = with(&weather, |weather| *weather);
            let fate = with(&dice, |dice| fate(dice, weather));
            with(&trace, |trace| trace.push(format!("{name} {call} {fate:?}")));
            fate
        };
        let faults = Faults::new(Box::new(script), Arc::clone(&self.workload.refused));
        let log = Arc::clone(&self.workload.logs[self.slots[slot].log]);
        let projector = Projector {
            name: ProjectorName::memory(),
            log: Arc::new(faults::Log { inner: log, faults: Arc::clone(&faults) }),
            letters: Arc::new(faults::Letters { inner: Arc::clone(&self.letters) as _, faults: Arc::clone(&faults) }),
            store: Arc::new(faults::Store { inner: Arc::clone(&self.store) as _, faults: Arc::clone(&faults) }),
            index: Some(Arc::new(faults::Index { inner: Arc::clone(&self.index) as _, faults: Arc::clone(&faults) })),
            embedder: Arc::new(faults::Embedding { inner: Arc::clone(&self.embedder), faults: Arc::clone(&faults) }),
            schemas: Arc::new(Any),
            clock: Arc::clone(&self.clock) as _,
            observer: Arc::new(Nobody),
            options: Options { batch: ReadLimit { records: self.batch, bytes: 1 << 20 }, ..Options::default() },
        };
        let slot = &mut self.slots[slot];
        slot.generation = generation;
        slot.faults = faults;
        slot.running = None;
        slot.at_rest = Some(Worker::new(projector, slot.partition));
    }

    /// Writes, moves and fails at random for a while.
    pub(super) fn storm(&mut self) -> Result<(), String> {
        let steps = with(&self.dice, |dice| 200 + dice.below(600));
        self.storm_of(steps)
    }

    pub(super) fn storm_of(&mut self, steps: usize) -> Result<(), String> {
        let weather = with(&self.dice, |dice| Weather {
            fails: [0, 10, 60][dice.below(3)],
            crashes: [0, 10, 40][dice.below(3)],
            suspends: [0, 0, 10][dice.below(3)],
        });
        with(&self.weather, |now| *now = weather);
        for _ in 0..steps {
            match with(&self.dice, |dice| dice.below(1_000)) {
                0..80 => self.write(),
                80..90 => self.clock.advance(Duration::from_millis(400)),
                90..94 if weather.crashes > 0 => {
                    self.note("kill everything, forget what was not flushed");
                    self.kill_all();
                }
                94..110 => self.wake_a_zombie(),
                110..114 => self.retain(),
                _ => {
                    let slot = with(&self.dice, |dice| dice.below(self.slots.len()));
                    self.poll(slot)?;
                }
            }
        }
        with(&self.weather, |now| *now = CALM);
        Ok(())
    }

    fn write(&mut self) {
        let records = with(&self.dice, |dice| 1 + dice.below(4));
        for _ in 0..records {
            with(&self.dice, |dice| self.workload.write(dice));
        }
    }

    /// Lets one process go as far as its next call.
    fn poll(&mut self, number: usize) -> Result<Option<Step>, String> {
        let slot = &mut self.slots[number];
        if let Some(mut worker) = slot.at_rest.take() {
            slot.running = Some(Box::pin(async move {
                let step = worker.step().await;
                (worker, step)
            }));
        }
        let running = slot.running.as_mut().expect("a process is at rest or runs");
        let polled = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match (polled, slot.faults.standing()) {
            (Poll::Ready((worker, step)), _) => {
                let (name, generation) = (slot.name.clone(), slot.generation);
                slot.running = None;
                slot.at_rest = Some(worker);
                self.note(&format!("{name}.{generation} {}", spell(&step)));
                if let Step::Halted(error) = &step {
                    return Err(format!("{name} halted: {error}"));
                }
                Ok(Some(step))
            }
            (Poll::Pending, Standing::Running) => Ok(None),
            (Poll::Pending, Standing::Dead) => {
                self.start(number);
                Ok(None)
            }
            (Poll::Pending, Standing::Suspended) => {
                let name = format!("{}.{}", slot.name, slot.generation);
                let running = slot.running.take().expect("it was polled");
                self.zombies.push(Zombie { name, faults: Arc::clone(&slot.faults), running });
                self.start(number);
                Ok(None)
            }
        }
    }

    /// Lets a suspended process go on until its step ends, or it dies.
    fn wake_a_zombie(&mut self) {
        if self.zombies.is_empty() {
            return;
        }
        let chosen = with(&self.dice, |dice| dice.below(self.zombies.len()));
        let mut zombie = self.zombies.swap_remove(chosen);
        let weather = with(&self.weather, |weather| std::mem::replace(weather, CALM));
        self.late_writes = true;
        zombie.faults.release();
        // It may wait for a transaction of another process: then it is killed instead.
        for _ in 0..100 {
            if let Poll::Ready((_, step)) = zombie.running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                self.note(&format!("{} went on after its suspension: {}", zombie.name, spell(&step)));
                break;
            }
        }
        with(&self.weather, |now| *now = weather);
    }

    /// Kills every process; the index loses what was not flushed.
    pub(super) fn kill_all(&mut self) {
        self.zombies.clear();
        for slot in 0..self.slots.len() {
            self.start(slot);
        }
        self.index.forget();
    }

    /// Drops records that were projected, as retention does.
    fn retain(&mut self) {
        self.note("drop what was projected from the logs");
        let rows = self.clock.block_on(self.store.positions()).expect("memory does not fail");
        for row in rows {
            let log = self.workload.logs.iter().find(|log| *log.id() == row.log).expect("positions name logs");
            log.retain_from(row.partition, row.next);
        }
    }

    /// Lets all processes come to rest with a durable index, without failures.
    pub(super) fn calm(&mut self) -> Result<(), String> {
        while !self.zombies.is_empty() {
            self.wake_a_zombie();
        }
        for _ in 0..2 {
            let mut resting = vec![false; self.slots.len()];
            let mut polls = 0;
            while resting.contains(&false) {
                for slot in (0..self.slots.len()).filter(|slot| !resting[*slot]).collect::<Vec<_>>() {
                    if let Some(step) = self.poll(slot)? {
                        resting[slot] = matches!(step, Step::Idle);
                    }
                }
                polls += 1;
                if polls > 100_000 {
                    return Err("the projectors do not come to rest".to_owned());
                }
            }
            // What is dirty becomes due.
            self.clock.advance(Duration::from_secs(2));
        }
        Ok(())
    }

    /// Recreates the first log: its projectors must halt.
    pub(super) fn replace_a_log(&mut self) -> Result<(), String> {
        let log = Arc::clone(&self.workload.logs[0]);
        log.recreate();
        if with(&self.dice, |dice| dice.permille(500)) {
            for _ in 0..200 {
                with(&self.dice, |dice| self.workload.write(dice));
            }
        }
        let rows = self.clock.block_on(self.store.positions()).expect("memory does not fail");
        let moved = rows.into_iter().filter(|row| row.log == *log.id() && row.next > 0);
        // A record that stands where an equal one stood is not noticed: a tombstone, the same bytes.
        let moved = moved.filter(|row| {
            let place = Place { log: row.log.clone(), partition: row.partition, offset: row.next - 1 };
            let facts: Vec<_> = self.workload.facts.iter().filter(|fact| fact.place == place).collect();
            facts.len() < 2 || codec::identity(&facts[0].record()) != codec::identity(&facts[1].record())
        });
        let moved: Vec<Partition> = moved.map(|row| row.partition).collect();
        for number in 0..self.slots.len() {
            if self.slots[number].log != 0 || !moved.contains(&self.slots[number].partition) {
                continue;
            }
            self.start(number);
            let mut worker = self.slots[number].at_rest.take().expect("it was just started");
            let step = self.clock.block_on(worker.step());
            self.start(number);
            if !matches!(&step, Step::Halted(error) if error.code == Code::LogReplaced) {
                return Err(format!("a replaced log is met with {}", spell(&step)));
            }
            self.note(&spell(&step));
        }
        Ok(())
    }

    /// Every point, whole.
    pub(super) fn points(&self) -> Vec<soma_core::index::Point> {
        debug_assert_eq!(self.index.identity(), self.embedder.identity());
        self.index.points()
    }
}

fn fate(dice: &mut Dice, weather: Weather) -> Fate {
    let code = [Code::Unavailable, Code::StorageFull, Code::Contended];
    match dice.below(1_000) {
        roll if roll < weather.fails => {
            let code = code[dice.below(3)];
            if dice.permille(500) { Fate::FailBefore(code) } else { Fate::FailAfter(code) }
        }
        roll if roll < weather.fails + weather.crashes => {
            if dice.permille(500) {
                Fate::CrashBefore
            } else {
                Fate::CrashAfter
            }
        }
        roll if roll < weather.fails + weather.crashes + weather.suspends => Fate::Suspend,
        _ => Fate::Pass,
    }
}

fn spell(step: &Step) -> String {
    match step {
        Step::Claimed { next } => format!("Claimed at {next}"),
        Step::Projected { records } => format!("Projected {records}"),
        Step::Flushed => "Flushed".to_owned(),
        Step::Idle => "Idle".to_owned(),
        Step::Failed { component, error, .. } => format!("Failed in {}: {error}", component.as_str()),
        Step::Released(error) => format!("Released: {error}"),
        Step::Halted(error) => format!("Halted: {error}"),
    }
}
