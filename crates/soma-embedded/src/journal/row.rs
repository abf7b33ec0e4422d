//! A record as a row, and back, with its checksum verified.

use rusqlite::Row;
use soma_core::error::Result;
use soma_core::ids::{EventId, LogId, Offset, Place, Timestamp};
use soma_core::log::Record;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::sqlite::Database;

/// The columns that [`Stored::read`] expects, in its order.
pub(super) const COLUMNS: &str = "offset, timestamp, checksum, event_id, memory, key, headers, value";

pub(super) type Headers = Vec<(String, Vec<u8>)>;

/// A row of `records`, not yet verified.
pub(super) struct Stored {
    pub(super) offset: Offset,
    pub(super) event_id: Option<[u8; 16]>,
    timestamp: i64,
    checksum: i64,
    memory: Option<[u8; 16]>,
    key: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Stored {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            offset: row.get(0)?,
            timestamp: row.get(1)?,
            checksum: row.get(2)?,
            event_id: row.get(3)?,
            memory: row.get(4)?,
            key: row.get(5)?,
            headers: row.get(6)?,
            value: row.get(7)?,
        })
    }

    /// The record, if the row is what was once written.
    ///
    /// # Errors
    /// `corrupt`, naming the file and the offset.
    pub(super) fn verify(self, database: &Database, log: &LogId) -> Result<Record> {
        let key = join_key(self.memory, self.key);
        let contents = Contents {
            offset: self.offset,
            timestamp: self.timestamp,
            event_id: self.event_id,
            key: key.as_deref(),
            headers: self.headers.as_deref(),
            value: self.value.as_deref(),
        };
        if contents.checksum() != self.checksum {
            return Err(database.corrupt(format!("the checksum of record {} does not fit its content", self.offset)));
        }
        let headers = decode_headers(self.headers.as_deref())
            .ok_or_else(|| database.corrupt(format!("the headers of record {} cannot be read", self.offset)))?;
        Ok(Record {
            place: Place { log: log.clone(), partition: super::PARTITION, offset: self.offset },
            timestamp: Timestamp(self.timestamp),
            key,
            value: self.value,
            headers,
        })
    }
}

/// What a record's checksum covers.
pub(super) struct Contents<'a> {
    pub(super) offset: Offset,
    pub(super) timestamp: i64,
    pub(super) event_id: Option<[u8; 16]>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl Contents<'_> {
    pub(super) fn checksum(&self) -> i64 {
        let mut sum = Checksum::default();
        sum.number(self.offset.cast_signed());
        sum.number(self.timestamp);
        sum.bytes(self.event_id.as_ref().map(<[u8; 16]>::as_slice));
        sum.bytes(self.key);
        sum.bytes(self.headers);
        sum.bytes(self.value);
        sum.finish()
    }
}

/// XXH3 over a sequence of fields; field boundaries count.
#[derive(Default)]
pub(super) struct Checksum(Xxh3);

impl Checksum {
    pub(super) fn number(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: Option<&[u8]>) {
        // No length is u64::MAX, so "absent" and "empty" differ.
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.0.update(&length.to_le_bytes());
        self.0.update(bytes.unwrap_or_default());
    }

    pub(super) fn finish(&self) -> i64 {
        self.0.digest().cast_signed()
    }
}

pub(super) fn event_bytes(event_id: Option<EventId>) -> Option<[u8; 16]> {
    event_id.map(|id| id.0.into_bytes())
}

/// The columns `memory` and `key` of a key: a UUID in canonical spelling is not stored twice.
pub(super) fn split_key(key: Option<&[u8]>) -> (Option<[u8; 16]>, Option<&[u8]>) {
    let Some(bytes) = key else { return (None, None) };
    match Uuid::try_parse_ascii(bytes) {
        Ok(id) if spell(id) == bytes => (Some(id.into_bytes()), None),
        Ok(id) => (Some(id.into_bytes()), key),
        Err(_) => (None, key),
    }
}

pub(super) fn join_key(memory: Option<[u8; 16]>, key: Option<Vec<u8>>) -> Option<Vec<u8>> {
    key.or_else(|| memory.map(|id| spell(Uuid::from_bytes(id))))
}

fn spell(id: Uuid) -> Vec<u8> {
    id.as_hyphenated().to_string().into_bytes()
}

/// Headers as bytes: each name and value after its length (u32, little-endian). `None` for none.
pub(super) fn encode_headers(headers: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for part in headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        let length = u32::try_from(part.len()).expect("the size of a record is bounded before it is encoded");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Some(bytes)
}

/// The inverse of [`encode_headers`]; `None` when the bytes are not its output.
pub(super) fn decode_headers(bytes: Option<&[u8]>) -> Option<Headers> {
    let mut rest = bytes.unwrap_or_default();
    let mut part = || -> Option<Option<Vec<u8>>> {
        let Some((length, tail)) = rest.split_first_chunk::<4>() else { return rest.is_empty().then_some(None) };
        let (part, tail) = tail.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        rest = tail;
        Some(Some(part.to_vec()))
    };
    let mut headers = Headers::new();
    while let Some(name) = part()? {
        headers.push((String::from_utf8(name).ok()?, part()??));
    }
    Some(headers)
}
