//! What events mean: state and events in, changes out. Pure.
//!
//! A memory's state is the fold of its events in their **total order**: within one partition of one
//! log by offset; across logs by (effective time, log, partition, offset), where an event's effective
//! time is the latest timestamp among itself and the events before it in its own partition. The
//! order depends on the events alone, so every interleaving of logs ends in the same state.
//!
//! Nearly always the arriving event is the last of that order ([`wins`]) and is applied to the
//! stored state directly. An event that arrives late is put into its place by folding the memory's
//! stored events again; the caller supplies them when [`batch`] asks.
//!
//! Invariants: an event id takes effect once; a memory never changes its namespace; a delete leaves
//! no content behind in anything that precedes it.

use std::collections::{BTreeMap, HashMap, HashSet};

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
    pub fn memory(&self) -> Option<Memory> {
        let content = self.content.as_ref()?;
        Some(Memory {
            id: self.id,
            namespace: self.namespace.clone()?,
            payload: content.payload.clone(),
            importance: content.importance,
            model_revision: content.model_revision.clone(),
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

/// Whether an event at `place` comes last in the total order of a memory whose last event is `state.at`.
#[must_use]
pub fn wins(state: &State, place: &Place, timestamp: Timestamp) -> bool {
    if state.at.same_partition(place) {
        return place.offset > state.at.offset;
    }
    (timestamp, &place.log, place.partition) > (state.effective, &state.at.log, state.at.partition)
}

/// Folds a batch over what the store knows.
///
/// # Errors
/// The memories whose stored events are needed because an event arrived late: call again with
/// `entries` holding them.
pub fn batch(
    loaded: &Loaded,
    events: &[Entry],
    entries: &HashMap<MemoryId, Vec<Entry>>,
) -> Result<Folded, Vec<MemoryId>> {
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut works: BTreeMap<MemoryId, Work> = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(events.len());
    let mut missing = Vec::new();

    for entry in events {
        let event = &entry.event;
        if loaded.seen.contains(&event.event_id) || !seen.insert(event.event_id) {
            outcomes.push(Outcome::Duplicate);
            continue;
        }
        let before = loaded.states.get(&event.id);
        let known = works.get(&event.id).map_or(before, |work| Some(&work.state));
        if !namespace_fits(known, event) {
            seen.remove(&event.event_id);
            outcomes.push(Outcome::NamespaceMismatch);
            continue;
        }
        let late = known.is_some_and(|state| !wins(state, &entry.place, event.timestamp));
        let work = works.entry(event.id).or_insert_with(|| Work::new(before, entry));
        if !late {
            outcomes.push(work.advance(before.is_some(), entry));
        } else if let Some(stored) = stored_entries(before, entries, event.id) {
            outcomes.push(work.refold(before.is_some(), stored, entry));
        } else {
            missing.push(event.id);
            outcomes.push(Outcome::Stale);
        }
    }
    if !missing.is_empty() {
        missing.sort_unstable();
        missing.dedup();
        return Err(missing);
    }
    let changes = works.into_iter().map(|(id, work)| work.finish(loaded.states.get(&id))).collect();
    Ok(Folded { changes, outcomes })
}

/// Folds all events of one memory from nothing: the definition that [`batch`] must agree with.
#[must_use]
pub fn from_scratch(entries: &[Entry]) -> Option<State> {
    let ordered = total_order(entries);
    let mut state: Option<State> = None;
    for (entry, effective) in ordered {
        match &mut state {
            None => state = Some(first(entry)),
            Some(state) => {
                step(state, entry);
                state.at = entry.place.clone();
                state.effective = effective;
            }
        }
    }
    state
}

/// The entries in their total order, oldest first.
#[must_use]
pub fn in_order(entries: &[Entry]) -> Vec<&Entry> {
    total_order(entries).into_iter().map(|(entry, _)| entry).collect()
}

fn namespace_fits(state: Option<&State>, event: &Event) -> bool {
    match (state.and_then(|s| s.namespace.as_ref()), &event.namespace) {
        (Some(has), Some(says)) => has == says,
        (None, _) | (_, None) => true,
    }
}

fn stored_entries<'a>(
    before: Option<&State>,
    entries: &'a HashMap<MemoryId, Vec<Entry>>,
    id: MemoryId,
) -> Option<&'a [Entry]> {
    match entries.get(&id) {
        Some(stored) => Some(stored),
        None if before.is_none() => Some(&[]),
        None => None,
    }
}

/// Sorts by (effective time, log, partition, offset), the effective time being the running maximum
/// within each partition.
fn total_order(entries: &[Entry]) -> Vec<(&Entry, Timestamp)> {
    let mut partitions: BTreeMap<(&LogId, Partition), BTreeMap<Offset, &Entry>> = BTreeMap::new();
    for entry in entries {
        let Place { log, partition, offset } = &entry.place;
        partitions.entry((log, *partition)).or_default().insert(*offset, entry);
    }
    let mut ordered = Vec::with_capacity(entries.len());
    for run in partitions.into_values() {
        let mut effective = Timestamp(i64::MIN);
        for entry in run.into_values() {
            effective = effective.max(entry.event.timestamp);
            ordered.push((entry, effective));
        }
    }
    ordered.sort_by_key(|(entry, effective)| {
        let Place { log, partition, offset } = &entry.place;
        (*effective, log, *partition, *offset)
    });
    ordered
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

/// Applies the next event of the total order. Place and effective time are the caller's.
fn step(state: &mut State, entry: &Entry) -> Outcome {
    let event = &entry.event;
    state.version += 1;
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
    state.content.clone_from(&event.content);
    state.updated_at = event.timestamp;
    state.event_id = event.event_id;
    Outcome::Applied
}

/// One memory's change while a batch is folded.
struct Work {
    state: State,
    erase: Erase,
    rows: Vec<Entry>,
}

impl Work {
    fn new(before: Option<&State>, entry: &Entry) -> Self {
        let state = before.cloned().unwrap_or_else(|| first(entry));
        Self { state, erase: Erase::Nothing, rows: Vec::new() }
    }

    /// Applies an event that comes last.
    fn advance(&mut self, stored: bool, entry: &Entry) -> Outcome {
        let outcome = if self.rows.is_empty() && !stored {
            Outcome::Applied
        } else {
            let same = self.state.at.same_partition(&entry.place);
            let outcome = step(&mut self.state, entry);
            let timestamp = entry.event.timestamp;
            self.state.effective = if same { self.state.effective.max(timestamp) } else { timestamp };
            self.state.at = entry.place.clone();
            outcome
        };
        if entry.event.kind == EventType::Deleted {
            self.erase = Erase::Everything;
            for row in &mut self.rows {
                row.event.content = None;
            }
        }
        self.rows.push(entry.clone());
        outcome
    }

    /// Puts a late event into its place by folding everything again.
    fn refold(&mut self, has_stored: bool, stored: &[Entry], entry: &Entry) -> Outcome {
        self.rows.push(entry.clone());
        let mut all: Vec<Entry> = if has_stored { stored.to_vec() } else { Vec::new() };
        if self.erase == Erase::Everything {
            all.iter_mut().for_each(|row| row.event.content = None);
        }
        all.extend(self.rows.iter().cloned());

        let rev = self.state.rev;
        let namespace = self.state.namespace.clone();
        if let Some(state) = from_scratch(&all) {
            self.state = State { rev, namespace: namespace.or(state.namespace), ..state };
        }
        let erased = erased_by_last_delete(&all);
        for row in &mut self.rows {
            if erased.contains(&row.event.event_id) {
                row.event.content = None;
            }
        }
        if self.erase != Erase::Everything {
            let mut ids: Vec<EventId> = stored
                .iter()
                .filter(|row| row.event.content.is_some() && erased.contains(&row.event.event_id))
                .map(|row| row.event.event_id)
                .collect();
            ids.sort_unstable();
            self.erase = if ids.is_empty() { Erase::Nothing } else { Erase::Events(ids) };
        }
        if self.state.event_id == entry.event.event_id { Outcome::Applied } else { Outcome::Stale }
    }

    fn finish(self, before: Option<&State>) -> Change {
        let Self { state, erase, rows } = self;
        let visible = before.is_none_or(|b| {
            b.event_id != state.event_id
                || b.kind != state.kind
                || b.is_live() != state.is_live()
                || b.created_at != state.created_at
        });
        Change { state, visible, erase, rows }
    }
}

/// The events that come before the last delete of the total order.
fn erased_by_last_delete(entries: &[Entry]) -> HashSet<EventId> {
    let ordered = in_order(entries);
    let last = ordered.iter().rposition(|entry| entry.event.kind == EventType::Deleted).unwrap_or(0);
    ordered[..last].iter().map(|entry| entry.event.event_id).collect()
}
