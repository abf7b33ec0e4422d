//! Identifiers and times, parsed at the edge and trusted afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::limits;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The identity of one event; it takes effect once, for ever.
    EventId
}
uuid_id! {
    /// The identity of one memory, and the key of its events.
    MemoryId
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
