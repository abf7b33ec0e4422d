//! Appending: drafts to events, events to records, and what the log answered.
//!
//! An event that the log has already is no error when it says the same: its writer did not hear the
//! first answer. It is compared here, because only here is it known what was meant.

use std::collections::BTreeSet;

use super::admission::{self, Derived};
use super::first::{self, First};
use super::{Context, Engine, Written};
use crate::error::{Code, Error, Result};
use crate::event::build::{self, Draft};
use crate::event::{Event, codec};
use crate::ids::{EventId, Place};
use crate::limits;
use crate::log::{Appended, NewRecord};

pub(super) async fn remember(
    engine: &Engine,
    drafts: Vec<Draft>,
    context: Context<'_>,
) -> Result<Vec<Result<Written>>> {
    let mut named = BTreeSet::new();
    let is_repeatable = context.key.is_some() || drafts.iter().any(|draft| draft.event_id.is_some());
    let build = |(item, draft): (usize, Draft)| {
        // An id that is drawn here is nobody's yet.
        let is_named = draft.id.is_some() || draft.coordinate.is_some() || context.key.is_some();
        let event = event(engine, draft, context, item)?;
        if is_named {
            named.insert(event.id);
        }
        Ok(event)
    };
    let events = drafts.into_iter().enumerate().map(build).collect();
    let events = admission::remembered(engine, events, &named).await?;
    // Ids that were drawn here cannot have been written before.
    let repeats = if is_repeatable { Repeats::Possible } else { Repeats::Impossible };
    append_valid(engine, events, repeats, context.traceparent).await
}

pub(super) async fn publish(
    engine: &Engine,
    events: Vec<Event>,
    derived: Derived,
    traceparent: Option<&str>,
) -> Result<Vec<Result<Written>>> {
    let events = admission::published(engine, events, derived).await?;
    append_valid(engine, events, Repeats::Possible, traceparent).await
}

pub(super) async fn append(
    engine: &Engine,
    events: Vec<Event>,
    traceparent: Option<&str>,
) -> Result<Vec<Result<Written>>> {
    append_valid(engine, events.into_iter().map(Ok).collect(), Repeats::Possible, traceparent).await
}

/// Appends one event that must not fail on its own.
pub(super) async fn append_one(engine: &Engine, event: Event, traceparent: Option<&str>) -> Result<Written> {
    let mut answers = append(engine, vec![event], traceparent).await?;
    answers.pop().expect("append answers every event")
}

fn event(engine: &Engine, mut draft: Draft, context: Context<'_>, item: usize) -> Result<Event> {
    if let Some(key) = context.key {
        let namespace = draft.namespace.clone();
        let ids = key.item(&namespace, item);
        draft.event_id.get_or_insert_with(|| ids.event_id());
        if draft.coordinate.is_none() {
            draft.id.get_or_insert_with(|| ids.memory_id());
        }
    }
    draft.build(&*engine.clock)
}

/// Whether an event may have been written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    Possible,
    Impossible,
}

/// Appends the events among the items; an item that is an error keeps its place in the answer.
async fn append_valid(
    engine: &Engine,
    items: Vec<Result<Event>>,
    repeats: Repeats,
    traceparent: Option<&str>,
) -> Result<Vec<Result<Written>>> {
    let ids: Vec<EventId> = match repeats {
        Repeats::Possible => items.iter().flatten().map(|event| event.event_id).collect(),
        Repeats::Impossible => Vec::new(),
    };
    let known = first::beside_the_log(engine, &ids).await?;
    let mut records = Vec::with_capacity(items.len());
    let items: Vec<Result<Event>> = items
        .into_iter()
        .map(|item| {
            let event = item?;
            if !known.contains_key(&event.event_id) {
                records.push(record(engine, &event, traceparent)?);
            }
            Ok(event)
        })
        .collect();
    let mut appended = append_records(engine, records).await?.into_iter();
    let answer = |item: Result<Event>| {
        let event = item?;
        if let Some(first) = known.get(&event.event_id) {
            return repeated(&event, first);
        }
        let appended = appended.next().ok_or_else(|| {
            Error::new(Code::Internal, "the log answered fewer records than it was given").remedy("report this")
        })?;
        match appended {
            Appended::New(place) => Ok(written(&event, place, Repeated::No)),
            Appended::Existing(record) => repeated(&event, &First::of_record(&record)),
        }
    };
    Ok(items.into_iter().map(answer).collect())
}

async fn append_records(engine: &Engine, records: Vec<NewRecord>) -> Result<Vec<Appended>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    tokio::select! {
        biased;
        appended = engine.log.append(records) => appended,
        () = engine.clock.sleep(limits::APPEND_TIMEOUT) => {
            let what = format!("the log did not take the write within {} seconds", limits::APPEND_TIMEOUT.as_secs());
            Err(Error::new(Code::Unavailable, what)
                .remedy("repeat the write with the same idempotency key or event id: it may have arrived"))
        }
    }
}

fn record(engine: &Engine, event: &Event, traceparent: Option<&str>) -> Result<NewRecord> {
    let value = codec::encode(event);
    build::fits(value.len(), engine.value_bytes_max)?;
    let mut headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    headers.extend(traceparent.map(|trace| ("traceparent".to_owned(), trace.as_bytes().to_vec())));
    let key = event.id.to_string().into_bytes();
    Ok(NewRecord { key: Some(key), value: Some(value), headers, event_id: Some(event.event_id) })
}

enum Repeated {
    No,
    Yes,
}

fn written(event: &Event, place: Place, repeated: Repeated) -> Written {
    let repeated = matches!(repeated, Repeated::Yes);
    Written { id: event.id, event_id: event.event_id, place, repeated }
}

/// The first answer again, if the log's event says what this one says.
pub(super) fn repeated(event: &Event, first: &First) -> Result<Written> {
    let said = first.event.as_ref();
    if said.is_some_and(|first| says_the_same(event, first)) {
        return Ok(written(event, first.place.clone(), Repeated::Yes));
    }
    if event.content.is_some() && said.is_some_and(|first| first.content.is_none()) {
        let what = format!("what the event {} wrote before has been deleted since", event.event_id);
        return Err(Error::new(Code::IdempotencyConflict, what)
            .remedy("use a new idempotency key or event id to write it again"));
    }
    let what = format!("the event {} was written before with another content", event.event_id);
    Err(Error::new(Code::IdempotencyConflict, what).remedy("use a new idempotency key or event id for a new write"))
}

/// Whether two events are the same apart from their times. What an erased one said is not known any more,
/// so nothing that says something is the same.
fn says_the_same(event: &Event, first: &Event) -> bool {
    let mut event = event.clone();
    event.timestamp = first.timestamp;
    codec::encode(&event) == codec::encode(first)
}
