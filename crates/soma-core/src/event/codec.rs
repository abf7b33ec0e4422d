//! Bytes to event and back: read tolerantly, written in one spelling.

use crate::error::Error;
use crate::event::Event;
use crate::fold::Entry;
use crate::ids::EventId;
use crate::log::Record;

/// Header that marks a record whose content a delete erased in the log.
pub const ERASED: &str = "soma.erased";
/// Headers of a redriven record: where it first lay. It is folded there.
pub const ORIGIN_LOG: &str = "soma.origin.log";
/// See [`ORIGIN_LOG`].
pub const ORIGIN_PARTITION: &str = "soma.origin.partition";
/// See [`ORIGIN_LOG`].
pub const ORIGIN_OFFSET: &str = "soma.origin.offset";

/// A record that is not an event: it becomes a dead letter.
#[derive(Debug)]
pub struct Refused {
    /// Code, field and reason.
    pub error: Error,
    /// The event's id, when it could be read.
    pub event_id: Option<EventId>,
}

/// Reads a record. Its place is the record's own, or the origin of a redriven one.
///
/// # Errors
/// One of the reason codes of a dead letter; the value's size is checked against `value_bytes_max`.
pub fn decode(record: &Record, value_bytes_max: usize) -> Result<Entry, Refused> {
    let _ = (record, value_bytes_max);
    todo!()
}

/// Writes an event in its canonical spelling: the value of a record of ours.
#[must_use]
pub fn encode(event: &Event) -> Vec<u8> {
    let _ = event;
    todo!()
}

/// An id by which a record is recognised later, whatever it holds: its event id when that can be
/// read, else one derived from its bytes. Erasing a record does not change it.
#[must_use]
pub fn identity(record: &Record) -> EventId {
    let _ = record;
    todo!()
}

/// The value of this record without its content: ids, namespace, type and time stay. `None` when the
/// record holds nothing to erase (tombstones, records that cannot be read).
#[must_use]
pub fn erase(record: &Record) -> Option<Vec<u8>> {
    let _ = record;
    todo!()
}
