//! The history of one memory, page by page.
//!
//! A cursor is the last event of its page. Order and content are read apart, so that memory is bounded by
//! the page and not by what the memory has ever held; an event that arrives late in between may stand on
//! neither page, as in any list that grows.

use super::read::not_found;
use super::{Engine, Page, list};
use crate::error::Result;
use crate::event::EventType;
use crate::ids::{EventId, MemoryId};
use crate::memory::HistoryEntry;
use crate::store::Mark;
use crate::{json, limits};

pub(super) async fn history(
    engine: &Engine,
    id: MemoryId,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<HistoryEntry>> {
    list::check_limit(limit)?;
    let marks = engine.store.histories(&[id]).await?.remove(&id);
    let marks = marks.ok_or_else(|| not_found(id, "no memory {} is known"))?;
    let from = cursor.map_or(Ok(0), |cursor| behind(&marks, cursor))?;
    let mut rest = without_effect(&marks).into_iter().zip(marks).skip(from);
    let (mut items, mut bytes) = (Vec::new(), 0);
    while items.len() < limit && bytes < limits::PAGE_BYTES {
        let Some((hidden, mark)) = rest.next() else { break };
        let stored = if hidden { None } else { engine.store.event(mark.event_id).await? };
        let payload = stored.and_then(|stored| stored.event.content).map(|content| content.payload);
        bytes += payload.as_ref().map_or(0, json::weight);
        let Mark { event_id, kind, timestamp, place } = mark;
        items.push(HistoryEntry { event_id, kind, timestamp, place, payload });
    }
    let next_cursor = rest.next().and(items.last()).map(|last: &HistoryEntry| last.event_id.to_string());
    Ok(Page { items, next_cursor })
}

/// The number of events up to the one that the cursor names.
fn behind(marks: &[Mark], cursor: &str) -> Result<usize> {
    let last = EventId::parse_strict(cursor).map_err(|_| list::bad_cursor("was not made by this system"))?;
    let found = marks.iter().position(|mark| mark.event_id == last);
    found.map(|at| at + 1).ok_or_else(|| list::bad_cursor("is that of another memory"))
}

/// Which events have nothing to show: deletes, and updates that came after a delete and took no effect.
/// The content of the latter is kept in case a late event shows that they did, and nobody sees it until
/// then.
fn without_effect(marks: &[Mark]) -> Vec<bool> {
    let mut gone = false;
    let hidden = marks.iter().map(|mark| {
        gone = match mark.kind {
            EventType::Created => false,
            EventType::Deleted => true,
            EventType::Updated => gone,
        };
        gone
    });
    hidden.collect()
}
