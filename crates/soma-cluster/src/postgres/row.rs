//! Rows and what they stand for.
//!
//! A row that does not decode was written by somebody else or is damaged: the error names the table
//! and the row. Numbers in `jsonb` keep their value but not their kind: an integral double is
//! therefore written with its fraction (`100000000000000000.0`), which PostgreSQL keeps.

use std::io;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use soma_core::error::{Code, Error, Result};
use soma_core::event::{Content, Event, EventType};
use soma_core::fold::{Entry, State};
use soma_core::ids::{EventId, LogId, MemoryId, Namespace, Place, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

/// The columns of [`state`], in its order.
pub(super) const STATE: &str = "id, namespace, kind, created_at, updated_at, event_id, version, log, partition, \
     \"offset\", effective, rev, importance, model_revision, payload, embedding";
/// The columns of [`entry`], in its order.
pub(super) const ENTRY: &str = "event_id, id, namespace, type, timestamp, log, partition, \"offset\", importance, \
     model_revision, payload, embedding";
/// The columns of an [`entry`] whose content is left out.
pub(super) const MARK: &str = "event_id, id, namespace, type, timestamp, log, partition, \"offset\", \
     NULL::float8, NULL::text, NULL::jsonb, NULL::float8[]";

/// The integers that a double can spell like one: up to here JSON reads digits as an integer.
const INTEGER_MAX: f64 = 18_446_744_073_709_551_616.0;

pub(super) fn state(row: &Row) -> Result<State> {
    let cells = Cells { row, table: "memories" };
    Ok(State {
        id: MemoryId(cells.get(0)?),
        namespace: cells.namespace(1)?,
        kind: cells.kind(2)?,
        created_at: cells.time(3)?,
        updated_at: cells.time(4)?,
        event_id: EventId(cells.get(5)?),
        version: cells.count(6)?,
        at: cells.place(7)?,
        effective: cells.time(10)?,
        rev: cells.count(11)?,
        content: cells.content(12)?,
    })
}

pub(super) fn entry(row: &Row) -> Result<Entry> {
    let cells = Cells { row, table: "memory_events" };
    let event = Event {
        event_id: EventId(cells.get(0)?),
        id: MemoryId(cells.get(1)?),
        namespace: cells.namespace(2)?,
        kind: cells.kind(3)?,
        timestamp: cells.time(4)?,
        content: cells.content(8)?,
    };
    Ok(Entry { event, place: cells.place(5)? })
}

/// Reads the columns of one row.
pub(super) struct Cells<'a> {
    pub(super) row: &'a Row,
    pub(super) table: &'static str,
}

impl<'a> Cells<'a> {
    pub(super) fn get<T: FromSql<'a>>(&self, at: usize) -> Result<T> {
        self.row.try_get(at).map_err(|e| self.damaged("a column of another form").because(e))
    }

    fn damaged(&self, what: &str) -> Error {
        let name = self.row.try_get::<_, Uuid>(0).map_or_else(|_| "a row".to_owned(), |id| format!("the row of {id}"));
        Error::new(Code::Corrupt, format!("{name} in {} has {what}", self.table))
            .remedy("the tables were changed from outside: restore them, or start with an empty schema")
    }

    pub(super) fn time(&self, at: usize) -> Result<Timestamp> {
        Ok(self.get::<Moment>(at)?.0)
    }

    pub(super) fn count(&self, at: usize) -> Result<u64> {
        u64::try_from(self.get::<i64>(at)?).map_err(|_| self.damaged("a negative count"))
    }

    pub(super) fn partition(&self, at: usize) -> Result<u32> {
        u32::try_from(self.get::<i64>(at)?).map_err(|_| self.damaged("an impossible partition"))
    }

    pub(super) fn log(&self, at: usize) -> Result<LogId> {
        Ok(LogId::new(self.get(at)?))
    }

    pub(super) fn namespace(&self, at: usize) -> Result<Option<Namespace>> {
        let text: Option<&str> = self.get(at)?;
        text.map(Namespace::parse).transpose().map_err(|_| self.damaged("a namespace out of its bounds"))
    }

    fn kind(&self, at: usize) -> Result<EventType> {
        EventType::parse(self.get(at)?).ok_or_else(|| self.damaged("an unknown type"))
    }

    fn place(&self, at: usize) -> Result<Place> {
        Ok(Place { log: self.log(at)?, partition: self.partition(at + 1)?, offset: self.count(at + 2)? })
    }

    /// From importance, model revision, payload and embedding.
    fn content(&self, at: usize) -> Result<Option<Content>> {
        let Some(payload) = self.get::<Option<Value>>(at + 2)? else { return Ok(None) };
        Ok(Some(Content {
            payload,
            importance: self.get(at)?,
            embedding: self.get(at + 3)?,
            model_revision: self.get(at + 1)?,
        }))
    }
}

/// A time as `timestamptz`, which counts microseconds since 2000.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    /// 2000-01-01T00:00:00Z, in microseconds since the Unix epoch.
    const ZERO: i64 = 946_684_800_000_000;
}

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        out.put_i64(self.0.0.checked_sub(Self::ZERO).ok_or("a time before all times")?);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp(micros.checked_add(Self::ZERO).ok_or("a time after all times")?)))
    }

    accepts!(TIMESTAMPTZ);
}

/// JSON text as `jsonb`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jsonb<'a>(pub(super) &'a str);

impl ToSql for Jsonb<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        out.put_u8(1);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSONB);
    to_sql_checked!();
}

/// Content in the form of its columns.
pub(super) struct Cooked {
    pub(super) importance: Option<f64>,
    pub(super) model_revision: Option<String>,
    pub(super) payload: String,
    /// The text of an array: an array of arrays cannot hold rows of different lengths.
    pub(super) embedding: Option<String>,
}

impl Cooked {
    pub(super) fn new(content: &Content) -> Result<Self> {
        Ok(Self {
            importance: content.importance,
            model_revision: content.model_revision.clone(),
            payload: spelled(&content.payload)?,
            embedding: content.embedding.as_deref().map(array),
        })
    }
}

/// The payload in a spelling that keeps doubles apart from integers.
pub(super) fn spelled(payload: &Value) -> Result<String> {
    let mut bytes = Vec::with_capacity(128);
    let refuse = |why: Boxed| Error::new(Code::StoreRejected, "the payload has no JSON form").because(why);
    payload.serialize(&mut Serializer::with_formatter(&mut bytes, Fractions)).map_err(|e| refuse(e.into()))?;
    String::from_utf8(bytes).map_err(|e| refuse(e.into()))
}

/// Writes an integral double with a fraction.
struct Fractions;

impl Formatter for Fractions {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value.fract() == 0.0 && value.abs() <= INTEGER_MAX {
            return write!(writer, "{value:.1}");
        }
        CompactFormatter.write_f64(writer, value)
    }
}

fn array(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:e}")).collect();
    format!("{{{}}}", numbers.join(","))
}

/// A count or offset as PostgreSQL keeps it.
pub(super) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|e| {
        Error::new(Code::StoreRejected, format!("the number {number} lies beyond what the record store can keep"))
            .because(e)
    })
}

#[cfg(test)]
mod tests;
