//! How far the changes of a batch reach: which threads it touches where, and which points follow.
//!
//! A place counts whether or not its turn stands there in the end. An attempt at the same records that
//! failed may have written points beside it that no record stands behind, and it may have been cut
//! otherwise, so that what is passed over here was what it ended with. Rewriting around the place of
//! every event of the batch, its outcome aside, puts these right.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::context::{self, Subject};
use crate::error::Result;
use crate::event::EventType;
use crate::fold::{Entry, Folded, State};
use crate::ids::{MemoryId, Timestamp};
use crate::store::{Loaded, Staging};
use crate::thread::{Placed, Thread, TurnKey};

/// Places by thread, ascending.
pub(super) type Places = BTreeMap<Thread, BTreeSet<TurnKey>>;

/// Adds a place, if there is one.
pub(super) fn add(places: &mut Places, placed: Option<Placed>) {
    if let Some(Placed { thread, key, .. }) = placed {
        places.entry(thread).or_default().insert(key);
    }
}

/// The places that a batch touches: those that its memories had, have, or would have had between two of
/// its events.
pub(super) fn places(loaded: &Loaded, entries: &[Entry], folded: &Folded) -> Places {
    let mut places = Places::new();
    for change in folded.changes.iter().filter(|change| change.visible) {
        add(&mut places, loaded.states.get(&change.state.id).and_then(Placed::of));
        add(&mut places, Placed::of(&change.state));
    }
    // Since when each memory exists, as far as the batch has come.
    let mut since: HashMap<MemoryId, Timestamp> = HashMap::new();
    let living = loaded.states.values().filter(|state| state.kind != EventType::Deleted);
    since.extend(living.map(|state| (state.id, state.created_at)));
    for Entry { event, .. } in entries {
        let Some(content) = &event.content else {
            since.remove(&event.id);
            continue;
        };
        let before = loaded.states.get(&event.id).and_then(|state| state.namespace.as_ref());
        let Some(namespace) = event.namespace.as_ref().or(before) else { continue };
        for created_at in [*since.entry(event.id).or_insert(event.timestamp), event.timestamp] {
            add(&mut places, Placed::at(event.id, namespace, &content.payload, created_at));
        }
    }
    places
}

/// The turns around these places as staged so far, thread by thread.
pub(super) async fn turns(staging: &mut dyn Staging, places: &Places, reach: usize) -> Result<Vec<Vec<State>>> {
    let mut turns = Vec::with_capacity(places.len());
    for (thread, keys) in places {
        let keys: Vec<TurnKey> = keys.iter().copied().collect();
        turns.push(staging.turns(thread, &keys, reach).await?);
    }
    Ok(turns)
}

/// Whose points a batch makes anew: memories that stand alone as they were folded, turns as `turns`
/// brought them from [`context::SPREAD`] around the places.
pub(super) fn subjects<'a>(folded: &'a Folded, places: &Places, turns: &'a [Vec<State>]) -> Vec<Subject<'a>> {
    let changed = folded.changes.iter().filter(|change| change.visible).map(|change| &change.state);
    let alone = changed.filter(|state| Placed::of(state).is_none());
    let mut subjects: Vec<Subject<'a>> = alone.map(Subject::alone).collect();
    for (keys, turns) in places.values().zip(turns) {
        let keys: Vec<TurnKey> = keys.iter().copied().collect();
        subjects.extend(context::reached(turns, &keys));
    }
    subjects
}

/// Those of the subjects that no event of the batch names.
pub(super) fn unnamed(subjects: &[Subject<'_>], entries: &[Entry]) -> Vec<MemoryId> {
    let named: HashSet<MemoryId> = entries.iter().map(|entry| entry.event.id).collect();
    subjects.iter().map(|subject| subject.state.id).filter(|id| !named.contains(id)).collect()
}
