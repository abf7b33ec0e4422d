//! What was written before under an event id.
//!
//! A journal knows. Where the log cannot tell (Kafka), the records are asked: what has been projected is
//! answered again; of two writes within the projector's lag the first in the log takes effect, and the
//! other is counted as a duplicate.

use std::collections::HashMap;

use super::Engine;
use crate::error::Result;
use crate::event::{Event, codec};
use crate::ids::{EventId, Place};
use crate::limits;
use crate::log::Record;
use crate::store::StoredEvent;

/// An event that was written before.
#[derive(Clone, Debug)]
pub(super) struct First {
    /// The event, without content when a delete erased it; `None` when its record cannot be read.
    pub event: Option<Event>,
    /// Where it lies.
    pub place: Place,
}

impl First {
    /// As the log holds it.
    pub(super) fn of_record(record: &Record) -> Self {
        let event = codec::decode(record, limits::VALUE_BYTES_MAX).ok().map(|entry| entry.event);
        Self { event, place: record.place.clone() }
    }

    fn of_stored(stored: StoredEvent) -> Self {
        Self { event: Some(stored.event), place: stored.place }
    }
}

/// What was written before under this id.
pub(super) async fn find(engine: &Engine, event_id: EventId) -> Result<Option<First>> {
    if engine.log.knows_event_ids() {
        return Ok(engine.log.find(event_id).await?.as_ref().map(First::of_record));
    }
    Ok(engine.store.event(event_id).await?.map(First::of_stored))
}

/// What was written before under these ids, as far as appending will not find it out itself.
pub(super) async fn beside_the_log(engine: &Engine, event_ids: &[EventId]) -> Result<HashMap<EventId, First>> {
    if engine.log.knows_event_ids() || event_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let stored = engine.store.events(event_ids).await?;
    Ok(stored.into_iter().map(|stored| (stored.event.event_id, First::of_stored(stored))).collect())
}
