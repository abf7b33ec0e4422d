//! Ids that follow from what they name, so that naming it again gives the same id.
//!
//! Each is the UUIDv5 of some parts in [`NAMESPACE`]: UTF-8 texts joined by U+0000, numbers among
//! them in decimal. `schemas/corpus/derived.json` fixes examples of every one; a change here
//! would make second memories out of first ones.

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::ids::{EventId, MemoryId, Namespace, Place};
use crate::{json, limits};

/// The namespace UUID of all derived ids. Published: other writers compute the same ids with it.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x751b_dd46_f7b7_4b31_9d10_f4ab_140c_8973);

const EVENT: &str = "event";
const MEMORY: &str = "memory";
const IMPORT: &str = "import";
const RECORD: &str = "record";
const RESTORE: &str = "restore";

/// The UUIDv5 of these parts.
#[must_use]
pub fn derived(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("\0").as_bytes())
}

/// The memory stored at a coordinate of a namespace: (`memory`, namespace, each number as its 8
/// big-endian IEEE 754 bytes in lower-case hexadecimal).
#[must_use]
pub fn coordinate_id(namespace: &Namespace, coordinate: &Coordinate) -> MemoryId {
    let numbers: Vec<String> = coordinate.0.iter().map(|x| format!("{:016x}", x.to_bits())).collect();
    let parts: Vec<&str> = [MEMORY, namespace.as_str()].into_iter().chain(numbers.iter().map(String::as_str)).collect();
    MemoryId(derived(&parts))
}

/// What a repeated request is recognised by: parts (`event` or `memory`, namespace, method, target,
/// item index, key).
#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'a> {
    /// The namespace written to.
    pub namespace: &'a Namespace,
    /// The request's method, in capitals.
    pub method: &'a str,
    /// The request's path, without its query.
    pub target: &'a str,
    /// Which item of the request, from 0.
    pub item: usize,
    /// The caller's `Idempotency-Key`.
    pub key: &'a str,
}

impl Idempotency<'_> {
    /// The id of the event that the request makes.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        EventId(self.derived(EVENT))
    }

    /// The id of the memory that the request makes, when it names none.
    #[must_use]
    pub fn memory_id(&self) -> MemoryId {
        MemoryId(self.derived(MEMORY))
    }

    fn derived(&self, what: &str) -> Uuid {
        derived(&[what, self.namespace.as_str(), self.method, self.target, &self.item.to_string(), self.key])
    }
}

/// The event id of the tombstone at this place: (log, partition, offset).
#[must_use]
pub fn tombstone_id(place: &Place) -> EventId {
    EventId(derived(&[place.log.as_str(), &place.partition.to_string(), &place.offset.to_string()]))
}

/// The event of an imported line: (`event`, namespace, `import`, SHA-256 of the canonical JSON in
/// hexadecimal, which occurrence of that JSON in the file, from 1).
#[must_use]
pub fn import_event_id(namespace: &Namespace, canonical_json: &str, occurrence: u64) -> EventId {
    EventId(imported(EVENT, namespace, canonical_json, occurrence))
}

/// The memory of an imported line that names none: as [`import_event_id`], with `memory`.
#[must_use]
pub fn import_memory_id(namespace: &Namespace, canonical_json: &str, occurrence: u64) -> MemoryId {
    MemoryId(imported(MEMORY, namespace, canonical_json, occurrence))
}

/// Whether this is the memory that an import makes of a content of the namespace, at one of its first
/// [`limits::IMPORT_OCCURRENCES_MAX`] occurrences.
#[must_use]
pub fn is_import_memory(namespace: &Namespace, canonical_json: &str, id: MemoryId) -> bool {
    let hash = sha256_hex(canonical_json.as_bytes());
    let nth = |n: u64| derived(&[MEMORY, namespace.as_str(), IMPORT, &hash, &n.to_string()]);
    (1..=limits::IMPORT_OCCURRENCES_MAX).any(|n| nth(n) == id.0)
}

fn imported(what: &str, namespace: &Namespace, canonical_json: &str, occurrence: u64) -> Uuid {
    let hash = sha256_hex(canonical_json.as_bytes());
    derived(&[what, namespace.as_str(), IMPORT, &hash, &occurrence.to_string()])
}

/// The event that brings an exported memory into being, when the one that it shows changed it later:
/// (`restore`, the id of that event).
#[must_use]
pub fn restored_event_id(shown: EventId) -> EventId {
    EventId(derived(&[RESTORE, &shown.to_string()]))
}

/// What stands for a record whose event id cannot be read: (`record`, SHA-256 of the key, SHA-256 of
/// the value), an absent key as an empty one.
#[must_use]
pub fn record_id(key: Option<&[u8]>, value: &[u8]) -> EventId {
    EventId(derived(&[RECORD, &sha256_hex(key.unwrap_or_default()), &sha256_hex(value)]))
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

/// Where a memory is stored when its writer names a place: finite numbers, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate(Vec<f64>);

impl Coordinate {
    /// Checks the bounds; −0 becomes +0.
    ///
    /// # Errors
    /// [`Code::Schema`] at `coordinate` for no number, more than [`limits::COORDINATE_NUMBERS_MAX`],
    /// or one beyond ±1e308.
    pub fn new(numbers: Vec<f64>) -> Result<Self> {
        if numbers.is_empty() {
            return refuse("has no number".into());
        }
        if numbers.len() > limits::COORDINATE_NUMBERS_MAX {
            return refuse(format!("has more than {} numbers", limits::COORDINATE_NUMBERS_MAX));
        }
        // Also false for what is not a number at all.
        if !numbers.iter().all(|x| x.abs() <= limits::NUMBER_ABS_MAX) {
            return refuse("has a number beyond ±1e308".into());
        }
        Ok(Self(numbers.into_iter().map(|x| x + 0.0).collect()))
    }

    /// Reads comma-separated decimal numbers: `1.0,2.5`. Spaces around a number are ignored.
    ///
    /// # Errors
    /// As [`Coordinate::new`], and for a text that is not a number.
    pub fn parse(text: &str) -> Result<Self> {
        let mut numbers = Vec::new();
        for part in text.split(',').take(limits::COORDINATE_NUMBERS_MAX + 1) {
            let part = part.trim_matches(' ');
            // Words such as `inf` are numbers to Rust and to nobody else.
            let decimal = part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
            match part.parse::<f64>() {
                Ok(number) if decimal => numbers.push(number),
                _ => return refuse(format!("has {} where a number should be", json::shown(part))),
            }
        }
        Self::new(numbers)
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[f64] {
        &self.0
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.0.iter().enumerate() {
            write!(f, "{}{number:?}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::new(Code::Schema, format!("the coordinate {why}"))
        .at("coordinate")
        .remedy("write finite numbers separated by commas, such as 1.0,2.5"))
}
