//! What everybody else reads.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic;

use async_trait::async_trait;

use super::{Store, Tables};
use crate::error::Result;
use crate::event::EventType;
use crate::fold::{State, in_order};
use crate::ids::{EventId, MemoryId, Namespace, Position};
use crate::json::page_len;
use crate::memory::{HistoryEntry, Memory};
use crate::store::{
    Audit, Counts, ListKey, ListQuery, Mark, NamespaceCount, Order, PositionRow, Progress, ProjectorName, Reading,
    StoredEvent,
};
use crate::testing::lock;
use crate::thread::{Thread, TurnKey};

impl Store {
    fn tables(&self) -> Tables {
        lock(&self.0.inner).tables.clone()
    }
}

impl Tables {
    fn live(&self) -> impl Iterator<Item = Memory> {
        self.memories.values().filter_map(|row| row.state.clone().into_memory())
    }

    /// See [`crate::store::Staging::turns`].
    pub(super) fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Vec<State> {
        let rows = self.memories.values().filter_map(|row| Some((row.placed.as_ref()?, row)));
        let turns: BTreeMap<TurnKey, _> =
            rows.filter(|(placed, _)| placed.thread == *thread).map(|(placed, row)| (placed.key, row)).collect();
        let mut found: BTreeMap<TurnKey, State> = BTreeMap::new();
        for key in around {
            let after = turns.range((Bound::Excluded(*key), Bound::Unbounded)).take(reach);
            let near = turns.range(..*key).rev().take(reach).chain(turns.get_key_value(key)).chain(after);
            found.extend(near.map(|(key, row)| (*key, row.state.clone())));
        }
        found.into_values().collect()
    }

    fn by_namespace(&self) -> BTreeMap<Namespace, u64> {
        let mut counts = BTreeMap::new();
        for memory in self.live() {
            *counts.entry(memory.namespace).or_default() += 1;
        }
        counts
    }
}

/// Where a list puts one memory before another.
fn compare(order: Order, a: &ListKey, b: &ListKey) -> Ordering {
    let first = match order {
        Order::Newest => Reverse(a.updated_at).cmp(&Reverse(b.updated_at)),
        Order::Oldest => a.updated_at.cmp(&b.updated_at),
        Order::Importance => match (a.importance, b.importance) {
            (Some(a), Some(b)) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
            (a, b) => b.is_some().cmp(&a.is_some()),
        },
    };
    first.then(a.id.cmp(&b.id))
}

fn list_key(memory: &Memory) -> ListKey {
    ListKey { updated_at: memory.updated_at, importance: memory.importance, id: memory.id }
}

/// The whole history of a memory with its content, as a reader would put it together; `None` when the
/// memory is unknown.
///
/// # Errors
/// Those of the store.
pub async fn history<S: Reading + ?Sized>(store: &S, id: MemoryId) -> Result<Option<Vec<HistoryEntry>>> {
    let Some(marks) = store.histories(&[id]).await?.remove(&id) else { return Ok(None) };
    let mut history = Vec::with_capacity(marks.len());
    for Mark { event_id, kind, timestamp, place } in marks {
        let content = store.event(event_id).await?.and_then(|stored| stored.event.content);
        let payload = content.map(|content| content.payload);
        history.push(HistoryEntry { event_id, kind, timestamp, place, payload });
    }
    Ok(Some(history))
}

#[async_trait]
impl Reading for Store {
    async fn states(&self, ids: &[MemoryId]) -> Result<Vec<State>> {
        self.0.rows_read.fetch_add(ids.len(), atomic::Ordering::Relaxed);
        let tables = self.tables();
        Ok(ids.iter().filter_map(|id| tables.memories.get(id)).map(|row| row.state.clone()).collect())
    }

    async fn owners(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Option<Namespace>>> {
        let states = self.states(ids).await?;
        Ok(states.into_iter().map(|state| (state.id, state.namespace)).collect())
    }

    async fn scan(&self, after: Option<MemoryId>, limit: usize) -> Result<Vec<State>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.tables();
        let rows = tables.memories.range((from, Bound::Unbounded)).take(limit).map(|(_, row)| &row.state);
        let len = page_len(rows.clone().map(|state| state.content.as_ref().map(|content| &content.payload)));
        Ok(rows.take(len).cloned().collect())
    }

    async fn turns(&self, thread: &Thread, around: &[TurnKey], reach: usize) -> Result<Vec<State>> {
        Ok(self.tables().turns(thread, around, reach))
    }

    async fn actors(&self, namespaces: &[Namespace], limit: usize) -> Result<Vec<String>> {
        let tables = self.tables();
        let placed = tables.memories.values().filter_map(|row| row.placed.as_ref());
        let within = placed.filter(|placed| namespaces.contains(&placed.thread.namespace));
        let actors: BTreeSet<&String> = within.filter_map(|placed| placed.actor.as_ref()).collect();
        Ok(actors.into_iter().take(limit).cloned().collect())
    }

    async fn histories(&self, ids: &[MemoryId]) -> Result<HashMap<MemoryId, Vec<Mark>>> {
        let tables = self.tables();
        let rows = ids.iter().filter_map(|id| Some((*id, tables.memories.get(id)?)));
        Ok(rows.map(|(id, row)| (id, in_order(&row.entries).into_iter().map(Mark::from).collect())).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Memory>> {
        let mut memories: Vec<Memory> = self
            .tables()
            .live()
            .filter(|memory| query.namespaces.as_ref().is_none_or(|names| names.contains(&memory.namespace)))
            .filter(|memory| query.filter.as_ref().is_none_or(|filter| filter.matches(memory)))
            .filter(|memory| {
                query.after.as_ref().is_none_or(|after| compare(query.order, &list_key(memory), after).is_gt())
            })
            .collect();
        memories.sort_by(|a, b| compare(query.order, &list_key(a), &list_key(b)));
        memories.truncate(query.limit);
        memories.truncate(page_len(memories.iter().map(|memory| Some(&memory.payload))));
        Ok(memories)
    }

    async fn namespaces(&self, prefix: &str, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceCount>> {
        let counts = self.tables().by_namespace().into_iter();
        Ok(counts
            .filter(|(namespace, _)| namespace.as_str().starts_with(prefix) && after.is_none_or(|a| namespace > a))
            .map(|(namespace, memories)| NamespaceCount { namespace, memories })
            .take(limit)
            .collect())
    }

    async fn counts(&self) -> Result<Counts> {
        let tables = self.tables();
        let states = tables.memories.values().map(|row| &row.state);
        Ok(Counts {
            memories: tables.live().count() as u64,
            deleted: states.filter(|state| state.kind == EventType::Deleted).count() as u64,
            events: tables.events.len() as u64,
            namespaces: tables.by_namespace().len() as u64,
        })
    }

    /// Counts are made of the rows, and events lie in them.
    async fn audit(&self, _limit: usize) -> Result<Audit> {
        Ok(Audit::default())
    }

    async fn event(&self, event_id: EventId) -> Result<Option<StoredEvent>> {
        let tables = self.tables();
        let row = tables.events.get(&event_id).and_then(|id| tables.memories.get(id));
        let entry = row.and_then(|row| row.entries.iter().find(|entry| entry.event.event_id == event_id));
        Ok(entry.map(|entry| StoredEvent { event: entry.event.clone(), place: entry.place.clone() }))
    }
}

#[async_trait]
impl Progress for Store {
    async fn positions(&self) -> Result<Vec<PositionRow>> {
        let inner = lock(&self.0.inner);
        let rows = inner.positions.iter().map(|((projector, log, partition), row)| PositionRow {
            projector: projector.clone(),
            log: log.clone(),
            partition: *partition,
            next: row.next,
            indexed: row.indexed,
            updated_at: row.updated_at,
        });
        Ok(rows.collect())
    }

    async fn reached(&self, projector: &ProjectorName, position: &Position) -> Result<()> {
        loop {
            let moved = self.0.moved.notified();
            let reached = {
                let inner = lock(&self.0.inner);
                position.0.iter().all(|((log, partition), next)| {
                    let row = inner.positions.get(&(projector.clone(), log.clone(), *partition));
                    row.map_or(0, |row| row.next) >= *next
                })
            };
            if reached {
                return Ok(());
            }
            moved.await;
        }
    }
}
