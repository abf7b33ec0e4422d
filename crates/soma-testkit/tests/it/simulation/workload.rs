//! What writers append in a run, and what a perfect reader would make of each record.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;
use soma_core::error::Code;
use soma_core::event::{Event, EventType, codec};
use soma_core::fold::Entry;
use soma_core::ids::{EventId, Place};
use soma_core::log::{Appended, EventLog, NewRecord, Record};
use soma_core::testing::sample::{memory_id, namespace, record, time, with_payload};
use soma_core::testing::{Log, SeededClock};

use super::dice::Dice;

/// How many memories writers write most.
const MEMORIES: usize = 5;
/// How many there are in all; their threads reach further than a turn's context does.
const MEMORIES_MAX: usize = 20;

/// One record and what it means.
pub(super) struct Fact {
    /// Where it lies.
    pub(super) place: Place,
    /// The record as it was written, before anything was erased.
    pub(super) written: NewRecord,
    /// The event in it, at its place or at its origin.
    pub(super) entry: Option<Entry>,
    /// Why it must become a dead letter.
    pub(super) bad: Option<Code>,
}

impl Fact {
    /// The record, as far as it was the writer's.
    pub(super) fn record(&self) -> Record {
        let NewRecord { key, value, headers, .. } = self.written.clone();
        Record { place: self.place.clone(), timestamp: time(7), key, value, headers }
    }
}

/// The writers.
pub(super) struct Workload {
    pub(super) logs: Vec<Arc<Log>>,
    pub(super) facts: Vec<Fact>,
    /// Events whose rows the store refuses.
    pub(super) refused: Arc<Mutex<BTreeSet<EventId>>>,
    /// Offsets that no record has, where a redriven one may have lain.
    gaps: Vec<Place>,
    events: u64,
}

impl Workload {
    pub(super) fn new(logs: Vec<Arc<Log>>) -> Self {
        Self { logs, facts: Vec::new(), refused: Arc::default(), gaps: Vec::new(), events: 0 }
    }

    /// Appends one record.
    pub(super) fn write(&mut self, dice: &mut Dice) {
        let log = dice.below(self.logs.len());
        match dice.below(20) {
            0 => self.tombstone(dice, log),
            1 | 2 => self.repeat(dice, log),
            3 => self.unreadable(dice, log),
            4 => self.stray(dice, log),
            5 => self.refuse(dice, log),
            6 => self.redrive_unread(dice, log),
            7 | 8 => self.redrive_into_gap(dice, log),
            9 => self.gap(dice, log),
            _ => {
                let event = self.event(dice);
                self.append(log, record(&event), None);
            }
        }
    }

    /// A new event: mostly of a memory that others write too.
    fn event(&mut self, dice: &mut Dice) -> Event {
        self.events += 1;
        let number = self.events;
        let memories = if dice.permille(500) { MEMORIES } else { MEMORIES_MAX };
        let memory = dice.below(memories) as u64;
        let kind = match dice.below(10) {
            0..4 => EventType::Created,
            4..8 => EventType::Updated,
            _ => EventType::Deleted,
        };
        let mut payload = json!({ "text": word(number), "n": number });
        if dice.permille(700) {
            payload["thread"] = json!(["often", "often", "often", "seldom"][dice.below(4)]);
            if dice.permille(800) {
                payload["seq"] = json!(dice.below(12));
            }
        }
        let event = Event {
            timestamp: time(dice.below(20) as u64),
            namespace: Some(namespace(["even", "odd"][memory as usize % 2])),
            ..with_payload(kind, memory, number, payload)
        };
        if kind == EventType::Deleted { Event { content: None, ..event } } else { event }
    }

    fn tombstone(&mut self, dice: &mut Dice, log: usize) {
        let id = memory_id(dice.below(MEMORIES) as u64);
        let key = Some(id.to_string().into_bytes());
        self.append(log, NewRecord { key, value: None, headers: Vec::new(), event_id: None }, None);
    }

    /// The same event once more, in the same log or in another one.
    fn repeat(&mut self, dice: &mut Dice, log: usize) {
        let plain = |fact: &&Fact| fact.bad.is_none() && fact.written.event_id.is_some() && !is_redriven(&fact.written);
        let known: Vec<&Fact> = self.facts.iter().filter(plain).collect();
        if let Some(fact) = dice.pick(&known) {
            let written = NewRecord { event_id: None, ..fact.written.clone() };
            self.append(log, written, None);
        }
    }

    fn unreadable(&mut self, dice: &mut Dice, log: usize) {
        let event = self.event(dice);
        let mut written = NewRecord { event_id: None, ..record(&event) };
        match dice.below(4) {
            0 => written.value = Some(b"{".to_vec()),
            1 => written.value = Some(b"\xff\xfe".to_vec()),
            2 => written.value = Some(b"{\"event_id\": 1}".to_vec()),
            _ => written.key = Some(memory_id(99).to_string().into_bytes()),
        }
        self.append(log, written, None);
    }

    /// An event in the wrong namespace, behind one in the right one.
    fn stray(&mut self, dice: &mut Dice, log: usize) {
        let event = Event { namespace: Some(namespace("stray")), ..self.event(dice) };
        let key = event.id.to_string().into_bytes();
        let partition = self.logs[log].partition_of(Some(&key));
        let is_sure = |fact: &Fact| {
            let names = fact.entry.as_ref().is_some_and(|e| e.event.id == event.id && e.event.namespace.is_some());
            names && fact.bad.is_none() && fact.place.partition == partition && fact.place.log == *self.logs[log].id()
        };
        if self.facts.iter().any(is_sure) {
            self.append(log, record(&event), Some(Code::NamespaceMismatch));
        }
    }

    /// An event that the store refuses.
    fn refuse(&mut self, dice: &mut Dice, log: usize) {
        let event = self.event(dice);
        self.refused.lock().expect("nobody panics here").insert(event.event_id);
        self.append(log, record(&event), Some(Code::StoreRejected));
    }

    /// A dead letter that comes again as it was, and is refused again.
    fn redrive_unread(&mut self, dice: &mut Dice, log: usize) {
        let id = self.logs[log].id().clone();
        let hopeless = |fact: &&Fact| {
            let again = fact.bad.is_some() && fact.bad != Some(Code::StoreRejected);
            again && fact.place.log == id && !is_redriven(&fact.written)
        };
        let known: Vec<&Fact> = self.facts.iter().filter(hopeless).collect();
        if let Some(fact) = dice.pick(&known) {
            let (written, bad) = (redriven(&fact.written, &fact.place), fact.bad);
            self.append(log, written, bad);
        }
    }

    /// An event that a reader could not read once and can read by now.
    fn redrive_into_gap(&mut self, dice: &mut Dice, log: usize) {
        let event = self.event(dice);
        let key = event.id.to_string().into_bytes();
        let partition = self.logs[log].partition_of(Some(&key));
        let log_id = self.logs[log].id().clone();
        let gap = self.gaps.iter().position(|gap| gap.log == log_id && gap.partition == partition);
        if let Some(gap) = gap {
            let origin = self.gaps.swap_remove(gap);
            self.append(log, redriven(&record(&event), &origin), None);
        }
    }

    fn gap(&mut self, dice: &mut Dice, log: usize) {
        let key = memory_id(dice.below(MEMORIES) as u64).to_string().into_bytes();
        let partition = self.logs[log].partition_of(Some(&key));
        let next = SeededClock::new(0).block_on(self.logs[log].bounds()).expect("memory does not fail")
            [partition as usize]
            .next;
        self.logs[log].skip(partition, 1);
        self.gaps.push(Place { log: self.logs[log].id().clone(), partition, offset: next });
    }

    /// Lets the store take what it refused, and sends those events once more.
    pub(super) fn mend(&mut self) {
        std::mem::take(&mut *self.refused.lock().expect("nobody panics here"));
        let refused: Vec<(NewRecord, Place)> = self
            .facts
            .iter()
            .filter(|fact| fact.bad == Some(Code::StoreRejected))
            .map(|fact| (fact.written.clone(), fact.place.clone()))
            .collect();
        for (written, place) in refused {
            let log = self.logs.iter().position(|log| *log.id() == place.log).expect("facts lie in logs");
            self.append(log, redriven(&written, &place), None);
        }
    }

    fn append(&mut self, log: usize, written: NewRecord, bad: Option<Code>) {
        let appended = SeededClock::new(0).block_on(self.logs[log].append(vec![written.clone()]));
        let Some(Appended::New(place)) = appended.expect("memory does not fail").pop() else { return };
        let mut fact = Fact { place, written, entry: None, bad };
        // The time of a tombstone is the log's.
        let record = if fact.written.value.is_none() { self.find(&fact.place) } else { None };
        match codec::decode(&record.unwrap_or_else(|| fact.record()), 1 << 20) {
            Ok(entry) => fact.entry = Some(entry),
            Err(refused) => fact.bad = fact.bad.or(Some(refused.error.code)),
        }
        self.facts.push(fact);
    }

    /// The record as the log holds it.
    fn find(&self, place: &Place) -> Option<Record> {
        self.logs.iter().flat_map(|log| log.records()).find(|record| record.place == *place)
    }
}

/// The word that only this event says.
pub(super) fn word(number: u64) -> String {
    format!("word{number}x")
}

fn is_redriven(written: &NewRecord) -> bool {
    written.headers.iter().any(|(name, _)| name == codec::ORIGIN_LOG)
}

fn redriven(written: &NewRecord, origin: &Place) -> NewRecord {
    let mut written = NewRecord { event_id: None, ..written.clone() };
    let origin = [
        (codec::ORIGIN_LOG, origin.log.to_string()),
        (codec::ORIGIN_PARTITION, origin.partition.to_string()),
        (codec::ORIGIN_OFFSET, origin.offset.to_string()),
    ];
    written.headers.extend(origin.map(|(name, value)| (name.to_owned(), value.into_bytes())));
    written
}
