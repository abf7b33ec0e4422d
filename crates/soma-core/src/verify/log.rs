//! Reading the log: all of it, up to where it ended at the start.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use super::letters::Kept;
use crate::engine::Engine;
use crate::error::Result;
use crate::event::codec;
use crate::fold::Entry;
use crate::ids::{EventId, MemoryId, Namespace, Offset, Place};
use crate::limits;
use crate::log::{Bounds, ReadLimit, Record};

/// One of several passes over the log, each for a part of all ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartOf {
    pub(super) pass: u64,
    pub(super) passes: u64,
}

impl PartOf {
    pub(super) fn holds(self, id: &[u8]) -> bool {
        xxh3_64(id) % self.passes == self.pass
    }
}

/// What the log held when the verification began.
pub(super) struct Range {
    pub(super) bounds: Vec<Bounds>,
}

impl Range {
    pub(super) async fn now(engine: &Engine) -> Result<Self> {
        Ok(Self { bounds: engine.log.bounds().await? })
    }

    /// How many records there are at most; offsets may have gaps.
    pub(super) fn records(&self) -> u64 {
        self.bounds.iter().map(|bounds| bounds.next.saturating_sub(bounds.first)).sum()
    }

    /// Whether a record lay in the log already.
    pub(super) fn holds(&self, engine: &Engine, place: &Place) -> bool {
        place.log == *engine.log.id()
            && self.bounds.iter().any(|b| b.partition == place.partition && place.offset < b.next)
    }
}

/// Reads every record of the range, partition by partition, in order.
pub(super) async fn each(engine: &Engine, range: &Range, mut see: impl FnMut(&Record) + Send) -> Result<()> {
    for bounds in &range.bounds {
        between(engine, bounds, bounds.first, Some(bounds.next), &mut see).await?;
    }
    Ok(())
}

async fn between(
    engine: &Engine,
    bounds: &Bounds,
    from: Offset,
    to: Option<Offset>,
    see: &mut (impl FnMut(&Record) + Send),
) -> Result<()> {
    let limit = ReadLimit { records: limits::BATCH_EVENTS, bytes: limits::BATCH_BYTES };
    let mut next = from;
    while to.is_none_or(|to| next < to) {
        let records = engine.log.read(bounds.partition, next, limit).await?;
        let Some(last) = records.last() else { break };
        next = last.place.offset + 1;
        records.iter().filter(|record| to.is_none_or(|to| record.place.offset < to)).for_each(&mut *see);
    }
    Ok(())
}

/// What the log got since the range ended.
pub(super) struct Tail {
    /// Read so far.
    bounds: Vec<Bounds>,
    /// The memories that it names.
    pub(super) named: HashSet<MemoryId>,
}

impl Tail {
    pub(super) fn of(range: &Range) -> Self {
        Self { bounds: range.bounds.clone(), named: HashSet::new() }
    }

    /// Reads on to the end of the log.
    pub(super) async fn follow(&mut self, engine: &Engine) -> Result<()> {
        let Self { bounds, named } = self;
        let max = engine.value_bytes_max;
        for bounds in bounds {
            let mut next = bounds.next;
            let mut see = |record: &Record| {
                next = record.place.offset + 1;
                if let Ok(entry) = codec::decode(record, max) {
                    named.insert(entry.event.id);
                }
            };
            between(engine, bounds, bounds.next, None, &mut see).await?;
            bounds.next = next;
        }
        Ok(())
    }
}

/// Records whose event id had taken effect before: they change nothing.
///
/// Ids that occur once are settled without a second look. For the others the log is read again in
/// order, because a first occurrence that is refused, for its namespace, by a store or for its schema, does not count.
pub(super) async fn repeats(engine: &Engine, range: &Range, kept: &Kept, ids_per_pass: u64) -> Result<HashSet<Place>> {
    let passes = range.records().div_ceil(ids_per_pass).max(1);
    let mut repeated: HashSet<EventId> = HashSet::new();
    for pass in 0..passes {
        repeated.extend(twice(engine, range, PartOf { pass, passes }).await?);
    }
    if repeated.is_empty() {
        return Ok(HashSet::new());
    }
    let named = memories_of(engine, range, &repeated).await?;
    let mut without_effect = HashSet::new();
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut namespaces: HashMap<MemoryId, Namespace> = HashMap::new();
    let max = engine.value_bytes_max;
    each(engine, range, |record| {
        let Ok(Entry { event, .. }) = codec::decode(record, max) else { return };
        if kept.refused_elsewhere(&record.place).is_some() {
            return;
        }
        if seen.contains(&event.event_id) {
            without_effect.insert(record.place.clone());
            return;
        }
        if let Some(says) = event.namespace.as_ref().filter(|_| named.contains(&event.id))
            && namespaces.entry(event.id).or_insert_with(|| says.clone()) != says
        {
            return;
        }
        if repeated.contains(&event.event_id) {
            seen.insert(event.event_id);
        }
    })
    .await?;
    Ok(without_effect)
}

async fn twice(engine: &Engine, range: &Range, part: PartOf) -> Result<Vec<EventId>> {
    let mut ids: Vec<EventId> = Vec::new();
    let max = engine.value_bytes_max;
    each(engine, range, |record| {
        if let Ok(entry) = codec::decode(record, max)
            && part.holds(entry.event.event_id.0.as_bytes())
        {
            ids.push(entry.event.event_id);
        }
    })
    .await?;
    ids.sort_unstable();
    Ok(ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect())
}

async fn memories_of(engine: &Engine, range: &Range, events: &HashSet<EventId>) -> Result<HashSet<MemoryId>> {
    let mut named = HashSet::new();
    let max = engine.value_bytes_max;
    each(engine, range, |record| {
        if let Ok(entry) = codec::decode(record, max)
            && events.contains(&entry.event.event_id)
        {
            named.insert(entry.event.id);
        }
    })
    .await?;
    Ok(named)
}
