//! Changing what is there: replacing and deleting memories that a caller names or selects.
//!
//! What the records say decides which event is written; the log's order decides what it does. A
//! replacement of a live memory is `updated`, which does not bring a deleted one back, so a delete
//! that comes in between wins.

use serde_json::Value;

use super::{Context, Engine, Key, Written, admission, first, write};
use crate::error::{Code, Error, Result};
use crate::event::build::Draft;
use crate::event::{Event, EventType};
use crate::filter::Filter;
use crate::fold::State;
use crate::ids::{MemoryId, Namespace, Position};
use crate::limits;
use crate::memory::Memory;
use crate::store::{ListKey, ListQuery, Order};

/// One memory that a caller names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: MemoryId,
    /// Its namespace; may be left out when the memory is known.
    pub namespace: Option<Namespace>,
}

/// What a memory holds afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// Any JSON.
    pub payload: Value,
    /// Finite, at least 0.
    pub importance: Option<f64>,
    /// Finite numbers.
    pub embedding: Option<Vec<f64>>,
    /// 1 to 256 characters.
    pub model_revision: Option<String>,
}

/// Memories that a caller selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// In one of these namespaces; `None` is every namespace.
    pub namespaces: Option<Vec<Namespace>>,
    /// And matching this.
    pub filter: Option<Filter>,
}

/// What a deletion by selection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many memories it deleted.
    pub memories: u64,
    /// Covers every one of its events.
    pub position: Position,
}

pub(super) async fn replace(
    engine: &Engine,
    target: &Target,
    replacement: Replacement,
    context: Context<'_>,
) -> Result<Written> {
    let state = state(engine, target).await?;
    let namespace = namespace(state.as_ref(), target)?;
    let kind = if state.as_ref().is_some_and(State::is_live) { EventType::Updated } else { EventType::Created };
    let draft = Draft {
        kind,
        importance: replacement.importance,
        embedding: replacement.embedding,
        model_revision: replacement.model_revision,
        event_id: context.key.map(|key| key.item(&namespace, 0).event_id()),
        ..Draft::updated(namespace, target.id, replacement.payload)
    };
    let event = draft.build(&*engine.clock)?;
    if context.key.is_some()
        && let Some(answer) = answered(engine, &event).await
    {
        return answer;
    }
    if state.is_some_and(|state| !state.is_live()) {
        return Err(deleted(target.id));
    }
    match write::append_one(engine, event.clone(), context.traceparent).await {
        // The same request at the same time, which saw the memory before or after it came to be.
        Err(error) if error.code == Code::IdempotencyConflict && context.key.is_some() => {
            answered(engine, &event).await.unwrap_or(Err(error))
        }
        answer => answer,
    }
}

/// The answer that a request got before, if it was made before. Whether the memory was known at
/// that time, and so which kind of event it became, is no part of the request.
async fn answered(engine: &Engine, event: &Event) -> Option<Result<Written>> {
    let found = match first::find(engine, event.event_id).await {
        Ok(found) => found?,
        Err(error) => return Some(Err(error)),
    };
    let as_kind = |kind| write::repeated(&Event { kind, ..event.clone() }, &found);
    Some(as_kind(EventType::Updated).or_else(|_| as_kind(EventType::Created)))
}

pub(super) async fn forget(engine: &Engine, target: &Target, context: Context<'_>) -> Result<Written> {
    let state = state(engine, target).await?;
    let namespace = namespace(state.as_ref(), target)?;
    let event_id = context.key.map(|key| key.item(&namespace, 0).event_id());
    let draft = Draft { event_id, ..Draft::deleted(namespace, target.id) };
    write::append_one(engine, draft.build(&*engine.clock)?, context.traceparent).await
}

pub(super) async fn forget_all(engine: &Engine, selection: &Selection, context: Context<'_>) -> Result<Forgotten> {
    let everything = selection.namespaces.is_none() && selection.filter.is_none();
    if everything || selection.namespaces.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::new(Code::BadRequest, "deleting everything needs its namespace named")
            .at("namespace")
            .remedy("name the namespace, or a filter"));
    }
    // What was acknowledged before is selected too.
    let end = engine.end().await?;
    if !end.is_empty() {
        engine.wait(&end, limits::WAIT_DEFAULT).await?;
    }
    let mut forgotten = Forgotten::default();
    let mut after: Option<ListKey> = None;
    loop {
        let query = ListQuery {
            namespaces: selection.namespaces.clone(),
            filter: selection.filter.clone(),
            // The latest first: what is written meanwhile stands before the page and is left alone.
            order: Order::Newest,
            after: after.take(),
            limit: limits::PAGE_MAX,
        };
        let page = engine.store.list(&query).await?;
        let Some(last) = page.last() else { return Ok(forgotten) };
        after = Some(ListKey { updated_at: last.updated_at, importance: last.importance, id: last.id });
        let events = page.iter().map(|memory| deletion(engine, memory, context.key)).collect::<Result<Vec<_>>>()?;
        for answer in write::append(engine, events, context.traceparent).await? {
            forgotten.position.cover(&answer?.place);
            forgotten.memories += 1;
        }
    }
}

/// A repeated request selects what is left, so an event's id follows from its memory, not from its
/// place among the others.
fn deletion(engine: &Engine, memory: &Memory, key: Option<Key<'_>>) -> Result<Event> {
    let event_id = key.map(|key| {
        let target = format!("{}/{}", key.target, memory.id);
        Key { target: &target, ..key }.item(&memory.namespace, 0).event_id()
    });
    let draft = Draft { event_id, ..Draft::deleted(memory.namespace.clone(), memory.id) };
    draft.build(&*engine.clock)
}

/// The memory's row. A derived id has to have one, at the end of the log at the latest: nobody may
/// write first under an id that another namespace can come to.
async fn state(engine: &Engine, target: &Target) -> Result<Option<State>> {
    let read = async || Ok::<_, Error>(engine.store.states(&[target.id]).await?.into_iter().next());
    let state = read().await?;
    if state.is_some() || !target.id.is_derived() {
        return Ok(state);
    }
    admission::reach_end(engine, target.id).await?;
    match read().await? {
        // Without a namespace there is nothing to write either way: it is not known.
        None if target.namespace.is_some() => Err(admission::underived(target.id)),
        state => Ok(state),
    }
}

impl Target {
    /// What is told about a memory that nobody knows, and about one that the caller may not know of.
    #[must_use]
    pub fn unknown(id: MemoryId) -> Error {
        Error::new(Code::NotFound, format!("no memory {id} is known"))
            .at("namespace")
            .remedy("name its namespace if it is yet to come, or wait for the position of its write")
    }
}

/// The memory's namespace: the record's, which a named one must equal; else the named one.
fn namespace(state: Option<&State>, target: &Target) -> Result<Namespace> {
    match (state.and_then(|state| state.namespace.as_ref()), &target.namespace) {
        (Some(has), Some(says)) if has != says => {
            let what = format!("the memory {} does not belong to the namespace {says}", target.id);
            Err(Error::new(Code::NamespaceMismatch, what).at("namespace").remedy("leave the namespace out"))
        }
        (Some(namespace), _) | (None, Some(namespace)) => Ok(namespace.clone()),
        (None, None) => Err(Target::unknown(target.id)),
    }
}

fn deleted(id: MemoryId) -> Error {
    Error::new(Code::NotFound, format!("the memory {id} is deleted")).remedy("create it again with a new write")
}
