//! Identifiers and times, parsed at the edge and trusted afterwards.
//!
//! Every type has one canonical spelling, which is what it writes. What it reads is named by the
//! function: `parse` takes any usual spelling, `parse_strict` the one that the schema allows.

mod position;
mod time;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid, Variant};

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::{json, limits};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident at $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads any usual spelling: hyphenated, 32 digits, in braces or as a URN, in either case.
            ///
            /// # Errors
            /// [`Code::Schema`] at the field that holds such an id.
            pub fn parse(text: &str) -> Result<Self> {
                any_spelling(text).map(Self).ok_or_else(|| not_a_uuid(text, $field))
            }

            /// Reads the hyphenated spelling only, in either case.
            ///
            /// # Errors
            /// [`Code::Schema`] at the field that holds such an id.
            pub fn parse_strict(text: &str) -> Result<Self> {
                hyphenated(text).map(Self).ok_or_else(|| not_a_uuid(text, $field))
            }

            /// A new id, version 7: it sorts after those made in earlier milliseconds.
            #[must_use]
            pub fn new_v7(clock: &dyn Clock) -> Self {
                Self(uuid_v7(clock))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The identity of one event; it takes effect once, for ever.
    EventId at "event_id"
}
uuid_id! {
    /// The identity of one memory, and the key of its events.
    MemoryId at "id"
}

impl MemoryId {
    /// Reads an id that a caller chose: hyphenated, version 4 or 7.
    ///
    /// # Errors
    /// [`Code::Schema`] at `id`; version 5 is reserved for ids that follow from what they name
    /// ([`crate::event::derive`]).
    pub fn parse_explicit(text: &str) -> Result<Self> {
        let id = Self::parse_strict(text)?;
        let refuse = |why: &str, remedy: &str| {
            Err(Error::new(Code::Schema, format!("the id {id} {why}")).at("id").remedy(remedy))
        };
        match (id.0.get_variant(), id.0.get_version_num()) {
            (Variant::RFC4122, 4 | 7) => Ok(id),
            (Variant::RFC4122, 5) => refuse(
                "is a UUID of version 5, which is reserved for derived ids",
                "choose version 4 or 7, name a coordinate, or leave the id out",
            ),
            _ => refuse("is not a UUID of version 4 or 7", "choose version 4 or 7, or leave the id out"),
        }
    }

    /// Whether it is of version 5, and so says that it follows from what it names.
    #[must_use]
    pub fn is_derived(self) -> bool {
        self.0.get_variant() == Variant::RFC4122 && self.0.get_version_num() == 5
    }
}

/// A UUID in any usual spelling.
pub(crate) fn any_spelling(text: &str) -> Option<Uuid> {
    const URN: &str = "urn:uuid:";
    match text.get(..URN.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(URN) => hyphenated(&text[URN.len()..]),
        _ => Uuid::try_parse(text).ok(),
    }
}

fn hyphenated(text: &str) -> Option<Uuid> {
    const SPELLED_BYTES: usize = 36;
    if text.len() == SPELLED_BYTES { Uuid::try_parse(text).ok() } else { None }
}

fn not_a_uuid(text: &str, field: &str) -> Error {
    Error::new(Code::Schema, format!("{field} {} is not a UUID", json::shown(text)))
        .at(field)
        .remedy("write 32 hexadecimal digits as 8-4-4-4-12")
}

fn uuid_v7(clock: &dyn Clock) -> Uuid {
    let millis = u64::try_from(clock.now().0 / 1_000).unwrap_or(0);
    let [a, b, c, d, e, f, g, h, i, j, ..] = clock.random();
    Builder::from_unix_timestamp_millis(millis, &[a, b, c, d, e, f, g, h, i, j]).into_uuid()
}

/// Whose memories: 1 to 256 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Code::Schema`] at `namespace` when the text is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: String| Err(Error::new(Code::Schema, format!("namespace {why}")).at("namespace"));
        let chars = text.chars().count();
        if chars == 0 {
            return refuse("is empty".into());
        }
        if chars > limits::NAMESPACE_CHARS_MAX {
            return refuse(format!("has {chars} characters, at most {} are allowed", limits::NAMESPACE_CHARS_MAX));
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return refuse(format!("contains the control character U+{:04X}", u32::from(c)));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Namespace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a log: a journal's id, or `<cluster id>/<topic>#<generation>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(Arc<str>);

impl LogId {
    /// A log by its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an operator has begun it anew (`<cluster id>/<topic>#2` and so on), and so accepted what the
    /// topic had lost by then.
    #[must_use]
    pub fn is_renewed(&self) -> bool {
        let generation = self.0.rsplit_once('#').and_then(|(_, number)| number.parse::<u64>().ok());
        generation.is_some_and(|generation| generation > 1)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partition of a log.
pub type Partition = u32;
/// A record's place in its partition; offsets grow, and may have gaps.
pub type Offset = u64;

/// Where one record lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The log.
    pub log: LogId,
    /// The partition of it.
    pub partition: Partition,
    /// The offset in it.
    pub offset: Offset,
}

impl Place {
    /// Whether both lie in the same partition of the same log.
    #[must_use]
    pub fn same_partition(&self, other: &Self) -> bool {
        self.partition == other.partition && self.log == other.log
    }

    /// Reads the text that a place writes: `<log>/<partition>@<offset>`.
    ///
    /// # Errors
    /// [`Code::BadPosition`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = text.rsplit_once('@').and_then(|(rest, offset)| {
            let (log, partition) = rest.rsplit_once('/')?;
            Some(Self { log: LogId::new(log), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        parts.filter(|place| !place.log.as_str().is_empty() && place.to_string() == text).ok_or_else(|| {
            Error::new(Code::BadPosition, format!("{} names no place in a log", json::shown(text)))
                .remedy("write <log>/<partition>@<offset>, as it is shown")
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.log, self.partition, self.offset)
    }
}

/// How far something has come: per log and partition the **next** offset. Opaque to callers.
///
/// A position covers a write when its `next` is beyond the write's offset; two positions merge by
/// the larger offset of each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(pub BTreeMap<(LogId, Partition), Offset>);

/// A moment in UTC, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);
