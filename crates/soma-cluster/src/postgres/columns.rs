//! Rows of a batch, column by column: what `unnest` takes.

use std::sync::LazyLock;

use soma_core::error::Result;
use soma_core::fold::{Change, Entry};
use soma_core::thread::{Placed, TurnKey};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::row::{Cooked, Jsonb, Moment, integer};

/// A column: its name, and the type under which its values are sent.
type Column = (&'static str, &'static str);

const EVENTS: &[Column] = &[
    ("event_id", "uuid"),
    ("id", "uuid"),
    ("namespace", "text"),
    ("type", "text"),
    ("timestamp", "timestamptz"),
    ("log", "text"),
    ("partition", "bigint"),
    ("\"offset\"", "bigint"),
    ("first", "boolean"),
    ("importance", "double precision"),
    ("model_revision", "text"),
    ("payload", "jsonb"),
    ("embedding", "text"),
];

const STATES: &[Column] = &[
    ("id", "uuid"),
    ("namespace", "text"),
    ("kind", "text"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
    ("event_id", "uuid"),
    ("version", "bigint"),
    ("log", "text"),
    ("partition", "bigint"),
    ("\"offset\"", "bigint"),
    ("effective", "timestamptz"),
    ("rev", "bigint"),
    ("importance", "double precision"),
    ("model_revision", "text"),
    ("payload", "jsonb"),
    ("embedding", "text"),
    ("thread", "text"),
    ("seq", "double precision"),
    ("occurred_at", "timestamptz"),
    ("actor", "text"),
    // Not a column: the rev under which the row was read.
    ("expected", "bigint"),
];

/// Adds events; what is there already is left out.
pub(super) static ADD_EVENTS: LazyLock<String> = LazyLock::new(|| insert("memory_events", EVENTS));
/// Adds memories; what is there already is left out.
pub(super) static ADD_STATES: LazyLock<String> = LazyLock::new(|| {
    let columns = &STATES[..STATES.len() - 1];
    insert("memories", columns)
});
/// Changes memories that still have the rev under which they were read.
pub(super) static SET_STATES: LazyLock<String> = LazyLock::new(|| {
    let set = STATES[1..STATES.len() - 1].iter().map(|column| format!("{} = {}", column.0, value(column)));
    format!(
        "UPDATE memories m SET {} FROM {} WHERE m.id = u.id AND m.rev = u.expected",
        set.collect::<Vec<_>>().join(", "),
        unnested(STATES),
    )
});

fn insert(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.0).collect();
    let values: Vec<String> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING",
        names.join(", "),
        values.join(", "),
        unnested(columns),
    )
}

fn value(column: &Column) -> String {
    let cast = if column.0 == "embedding" { "::double precision[]" } else { "" };
    format!("u.{}{cast}", column.0)
}

fn unnested(columns: &[Column]) -> String {
    let arrays = columns.iter().enumerate().map(|(at, column)| format!("${}::{}[]", at + 1, column.1));
    let names: Vec<&str> = columns.iter().map(|column| column.0).collect();
    format!("unnest({}) AS u({})", arrays.collect::<Vec<_>>().join(", "), names.join(", "))
}

/// A change and the contents of its state and rows, spelled.
pub(super) struct Spelled<'a> {
    pub(super) change: &'a Change,
    /// The rev under which the memory's row was read; `None` when there was none.
    stored: Option<u64>,
    content: Option<Cooked>,
    /// `None` for a row that has the content of the state.
    rows: Vec<Option<Cooked>>,
}

impl<'a> Spelled<'a> {
    pub(super) fn new(change: &'a Change, stored: Option<u64>) -> Result<Self> {
        let content = change.state.content.as_ref().map(Cooked::new).transpose()?;
        let row = |entry: &Entry| {
            let own = entry.event.content.as_ref().filter(|_| !shows(change, entry));
            own.map(Cooked::new).transpose()
        };
        let rows = change.rows.iter().map(row).collect::<Result<_>>()?;
        Ok(Self { change, stored, content, rows })
    }

    /// Whether the memory has no row yet.
    pub(super) const fn is_first(&self) -> bool {
        self.stored.is_none()
    }

    /// Under which rev it is written when this one was drawn: what readers see no difference of keeps its own.
    pub(super) fn rev(&self, drawn: u64) -> u64 {
        self.stored.filter(|_| !self.change.visible).unwrap_or(drawn)
    }
}

/// The event that the state shows is usually among the rows, with the same content.
fn shows(change: &Change, entry: &Entry) -> bool {
    entry.event.event_id == change.state.event_id && entry.event.content == change.state.content
}

type Parameters<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// The contents of rows.
#[derive(Default)]
struct Contents<'a> {
    importance: Vec<Option<f64>>,
    model_revision: Vec<Option<&'a str>>,
    payload: Vec<Option<Jsonb<'a>>>,
    embedding: Vec<Option<&'a str>>,
}

impl<'a> Contents<'a> {
    fn push(&mut self, content: Option<&'a Cooked>) {
        self.importance.push(content.and_then(|content| content.importance));
        self.model_revision.push(content.and_then(|content| content.model_revision.as_deref()));
        self.payload.push(content.map(|content| Jsonb(&content.payload)));
        self.embedding.push(content.and_then(|content| content.embedding.as_deref()));
    }
}

/// Rows of `memory_events`.
#[derive(Default)]
pub(super) struct Events<'a> {
    event_id: Vec<Uuid>,
    id: Vec<Uuid>,
    namespace: Vec<Option<&'a str>>,
    kind: Vec<&'static str>,
    timestamp: Vec<Moment>,
    log: Vec<&'a str>,
    partition: Vec<i64>,
    offset: Vec<i64>,
    first: Vec<bool>,
    contents: Contents<'a>,
}

impl<'a> Events<'a> {
    pub(super) fn push_all(&mut self, spelled: &'a Spelled<'a>) -> Result<()> {
        for (number, (entry, own)) in spelled.change.rows.iter().zip(&spelled.rows).enumerate() {
            let Entry { event, place } = entry;
            self.event_id.push(event.event_id.0);
            self.id.push(event.id.0);
            self.namespace.push(event.namespace.as_ref().map(|namespace| namespace.as_str()));
            self.kind.push(event.kind.as_str());
            self.timestamp.push(Moment(event.timestamp));
            self.log.push(place.log.as_str());
            self.partition.push(place.partition.into());
            self.offset.push(integer(place.offset)?);
            self.first.push(number == 0 && spelled.is_first());
            let same = spelled.content.as_ref().filter(|_| shows(spelled.change, entry));
            self.contents.push(own.as_ref().or(same));
        }
        Ok(())
    }

    pub(super) const fn len(&self) -> usize {
        self.id.len()
    }

    pub(super) fn parameters(&self) -> Parameters<'_> {
        let Self { event_id, id, namespace, kind, timestamp, log, partition, offset, first, contents } = self;
        let Contents { importance, model_revision, payload, embedding } = contents;
        vec![
            event_id,
            id,
            namespace,
            kind,
            timestamp,
            log,
            partition,
            offset,
            first,
            importance,
            model_revision,
            payload,
            embedding,
        ]
    }
}

/// Rows of `memories`.
#[derive(Default)]
pub(super) struct States<'a> {
    id: Vec<Uuid>,
    namespace: Vec<Option<&'a str>>,
    kind: Vec<&'static str>,
    created_at: Vec<Moment>,
    updated_at: Vec<Moment>,
    event_id: Vec<Uuid>,
    version: Vec<i64>,
    log: Vec<&'a str>,
    partition: Vec<i64>,
    offset: Vec<i64>,
    effective: Vec<Moment>,
    rev: Vec<i64>,
    contents: Contents<'a>,
    turns: Turns,
    expected: Vec<i64>,
}

impl<'a> States<'a> {
    /// The row of a change under a rev.
    pub(super) fn push(&mut self, spelled: &'a Spelled<'a>, rev: u64) -> Result<()> {
        let state = &spelled.change.state;
        self.id.push(state.id.0);
        self.namespace.push(state.namespace.as_ref().map(|namespace| namespace.as_str()));
        self.kind.push(state.kind.as_str());
        self.created_at.push(Moment(state.created_at));
        self.updated_at.push(Moment(state.updated_at));
        self.event_id.push(state.event_id.0);
        self.version.push(integer(state.version)?);
        self.log.push(state.at.log.as_str());
        self.partition.push(state.at.partition.into());
        self.offset.push(integer(state.at.offset)?);
        self.effective.push(Moment(state.effective));
        self.rev.push(integer(rev)?);
        self.contents.push(spelled.content.as_ref());
        self.turns.push(Placed::of(state));
        self.expected.push(integer(spelled.stored.unwrap_or(0))?);
        Ok(())
    }

    pub(super) const fn len(&self) -> usize {
        self.id.len()
    }

    /// For [`ADD_STATES`].
    pub(super) fn parameters(&self) -> Parameters<'_> {
        let Self { id, namespace, kind, created_at, updated_at, event_id, version, log, partition, .. } = self;
        let Self { offset, effective, rev, contents, turns, .. } = self;
        let Contents { importance, model_revision, payload, embedding } = contents;
        let Turns { thread, seq, occurred_at, actor } = turns;
        vec![
            id,
            namespace,
            kind,
            created_at,
            updated_at,
            event_id,
            version,
            log,
            partition,
            offset,
            effective,
            rev,
            importance,
            model_revision,
            payload,
            embedding,
            thread,
            seq,
            occurred_at,
            actor,
        ]
    }

    /// For [`SET_STATES`].
    pub(super) fn parameters_expecting(&self) -> Parameters<'_> {
        let mut parameters = self.parameters();
        parameters.push(&self.expected);
        parameters
    }
}

/// Places in conversations.
#[derive(Default)]
struct Turns {
    thread: Vec<Option<String>>,
    seq: Vec<Option<f64>>,
    occurred_at: Vec<Option<Moment>>,
    actor: Vec<Option<String>>,
}

impl Turns {
    fn push(&mut self, placed: Option<Placed>) {
        self.seq.push(placed.as_ref().map(|placed| seq(&placed.key)));
        self.occurred_at.push(placed.as_ref().map(|placed| Moment(placed.key.occurred_at)));
        let (thread, actor) = placed.map_or((None, None), |placed| (Some(placed.thread.name), placed.actor));
        self.thread.push(thread);
        self.actor.push(actor);
    }
}

/// The column of a place.
pub(super) fn seq(key: &TurnKey) -> f64 {
    key.seq.unwrap_or(f64::INFINITY)
}
