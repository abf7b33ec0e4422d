//! Writes the changes of a batch: erases first, then adds history, then sets states, and keeps the
//! counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Error as SqlError, params};
use soma_core::error::Result;
use soma_core::event::{Event, EventType};
use soma_core::fold::{Change, Entry, Erase, State};
use soma_core::ids::{EventId, MemoryId, Place};
use soma_core::thread::Placed;

use super::row::{Cooked, integer};
use super::thread;
use super::writer::{Transaction, save_rev};

/// One change, spelled for the file.
pub(super) struct Plan {
    /// Without its content.
    state: State,
    content: Option<Arc<Cooked>>,
    placed: Option<Placed>,
    visible: bool,
    erase: Erase,
    rows: Vec<Row>,
}

struct Row {
    /// Without its content.
    event: Event,
    place: Place,
    content: Option<Arc<Cooked>>,
}

impl Plan {
    pub(super) fn new(change: &Change) -> Result<Self> {
        let Change { state, visible, erase, rows } = change;
        let content = state.content.as_ref().map(Cooked::new).transpose()?.map(Arc::new);
        // The event that the state shows is usually among the rows, with the same content.
        let row = |entry: &Entry| {
            let same = entry.event.event_id == state.event_id && entry.event.content == state.content;
            let own = entry.event.content.as_ref().filter(|_| !same);
            let content = if same { content.clone() } else { own.map(Cooked::new).transpose()?.map(Arc::new) };
            Ok(Row { event: head_of_event(&entry.event), place: entry.place.clone(), content })
        };
        let rows = rows.iter().map(row).collect::<Result<_>>()?;
        let (placed, visible, erase) = (Placed::of(state), *visible, erase.clone());
        Ok(Self { state: head_of_state(state), content, placed, visible, erase, rows })
    }
}

fn head_of_state(state: &State) -> State {
    let (namespace, at) = (state.namespace.clone(), state.at.clone());
    let State { id, kind, created_at, updated_at, event_id, version, effective, rev, .. } = *state;
    State { id, namespace, kind, content: None, created_at, updated_at, event_id, version, at, effective, rev }
}

fn head_of_event(event: &Event) -> Event {
    let Event { event_id, id, kind, timestamp, .. } = *event;
    Event { event_id, id, namespace: event.namespace.clone(), kind, timestamp, content: None }
}

/// What the counts gain and lose.
#[derive(Default)]
struct Tally {
    memories: i64,
    deleted: i64,
    events: i64,
    namespaces: BTreeMap<String, i64>,
}

pub(super) fn stage(transaction: &mut Transaction, plans: &[Plan]) -> Result<u64> {
    let rev = transaction.pen.draw();
    let database = transaction.database().clone();
    let failing = database.failing("write to");
    let mut tally = Tally::default();
    let mut erased = false;
    {
        let mut table = Table::prepare(&transaction.pen.connection).map_err(&failing)?;
        for plan in plans {
            erased |= table.erase(plan.state.id, &plan.erase).map_err(&failing)?;
            for row in &plan.rows {
                table.add(row, &failing)?;
                tally.events += 1;
            }
            erased |= table.set(plan, if plan.visible { rev } else { plan.state.rev }, &mut tally, &failing)?;
        }
    }
    save_rev(&database, &transaction.pen.connection, rev)?;
    tally.save(&transaction.pen.connection).map_err(&failing)?;
    transaction.erased |= erased;
    Ok(rev)
}

/// Removes rows and histories, and these events wherever they are.
pub(super) fn discard(transaction: &mut Transaction, ids: &[MemoryId], events: &[EventId]) -> Result<()> {
    let database = transaction.database().clone();
    let failing = database.failing("write to");
    let mut tally = Tally::default();
    {
        let connection = &transaction.pen.connection;
        let prepare = |sql| connection.prepare_cached(sql).map_err(&failing);
        let mut row = prepare(
            "DELETE FROM memories WHERE id = ?1
             RETURNING namespace, kind = 'deleted', payload IS NOT NULL AND namespace IS NOT NULL",
        )?;
        let mut history = prepare("DELETE FROM memory_events WHERE id = ?1")?;
        let mut event = prepare("DELETE FROM memory_events WHERE event_id = ?1")?;
        let lost = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        for id in ids {
            let mut rows = row.query([id.0.as_bytes()]).map_err(&failing)?;
            while let Some(row) = rows.next().map_err(&failing)? {
                let get = || Ok::<_, SqlError>((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?));
                let (namespace, deleted, live): (_, bool, bool) = get().map_err(&failing)?;
                tally.deleted -= i64::from(deleted);
                tally.memories -= i64::from(live);
                if let Some(namespace) = namespace.filter(|_| live) {
                    *tally.namespaces.entry(namespace).or_default() -= 1;
                }
            }
            tally.events -= lost(history.execute([id.0.as_bytes()]).map_err(&failing)?);
        }
        for id in events {
            tally.events -= lost(event.execute([id.0.as_bytes()]).map_err(&failing)?);
        }
        tally.save(connection).map_err(&failing)?;
    }
    transaction.erased = true;
    Ok(())
}

/// The statements of a batch.
struct Table<'a> {
    erase_all: CachedStatement<'a>,
    erase_one: CachedStatement<'a>,
    add: CachedStatement<'a>,
    before: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
}

type Failing<'a> = dyn Fn(SqlError) -> soma_core::Error + 'a;

impl<'a> Table<'a> {
    fn prepare(connection: &'a Connection) -> Result<Self, SqlError> {
        Ok(Self {
            erase_all: connection.prepare_cached(
                "UPDATE memory_events SET importance = NULL, model_revision = NULL, payload = NULL, embedding = NULL
                 WHERE id = ?1 AND payload IS NOT NULL",
            )?,
            erase_one: connection.prepare_cached(
                "UPDATE memory_events SET importance = NULL, model_revision = NULL, payload = NULL, embedding = NULL
                 WHERE event_id = ?1 AND id = ?2 AND payload IS NOT NULL",
            )?,
            add: connection.prepare_cached(
                "INSERT INTO memory_events (event_id, id, namespace, type, timestamp, log, partition, offset,
                     importance, model_revision, payload, embedding)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?,
            before: connection.prepare_cached("SELECT kind, payload IS NOT NULL FROM memories WHERE id = ?1")?,
            insert: connection.prepare_cached(
                "INSERT INTO memories (id, namespace, kind, created_at, updated_at, event_id, version, log, partition,
                     offset, effective, rev, importance, model_revision, payload, embedding, thread, seq, occurred_at,
                     actor)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?,
            update: connection.prepare_cached(
                "UPDATE memories SET namespace = ?2, kind = ?3, created_at = ?4, updated_at = ?5, event_id = ?6,
                     version = ?7, log = ?8, partition = ?9, offset = ?10, effective = ?11, rev = ?12,
                     importance = ?13, model_revision = ?14, payload = ?15, embedding = ?16, thread = ?17,
                     seq = ?18, occurred_at = ?19, actor = ?20
                 WHERE id = ?1",
            )?,
        })
    }

    fn erase(&mut self, id: MemoryId, erase: &Erase) -> Result<bool, SqlError> {
        match erase {
            Erase::Nothing => Ok(false),
            Erase::Everything => Ok(self.erase_all.execute([id.0.as_bytes()])? > 0),
            Erase::Events(events) => {
                let mut erased = 0;
                for event in events {
                    erased += self.erase_one.execute([event.0.as_bytes(), id.0.as_bytes()])?;
                }
                Ok(erased > 0)
            }
        }
    }

    fn add(&mut self, row: &Row, failing: &Failing<'_>) -> Result<()> {
        let Row { event, place, content } = row;
        let content = content.as_deref();
        let done = self.add.execute(params![
            event.event_id.0.as_bytes(),
            event.id.0.as_bytes(),
            event.namespace.as_ref().map(|namespace| namespace.as_str()),
            event.kind.as_str(),
            event.timestamp.0,
            place.log.as_str(),
            place.partition,
            integer(place.offset)?,
            content.and_then(|content| content.importance),
            content.and_then(|content| content.model_revision.as_deref()),
            content.map(|content| content.payload.as_str()),
            content.and_then(|content| content.embedding.as_deref()),
        ]);
        done.map(|_| ()).map_err(failing)
    }

    /// Whether readers lost the content.
    fn set(&mut self, plan: &Plan, rev: u64, tally: &mut Tally, failing: &Failing<'_>) -> Result<bool> {
        let Plan { state, content, placed, .. } = plan;
        let before: Option<(String, bool)> = {
            let mut rows = self.before.query([state.id.0.as_bytes()]).map_err(failing)?;
            let row = rows.next().map_err(failing)?;
            row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose().map_err(failing)?
        };
        let statement = if before.is_some() { &mut self.update } else { &mut self.insert };
        let content = content.as_deref();
        let done = statement.execute(params![
            state.id.0.as_bytes(),
            state.namespace.as_ref().map(|namespace| namespace.as_str()),
            state.kind.as_str(),
            state.created_at.0,
            state.updated_at.0,
            state.event_id.0.as_bytes(),
            integer(state.version)?,
            state.at.log.as_str(),
            state.at.partition,
            integer(state.at.offset)?,
            state.effective.0,
            integer(rev)?,
            content.and_then(|content| content.importance),
            content.and_then(|content| content.model_revision.as_deref()),
            content.map(|content| content.payload.as_str()),
            content.and_then(|content| content.embedding.as_deref()),
            placed.as_ref().map(|placed| &placed.thread.name),
            placed.as_ref().map(|placed| thread::seq(&placed.key)),
            placed.as_ref().map(|placed| placed.key.occurred_at.0),
            placed.as_ref().and_then(|placed| placed.actor.as_deref()),
        ]);
        done.map_err(failing)?;

        let was_live = before.as_ref().is_some_and(|(_, live)| *live);
        let was_deleted = before.is_some_and(|(kind, _)| kind == EventType::Deleted.as_str());
        let live = content.is_some() && state.namespace.is_some();
        let change = i64::from(live) - i64::from(was_live);
        tally.memories += change;
        tally.deleted += i64::from(state.kind == EventType::Deleted) - i64::from(was_deleted);
        if let Some(namespace) = state.namespace.as_ref().filter(|_| change != 0) {
            *tally.namespaces.entry(namespace.as_str().to_owned()).or_default() += change;
        }
        Ok(was_live && !live)
    }
}

impl Tally {
    fn save(&self, connection: &Connection) -> Result<(), SqlError> {
        let sql = "UPDATE totals SET memories = memories + ?1, deleted = deleted + ?2, events = events + ?3";
        connection.prepare_cached(sql)?.execute([self.memories, self.deleted, self.events])?;
        let mut more = connection.prepare_cached(
            "INSERT INTO namespaces VALUES (?1, ?2) ON CONFLICT DO UPDATE SET memories = memories + ?2",
        )?;
        let mut none =
            connection.prepare_cached("DELETE FROM namespaces WHERE namespace = ?1 AND memories + ?2 <= 0")?;
        let mut fewer =
            connection.prepare_cached("UPDATE namespaces SET memories = memories + ?2 WHERE namespace = ?1")?;
        for (namespace, change) in &self.namespaces {
            if *change > 0 {
                more.execute(params![namespace, change])?;
            } else if *change < 0 && none.execute(params![namespace, change])? == 0 {
                fewer.execute(params![namespace, change])?;
            }
        }
        Ok(())
    }
}
