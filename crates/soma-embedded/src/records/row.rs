//! Rows and what they stand for.
//!
//! A row that does not decode was written by somebody else or is damaged: the error names the file
//! and the row.

use rusqlite::Row;
use rusqlite::types::FromSql;
use serde_json::Value;
use soma_core::error::{Code, Error, Result};
use soma_core::event::{Content, Event, EventType};
use soma_core::fold::{Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Place, Timestamp};
use uuid::Uuid;

use crate::sqlite::Database;

/// The columns of [`state`], in its order.
pub(super) const STATE: &str = "id, namespace, kind, created_at, updated_at, event_id, version, log, partition, \
     offset, effective, rev, importance, model_revision, payload, embedding";
/// The columns of [`entry`], in its order.
pub(super) const ENTRY: &str = "event_id, id, namespace, type, timestamp, log, partition, offset, importance, \
     model_revision, payload, embedding";

/// The columns of an [`entry`] whose content is left out.
pub(super) const MARK: &str =
    "event_id, id, namespace, type, timestamp, log, partition, offset, NULL, NULL, NULL, NULL";

pub(super) fn state(database: &Database, row: &Row<'_>) -> Result<State> {
    let cells = Cells { database, row, table: "memories" };
    Ok(State {
        id: MemoryId(cells.id(0)?),
        namespace: cells.namespace(1)?,
        kind: cells.kind(2)?,
        created_at: Timestamp(cells.get(3)?),
        updated_at: Timestamp(cells.get(4)?),
        event_id: EventId(cells.id(5)?),
        version: cells.count(6)?,
        at: cells.place(7)?,
        effective: Timestamp(cells.get(10)?),
        rev: cells.count(11)?,
        content: cells.content(12)?,
    })
}

pub(super) fn entry(database: &Database, row: &Row<'_>) -> Result<Entry> {
    let cells = Cells { database, row, table: "memory_events" };
    let event = Event {
        event_id: EventId(cells.id(0)?),
        id: MemoryId(cells.id(1)?),
        namespace: cells.namespace(2)?,
        kind: cells.kind(3)?,
        timestamp: Timestamp(cells.get(4)?),
        content: cells.content(8)?,
    };
    Ok(Entry { event, place: cells.place(5)? })
}

/// Reads the columns of one row.
pub(super) struct Cells<'a> {
    pub(super) database: &'a Database,
    pub(super) row: &'a Row<'a>,
    pub(super) table: &'static str,
}

impl Cells<'_> {
    pub(super) fn get<T: FromSql>(&self, at: usize) -> Result<T> {
        self.row.get(at).map_err(self.database.failing("read"))
    }

    fn damaged(&self, what: &str) -> Error {
        let id: Option<Uuid> = self.row.get::<_, [u8; 16]>(0).ok().map(Uuid::from_bytes);
        let name = id.map_or_else(|| "a row".to_owned(), |id| format!("the row of {id}"));
        self.database.corrupt(format!("{name} in {} has {what}", self.table))
    }

    pub(super) fn id(&self, at: usize) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.get(at)?))
    }

    pub(super) fn count(&self, at: usize) -> Result<u64> {
        u64::try_from(self.get::<i64>(at)?).map_err(|_| self.damaged("a negative count"))
    }

    pub(super) fn partition(&self, at: usize) -> Result<u32> {
        u32::try_from(self.get::<i64>(at)?).map_err(|_| self.damaged("an impossible partition"))
    }

    pub(super) fn log(&self, at: usize) -> Result<LogId> {
        Ok(LogId::new(&self.get::<String>(at)?))
    }

    pub(super) fn namespace(&self, at: usize) -> Result<Option<Namespace>> {
        let text: Option<String> = self.get(at)?;
        let namespace = text.as_deref().map(Namespace::parse).transpose();
        namespace.map_err(|_| self.damaged("a namespace out of its bounds"))
    }

    fn kind(&self, at: usize) -> Result<EventType> {
        EventType::parse(&self.get::<String>(at)?).ok_or_else(|| self.damaged("an unknown type"))
    }

    fn place(&self, at: usize) -> Result<Place> {
        Ok(Place { log: self.log(at)?, partition: self.partition(at + 1)?, offset: self.count(at + 2)? })
    }

    /// From importance, model revision, payload and embedding.
    fn content(&self, at: usize) -> Result<Option<Content>> {
        let text = self.row.get_ref(at + 2).map_err(self.database.failing("read"))?;
        let Some(text) = text.as_str_or_null().map_err(|_| self.damaged("a payload that is not text"))? else {
            return Ok(None);
        };
        let payload: Value = serde_json::from_str(text).map_err(|_| self.damaged("a payload that is not JSON"))?;
        let embedding: Option<Vec<u8>> = self.get(at + 3)?;
        let embedding = embedding.map(|bytes| floats(&bytes).ok_or_else(|| self.damaged("a torn embedding")));
        Ok(Some(Content {
            payload,
            importance: self.get(at)?,
            embedding: embedding.transpose()?,
            model_revision: self.get(at + 1)?,
        }))
    }
}

/// Content in the form of its columns.
pub(super) struct Cooked {
    pub(super) importance: Option<f64>,
    pub(super) model_revision: Option<String>,
    pub(super) payload: String,
    pub(super) embedding: Option<Vec<u8>>,
}

impl Cooked {
    pub(super) fn new(content: &Content) -> Result<Self> {
        let payload = serde_json::to_string(&content.payload)
            .map_err(|e| Error::new(Code::StoreRejected, "the payload has no JSON form").because(e))?;
        let embedding = content.embedding.as_ref();
        Ok(Self {
            importance: content.importance,
            model_revision: content.model_revision.clone(),
            payload,
            embedding: embedding.map(|numbers| numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
        })
    }
}

fn floats(bytes: &[u8]) -> Option<Vec<f64>> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| numbers.iter().map(|number| f64::from_le_bytes(*number)).collect())
}

/// A count or offset as SQLite keeps it.
pub(super) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|e| {
        Error::new(Code::StoreRejected, format!("the number {number} lies beyond what the record store can keep"))
            .because(e)
    })
}
