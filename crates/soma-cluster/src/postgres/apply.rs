//! Writes the changes of a batch in a handful of statements.
//!
//! The order matters. History comes before the `rev`: adding the first event of a memory is what two
//! transactions that both find it missing meet at, and the `rev` has to be drawn by the one that goes
//! on. A row that changed since it was loaded is not overwritten: the guard is its `rev`.

use std::collections::{BTreeMap, HashMap};

use soma_core::error::{Code, Error};
use soma_core::event::EventType;
use soma_core::fold::{Change, Erase, State};
use soma_core::ids::MemoryId;
use soma_core::store::Claim;

use super::columns::{ADD_EVENTS, ADD_STATES, Events, SET_STATES, Spelled, States};
use super::link::{Failure, Lease};
use super::load;
use super::schema::Schema;

/// What a memory was before the batch.
#[derive(Clone, Copy)]
pub(super) struct Before {
    live: bool,
    deleted: bool,
    /// Under which its row was read.
    pub(super) rev: u64,
}

impl Before {
    pub(super) fn of(state: &State, rev: u64) -> Self {
        Self { live: state.is_live(), deleted: state.kind == EventType::Deleted, rev }
    }
}

/// Of the memories that this transaction has read; `None` for those that had no row.
pub(super) type Befores = HashMap<MemoryId, Option<Before>>;

type Done<T> = std::result::Result<T, Failure>;

/// Returns the drawn `rev`.
pub(super) async fn stage(
    lease: &Lease,
    schema: &Schema,
    claim: &Claim,
    changes: &[Change],
    befores: &mut Befores,
) -> Done<u64> {
    remember(lease, changes, befores).await?;
    let stored = |change: &Change| befores.get(&change.state.id).copied().flatten().map(|before| before.rev);
    let spelled = changes.iter().map(|change| Spelled::new(change, stored(change)));
    let spelled = spelled.collect::<soma_core::Result<Vec<_>>>()?;
    erase(lease, &spelled).await?;
    lease.prepare("add events", &[&ADD_EVENTS, DRAW]).await?;
    // Sent together, run in this order: what is added is held before the `rev` is drawn.
    let (added, rev) = tokio::join!(biased; add_events(lease, &spelled), draw(lease, schema));
    added?;
    let rev = rev?;
    let (set, counted) = tokio::join!(set_states(lease, &spelled, rev), count(lease, claim, &spelled, befores));
    set?;
    counted?;
    befores.extend(spelled.iter().map(|one| (one.change.state.id, Some(Before::of(&one.change.state, one.rev(rev))))));
    Ok(rev)
}

/// Looks at the rows that were not loaded in this transaction.
async fn remember(lease: &Lease, changes: &[Change], befores: &mut Befores) -> Done<()> {
    let unknown = changes.iter().map(|change| change.state.id).filter(|id| !befores.contains_key(id));
    let unknown: Vec<MemoryId> = unknown.collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let states = load::locked(lease, &unknown).await?;
    befores.extend(unknown.into_iter().map(|id| (id, states.get(&id).map(|state| Before::of(state, state.rev)))));
    Ok(())
}

async fn erase(lease: &Lease, spelled: &[Spelled<'_>]) -> Done<()> {
    let (mut whole, mut events, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for Spelled { change: Change { state, erase, .. }, .. } in spelled.iter().filter(|one| !one.is_first()) {
        match erase {
            Erase::Nothing => {}
            Erase::Everything => whole.push(state.id.0),
            Erase::Events(ids) => {
                events.extend(ids.iter().map(|id| id.0));
                owners.extend(ids.iter().map(|_| state.id.0));
            }
        }
    }
    if !whole.is_empty() {
        let sql = "UPDATE memory_events SET payload = NULL, importance = NULL, model_revision = NULL, embedding = NULL
                   WHERE id = ANY($1) AND payload IS NOT NULL";
        lease.execute("erase events", sql, &[&whole]).await?;
    }
    if !events.is_empty() {
        let sql =
            "UPDATE memory_events e SET payload = NULL, importance = NULL, model_revision = NULL, embedding = NULL
                   FROM unnest($1::uuid[], $2::uuid[]) AS u(event_id, id)
                   WHERE e.event_id = u.event_id AND e.id = u.id AND e.payload IS NOT NULL";
        lease.execute("erase events", sql, &[&events, &owners]).await?;
    }
    Ok(())
}

async fn add_events(lease: &Lease, spelled: &[Spelled<'_>]) -> Done<()> {
    let mut events = Events::default();
    for change in spelled {
        events.push_all(change)?;
    }
    if events.len() == 0 {
        return Ok(());
    }
    let added = lease.execute("add events", &ADD_EVENTS, &events.parameters()).await?;
    all_or_contended(added, events.len())
}

async fn set_states(lease: &Lease, spelled: &[Spelled<'_>], rev: u64) -> Done<()> {
    let (mut added, mut set) = (States::default(), States::default());
    for change in spelled {
        if change.is_first() {
            added.push(change, rev)?;
        } else {
            set.push(change, change.rev(rev))?;
        }
    }
    if added.len() > 0 {
        let done = lease.execute("add memories", &ADD_STATES, &added.parameters()).await?;
        all_or_contended(done, added.len())?;
    }
    if set.len() > 0 {
        let done = lease.execute("change memories", &SET_STATES, &set.parameters_expecting()).await?;
        all_or_contended(done, set.len())?;
    }
    Ok(())
}

fn all_or_contended(done: u64, wanted: usize) -> Done<()> {
    if done == wanted as u64 {
        return Ok(());
    }
    let message =
        format!("another transaction wrote {} of {wanted} rows first", wanted as u64 - done.min(wanted as u64));
    Err(Error::new(Code::Contended, message).remedy("read them again").into())
}

/// The lock is shared with other draws and excludes raising the sequence, which reads and sets it in two
/// steps; it is given back at once. Each step needs the row of the step before.
const DRAW: &str = "WITH held AS MATERIALIZED (SELECT pg_advisory_lock_shared($1)),
                         drawn AS MATERIALIZED (SELECT nextval('memory_rev') AS rev FROM held)
                    SELECT rev, pg_advisory_unlock_shared($1) FROM drawn";

/// Draws the next `rev`.
async fn draw(lease: &Lease, schema: &Schema) -> Done<u64> {
    let rows = lease.rows("draw a rev", DRAW, &[&schema.rev_lock()]).await?;
    let rev = rows.first().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok());
    Ok(rev.ok_or_else(|| Error::new(Code::Corrupt, "the sequence memory_rev is below zero"))?)
}

async fn count(lease: &Lease, claim: &Claim, spelled: &[Spelled<'_>], befores: &Befores) -> Done<()> {
    let mut tally: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
    for Spelled { change: Change { state, rows, .. }, .. } in spelled {
        let before = befores.get(&state.id).copied().flatten();
        let after = Before::of(state, 0);
        let namespace = state.namespace.as_ref().map_or("", |namespace| namespace.as_str());
        let sums = tally.entry(namespace).or_default();
        sums[0] += i64::from(after.live) - i64::from(before.is_some_and(|before| before.live));
        sums[1] += i64::from(after.deleted) - i64::from(before.is_some_and(|before| before.deleted));
        sums[2] += i64::try_from(rows.len()).unwrap_or(i64::MAX);
    }
    tally.retain(|_, sums| *sums != [0; 3]);
    if tally.is_empty() {
        return Ok(());
    }
    let namespaces: Vec<&str> = tally.keys().copied().collect();
    let [memories, deleted, events] = [0, 1, 2].map(|at| tally.values().map(|sums| sums[at]).collect::<Vec<i64>>());
    let sql = "INSERT INTO memory_counts (namespace, log, partition, memories, deleted, events)
               SELECT u.namespace, $2, $3, u.memories, u.deleted, u.events
               FROM unnest($1::text[], $4::bigint[], $5::bigint[], $6::bigint[]) AS u(namespace, memories, deleted, events)
               ON CONFLICT (namespace, log, partition) DO UPDATE SET memories = memory_counts.memories + excluded.memories,
                   deleted = memory_counts.deleted + excluded.deleted, events = memory_counts.events + excluded.events";
    let (log, partition) = (claim.log.as_str(), i64::from(claim.partition));
    lease.execute("count", sql, &[&namespaces, &log, &partition, &memories, &deleted, &events]).await?;
    Ok(())
}
