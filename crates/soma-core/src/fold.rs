//! What events mean: state and events in, changes out. Pure.
//!
//! A memory's state is the fold of its events in their **total order**: within one partition of one
//! log by offset; across logs by (effective time, log, partition). An event's effective time is fixed
//! when it arrives: the latest timestamp among itself and the events before it in its own partition,
//! and no later than that of an event behind it (a redriven event is placed where it first lay, so
//! there can be one). Each partition delivers its events in one order, so the total order follows
//! from the logs alone, every interleaving of them ends in the same state, and what once preceded a
//! delete precedes it for ever.
//!
//! Nearly always the arriving event continues the partition of the memory's last event
//! ([`continues`]) and is applied to the stored state directly. Any other is put into its place by
//! folding the memory's stored events again; the caller supplies them when [`batch`] asks.
//!
//! Invariants: an event id takes effect once; a memory never changes its namespace; a delete leaves
//! no content behind in anything that precedes it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use crate::error::{Code, Error};
use crate::event::{Content, Event, EventType};
use crate::ids::{EventId, LogId, MemoryId, Namespace, Offset, Partition, Place, Timestamp};
use crate::memory::Memory;
use crate::store::Loaded;

/// Everything that the stores keep about one memory, deleted or not.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The memory.
    pub id: MemoryId,
    /// Its namespace, for ever; absent while only tombstones have named it.
    pub namespace: Option<Namespace>,
    /// What the shown event did; `Deleted` means that the memory is gone.
    pub kind: EventType,
    /// What it holds; absent when it is deleted, or when the log had it erased.
    pub content: Option<Content>,
    /// Time of the first event that set it since it last came into being.
    pub created_at: Timestamp,
    /// Time of the shown event.
    pub updated_at: Timestamp,
    /// The shown event: the winner.
    pub event_id: EventId,
    /// How many valid events it has had, losers included.
    pub version: u64,
    /// Where the last event of the total order lies.
    pub at: Place,
    /// That event's effective time.
    pub effective: Timestamp,
    /// Under which `rev` the state was stored; 0 until it is.
    pub rev: u64,
}

impl State {
    /// The memory that readers see, if there is one.
    #[must_use]
    pub fn into_memory(self) -> Option<Memory> {
        let content = self.content?;
        Some(Memory {
            id: self.id,
            namespace: self.namespace?,
            payload: content.payload,
            importance: content.importance,
            model_revision: content.model_revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
            event_id: self.event_id,
        })
    }

    /// Whether readers see it.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.content.is_some() && self.namespace.is_some()
    }
}

/// One event in its place: a row of a memory's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event, without content when a delete erased it.
    pub event: Event,
    /// Where it lies, or where it first lay if it was redriven.
    pub place: Place,
}

/// Which stored history rows of a memory lose their content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Erase {
    /// None of them.
    #[default]
    Nothing,
    /// Every row stored so far.
    Everything,
    /// The rows of these events.
    Events(Vec<EventId>),
}

/// What one batch does to one memory. A store erases first, then inserts `rows`, then writes `state`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The state afterwards.
    pub state: State,
    /// Whether readers see a difference: the state gets a `rev` of its own and the point is rewritten.
    pub visible: bool,
    /// What the history loses.
    pub erase: Erase,
    /// What the history gains, in the order of arrival.
    pub rows: Vec<Entry>,
}

/// What became of one event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took its place and readers see its effect, at least until a later event of the batch.
    Applied,
    /// It is kept in the history, and a newer state or a delete stands.
    Stale,
    /// Its event id had taken effect before: nothing changes.
    Duplicate,
    /// The memory belongs to another namespace: a dead letter.
    NamespaceMismatch,
}

/// A folded batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// One change per memory that an event touched, by id.
    pub changes: Vec<Change>,
    /// What became of each event, in the order given.
    pub outcomes: Vec<Outcome>,
}

/// Whether an event at `place` is known to come last in the total order, from the state alone: it
/// lies behind the memory's last event, in the same partition.
#[must_use]
pub fn continues(state: &State, place: &Place) -> bool {
    state.at.same_partition(place) && place.offset > state.at.offset
}

/// Folds a batch over what the store knows.
///
/// # Errors
/// The memories whose stored events are needed because an event may have arrived late: call again
/// with `entries` holding them, in the order in which they were stored.
pub fn batch(
    loaded: &Loaded,
    events: &[Entry],
    entries: &HashMap<MemoryId, Vec<Entry>>,
) -> Result<Folded, Vec<MemoryId>> {
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut works: BTreeMap<MemoryId, Work> = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(events.len());

    for (number, entry) in events.iter().enumerate() {
        let event = &entry.event;
        if loaded.seen.contains(&event.event_id) || seen.contains(&event.event_id) {
            outcomes.push(Outcome::Duplicate);
            continue;
        }
        let before = loaded.states.get(&event.id);
        let known = works.get(&event.id).map_or(before, |work| work.state.as_ref());
        if !namespace_fits(known, event) {
            outcomes.push(Outcome::NamespaceMismatch);
            continue;
        }
        seen.insert(event.event_id);
        outcomes.push(works.entry(event.id).or_insert_with(|| Work::new(before)).take(number, entry));
    }

    let is_missing = |(id, work): &(&MemoryId, &Work)| work.is_late() && work.stored && !entries.contains_key(id);
    let missing: Vec<MemoryId> = works.iter().filter(is_missing).map(|(id, _)| *id).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let mut changes = Vec::with_capacity(works.len());
    for (id, mut work) in works {
        if work.is_late() {
            let stored = entries.get(&id).filter(|_| work.stored).map_or(&[][..], Vec::as_slice);
            work.refold(stored, &mut outcomes);
        }
        changes.extend(work.finish(loaded.states.get(&id)));
    }
    Ok(Folded { changes, outcomes })
}

/// Folds all events of one memory from nothing: the definition that [`batch`] must agree with.
/// The events of one partition come in the order in which it delivered them.
#[must_use]
pub fn from_scratch(entries: &[Entry]) -> Option<State> {
    fold(&total_order(entries)).0
}

/// The entries in their total order, oldest first. The events of one partition come in the order in
/// which it delivered them.
#[must_use]
pub fn in_order(entries: &[Entry]) -> Vec<&Entry> {
    total_order(entries).into_iter().map(|ranked| ranked.entry).collect()
}

fn namespace_fits(state: Option<&State>, event: &Event) -> bool {
    belongs(state.and_then(|state| state.namespace.as_ref()), event)
}

/// Whether an event may be one of a memory that belongs to `namespace`, if to any yet.
pub(crate) fn belongs(namespace: Option<&Namespace>, event: &Event) -> bool {
    match (namespace, &event.namespace) {
        (Some(has), Some(says)) => has == says,
        (None, _) | (_, None) => true,
    }
}

/// What the writer of an event is told whose memory belongs to another namespace.
pub(crate) fn mismatch(event: &Event) -> Error {
    let says = event.namespace.as_ref().map(ToString::to_string).unwrap_or_default();
    let what = format!("memory {} belongs to another namespace than {says:?}", event.id);
    Error::new(Code::NamespaceMismatch, what)
        .at("namespace")
        .remedy("write it under the namespace of its first event, or under another id")
}

/// An entry with what orders it.
struct Ranked<'a> {
    entry: &'a Entry,
    effective: Timestamp,
    /// Its number in the order of arrival.
    arrival: usize,
}

/// Sorts entries that are given in the order of their arrival.
fn total_order(entries: &[Entry]) -> Vec<Ranked<'_>> {
    let mut partitions: HashMap<(&LogId, Partition), BTreeMap<Offset, Timestamp>> = HashMap::new();
    let mut ranked = Vec::with_capacity(entries.len());
    for (arrival, entry) in entries.iter().enumerate() {
        let Place { log, partition, offset } = &entry.place;
        let times = partitions.entry((log, *partition)).or_default();
        let before = times.range(..=offset).next_back().map(|(_, time)| *time);
        let behind = times.range((Bound::Excluded(offset), Bound::Unbounded)).next().map(|(_, time)| *time);
        let own = entry.event.timestamp;
        let effective = before.map_or(own, |before| before.max(own));
        let effective = behind.map_or(effective, |behind| behind.min(effective));
        times.insert(*offset, effective);
        ranked.push(Ranked { entry, effective, arrival });
    }
    ranked.sort_by_key(|ranked| {
        let Place { log, partition, offset } = &ranked.entry.place;
        (ranked.effective, log, *partition, *offset, ranked.arrival)
    });
    ranked
}

/// Folds entries in their total order; tells of each whether it took effect.
fn fold(ordered: &[Ranked<'_>]) -> (Option<State>, Vec<Outcome>) {
    let mut state: Option<State> = None;
    let mut shown: Option<&Entry> = None;
    let mut outcomes = Vec::with_capacity(ordered.len());
    for Ranked { entry, effective, .. } in ordered {
        let outcome = match &mut state {
            None => {
                state = Some(State { content: None, ..first(entry) });
                Outcome::Applied
            }
            Some(state) => step(state, entry, *effective),
        };
        if outcome == Outcome::Applied {
            shown = Some(entry);
        }
        outcomes.push(outcome);
    }
    // The content is copied once, from the event that is shown in the end.
    if let Some(state) = &mut state {
        state.content = shown.and_then(|entry| entry.event.content.clone());
    }
    (state, outcomes)
}

/// The state of a memory that has had this one event.
fn first(entry: &Entry) -> State {
    let Entry { event, place } = entry;
    State {
        id: event.id,
        namespace: event.namespace.clone(),
        kind: event.kind,
        content: event.content.clone(),
        created_at: event.timestamp,
        updated_at: event.timestamp,
        event_id: event.event_id,
        version: 1,
        at: place.clone(),
        effective: event.timestamp,
        rev: 0,
    }
}

/// Applies the next event of the total order, except for its content, which is the caller's.
fn step(state: &mut State, entry: &Entry, effective: Timestamp) -> Outcome {
    let event = &entry.event;
    state.version += 1;
    state.at = entry.place.clone();
    state.effective = effective;
    if state.namespace.is_none() {
        state.namespace.clone_from(&event.namespace);
    }
    let gone = state.kind == EventType::Deleted;
    match event.kind {
        EventType::Updated if gone => return Outcome::Stale,
        EventType::Created if gone => state.created_at = event.timestamp,
        EventType::Created | EventType::Updated | EventType::Deleted => {}
    }
    state.kind = event.kind;
    state.updated_at = event.timestamp;
    state.event_id = event.event_id;
    Outcome::Applied
}

/// One memory's change while a batch is folded.
struct Work {
    /// Whether the store has a row.
    stored: bool,
    /// The state after the events so far; once one is late, only its namespace is kept up to date.
    state: Option<State>,
    erase: Erase,
    rows: Vec<Entry>,
    /// Since which row the order is open, and the numbers of these rows in the batch.
    late: Option<(usize, Vec<usize>)>,
}

impl Work {
    fn new(before: Option<&State>) -> Self {
        Self { stored: before.is_some(), state: before.cloned(), erase: Erase::Nothing, rows: Vec::new(), late: None }
    }

    const fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Takes the next event in the order of arrival. The outcome of a late one is not yet known.
    fn take(&mut self, number: usize, entry: &Entry) -> Outcome {
        if self.late.is_none() && self.state.as_ref().is_some_and(|state| !continues(state, &entry.place)) {
            self.late = Some((self.rows.len(), Vec::new()));
        }
        let outcome = match (&mut self.late, &mut self.state) {
            (Some((_, numbers)), state) => {
                numbers.push(number);
                if let Some(state) = state
                    && state.namespace.is_none()
                {
                    state.namespace.clone_from(&entry.event.namespace);
                }
                Outcome::Stale
            }
            (None, Some(state)) => {
                let outcome = step(state, entry, state.effective.max(entry.event.timestamp));
                if outcome == Outcome::Applied {
                    state.content.clone_from(&entry.event.content);
                }
                outcome
            }
            (None, None) => {
                self.state = Some(first(entry));
                Outcome::Applied
            }
        };
        if self.late.is_none() && entry.event.kind == EventType::Deleted {
            self.erase = Erase::Everything;
            self.rows.iter_mut().for_each(|row| row.event.content = None);
        }
        self.rows.push(entry.clone());
        outcome
    }

    /// Puts late events into their places by folding everything again.
    fn refold(&mut self, stored: &[Entry], outcomes: &mut [Outcome]) {
        let rev = self.state.as_ref().map_or(0, |state| state.rev);
        let all: Vec<Entry> = stored.iter().chain(&self.rows).cloned().collect();
        let ordered = total_order(&all);
        let (state, effects) = fold(&ordered);
        self.state = state.map(|state| State { rev, ..state });

        if let Some((since, numbers)) = &self.late {
            // An event had its effect on readers unless one that was there before it stands behind it.
            let mut earliest = usize::MAX;
            for (ranked, effect) in ordered.iter().zip(effects).rev() {
                let shown = effect == Outcome::Applied && ranked.arrival < earliest;
                if effect == Outcome::Applied {
                    earliest = earliest.min(ranked.arrival);
                }
                if let Some(late) = ranked.arrival.checked_sub(stored.len() + since) {
                    outcomes[numbers[late]] = if shown { Outcome::Applied } else { Outcome::Stale };
                }
            }
        }

        let last_delete = ordered.iter().rposition(|ranked| ranked.entry.event.kind == EventType::Deleted);
        let mut erased = Vec::new();
        for ranked in &ordered[..last_delete.unwrap_or(0)] {
            match ranked.arrival.checked_sub(stored.len()) {
                Some(row) => self.rows[row].event.content = None,
                None if ranked.entry.event.content.is_some() => erased.push(ranked.entry.event.event_id),
                None => {}
            }
        }
        if self.erase != Erase::Everything && !erased.is_empty() {
            erased.sort_unstable();
            self.erase = Erase::Events(erased);
        }
    }

    fn finish(self, before: Option<&State>) -> Option<Change> {
        let Self { state, erase, rows, .. } = self;
        let state = state?;
        let visible = before.is_none_or(|b| {
            b.event_id != state.event_id
                || b.kind != state.kind
                || b.is_live() != state.is_live()
                || b.created_at != state.created_at
        });
        Some(Change { state, visible, erase, rows })
    }
}
