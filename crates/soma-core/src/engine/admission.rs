//! Who may write under an id: what is refused before it reaches the log, though it is a valid event.
//!
//! A memory belongs to the namespace of its first event, for ever. An id of version 5 follows from what
//! it names in one namespace (a coordinate, an idempotency key, an imported line), so whoever wrote under
//! it first from elsewhere would take it away from that namespace. It is accepted where the writer
//! derives it, and else only when it is known.
//!
//! Known is what the records hold. What they do not hold may still be on its way, so for a derived id
//! they are asked again behind the end that the log had: every log can tell its end and every store can
//! wait for it, so the answer is the same over a journal and over Kafka.
//!
//! The projector stays the judge of namespaces: two first writers at one time meet there, and so does
//! whoever appends to the log without this process.

use std::collections::{BTreeSet, HashMap};

use super::Engine;
use crate::error::{Code, Error, Result};
use crate::event::{Event, EventType, derive};
use crate::fold;
use crate::ids::{MemoryId, Namespace};
use crate::json::canonical;
use crate::limits;

/// What derived ids (version 5) of raw events are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// They have to be known already, or to follow from the event itself.
    Checked,
    /// They are taken as they are: an operator brings back what was exported.
    Trusted,
}

type Owners = HashMap<MemoryId, Option<Namespace>>;

/// Refuses events whose memory is among `named` and belongs to another namespace, as far as the records
/// know.
pub(super) async fn remembered(
    engine: &Engine,
    events: Vec<Result<Event>>,
    named: &BTreeSet<MemoryId>,
) -> Result<Vec<Result<Event>>> {
    if named.is_empty() {
        return Ok(events);
    }
    let owners = owners(engine, named).await?;
    Ok(events.into_iter().map(|event| event.and_then(|event| of_its_namespace(&owners, event))).collect())
}

/// Refuses events of memories that belong to another namespace, as far as the records know, and unless
/// they are trusted those under a derived id that nothing explains.
pub(super) async fn published(engine: &Engine, events: Vec<Event>, derived: Derived) -> Result<Vec<Result<Event>>> {
    let mut owners = owners(engine, &events.iter().map(|event| event.id).collect()).await?;
    let mut explained: HashMap<MemoryId, Namespace> = HashMap::new();
    if derived == Derived::Checked {
        // What one event of the request explains, the later ones may use.
        let unknown = events.iter().filter(|event| event.id.is_derived() && !owners.contains_key(&event.id));
        for event in unknown {
            if let Some(namespace) = event.namespace.as_ref().filter(|_| follows_from_itself(event)) {
                explained.insert(event.id, namespace.clone());
            }
        }
    }
    let is_open = |event: &Event| {
        let explained = explained.get(&event.id).is_some_and(|namespace| fold::belongs(Some(namespace), event));
        derived == Derived::Checked && event.id.is_derived() && !explained
    };
    let open: BTreeSet<MemoryId> =
        events.iter().filter(|event| is_open(event) && !owners.contains_key(&event.id)).map(|event| event.id).collect();
    let mut behind = false;
    if let Some(one) = open.first() {
        match reach_end(engine, *one).await {
            Ok(()) => owners.extend(self::owners(engine, &open).await?),
            Err(error) if error.code == Code::PositionNotReached => behind = true,
            Err(error) => return Err(error),
        }
    }
    let admit = |event: Event| match owners.contains_key(&event.id) || !is_open(&event) {
        true => of_its_namespace(&owners, event),
        false if behind => Err(self::behind(event.id)),
        false => Err(underived(event.id)),
    };
    Ok(events.into_iter().map(admit).collect())
}

/// Waits until the records show everything that the log held, so that they can be asked about `id`.
pub(super) async fn reach_end(engine: &Engine, id: MemoryId) -> Result<()> {
    let end = engine.end().await?;
    if end.is_empty() {
        return Ok(());
    }
    engine.wait(&end, limits::WAIT_DEFAULT).await.map_err(|error| match error.code == Code::PositionNotReached {
        true => behind(id),
        false => error,
    })
}

/// What the writer under a derived id is told that nobody has come to by deriving it.
pub(super) fn underived(id: MemoryId) -> Error {
    let what =
        format!("the id {id} is a UUID of version 5, which is reserved for derived ids, and nobody has written it");
    Error::new(Code::Schema, what)
        .at("id")
        .remedy("write at its coordinate or with its idempotency key first, or choose an id of version 4 or 7")
}

fn behind(id: MemoryId) -> Error {
    let what = format!("whether the derived id {id} is known cannot be told: the stores are behind the log");
    Error::new(Code::PositionNotReached, what).remedy("try again")
}

async fn owners(engine: &Engine, ids: &BTreeSet<MemoryId>) -> Result<Owners> {
    engine.store.owners(&ids.iter().copied().collect::<Vec<_>>()).await
}

fn of_its_namespace(owners: &Owners, event: Event) -> Result<Event> {
    let owner = owners.get(&event.id).and_then(Option::as_ref);
    if fold::belongs(owner, &event) { Ok(event) } else { Err(fold::mismatch(&event)) }
}

/// Whether the event creates the memory that an import makes of its payload. Other derivations cannot be
/// seen in the event.
fn follows_from_itself(event: &Event) -> bool {
    let (EventType::Created, Some(namespace), Some(content)) = (event.kind, &event.namespace, &event.content) else {
        return false;
    };
    derive::is_import_memory(namespace, &canonical(&content.payload), event.id)
}
