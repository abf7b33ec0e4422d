//! Positions as callers carry them: an opaque, URL-safe, compact text.
//!
//! The text is `p1` and the URL-safe base64 (no padding) of: the number of logs; for each, in order,
//! the length of its name, the name, the number of its partitions and, in order, each partition
//! and its next offset; then four bytes of checksum. Numbers are LEB128. There is one spelling per
//! position, and anything else is refused: a damaged position must not become an earlier one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::{LogId, Offset, Partition, Place, Position};
use crate::error::{Code, Error, Result};
use crate::limits;

const VERSION: &str = "p1";
const CHECKSUM_BYTES: usize = 4;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Position {
    /// The position that covers one record: its partition, just past it.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        let mut position = Self::default();
        position.cover(place);
        position
    }

    /// Extends this position so that it covers a record too.
    pub fn cover(&mut self, place: &Place) {
        self.raise((place.log.clone(), place.partition), place.offset.saturating_add(1));
    }

    /// Extends this position so that it covers whatever the other one covers.
    pub fn merge(&mut self, other: &Self) {
        for ((log, partition), next) in &other.0 {
            self.raise((log.clone(), *partition), *next);
        }
    }

    /// Whether a record at that place lies before this position.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        self.next(&place.log, place.partition) > place.offset
    }

    /// The next offset in a partition; 0 when the position does not name it.
    #[must_use]
    pub fn next(&self, log: &LogId, partition: Partition) -> Offset {
        self.0.get(&(log.clone(), partition)).copied().unwrap_or(0)
    }

    /// Log, partition and next offset, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&LogId, Partition, Offset)> {
        self.0.iter().map(|((log, partition), next)| (log, *partition, *next))
    }

    /// Whether it names no partition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the text that a position writes.
    ///
    /// # Errors
    /// [`Code::BadPosition`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(bad("is empty".into()));
        }
        if text.len() > limits::POSITION_BYTES_MAX {
            return Err(bad(format!("is longer than {} bytes", limits::POSITION_BYTES_MAX)));
        }
        let damaged = || bad("was not made by this system, or is damaged".into());
        let bytes = text.strip_prefix(VERSION).and_then(decode64).ok_or_else(damaged)?;
        read(&bytes).filter(|position| position.to_string() == text).ok_or_else(damaged)
    }

    /// Reads several positions, separated by commas, as one that covers them all.
    ///
    /// # Errors
    /// [`Code::BadPosition`] when one of them is not a position.
    pub fn parse_many(text: &str) -> Result<Self> {
        if text.len() > limits::POSITION_BYTES_MAX {
            return Err(bad(format!("is longer than {} bytes", limits::POSITION_BYTES_MAX)));
        }
        let mut all = Self::default();
        for one in text.split(',') {
            all.merge(&Self::parse(one)?);
        }
        Ok(all)
    }

    fn raise(&mut self, key: (LogId, Partition), next: Offset) {
        let known = self.0.entry(key).or_insert(next);
        *known = next.max(*known);
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut logs: BTreeMap<&LogId, Vec<(Partition, Offset)>> = BTreeMap::new();
        for (log, partition, next) in self.iter() {
            logs.entry(log).or_default().push((partition, next));
        }
        let mut bytes = Vec::new();
        push(&mut bytes, logs.len() as u64);
        for (log, partitions) in logs {
            push(&mut bytes, log.as_str().len() as u64);
            bytes.extend_from_slice(log.as_str().as_bytes());
            push(&mut bytes, partitions.len() as u64);
            for (partition, next) in partitions {
                push(&mut bytes, partition.into());
                push(&mut bytes, next);
            }
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        f.write_str(VERSION)?;
        f.write_str(&encode64(&bytes))
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn bad(why: String) -> Error {
    Error::new(Code::BadPosition, format!("the position {why}"))
        .remedy("pass the position of an earlier answer, unchanged")
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_be_bytes();
    [a, b, c, d]
}

fn read(bytes: &[u8]) -> Option<Position> {
    let (mut bytes, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if checksum(bytes) != sum {
        return None;
    }
    let mut position = Position::default();
    for _ in 0..take(&mut bytes)? {
        let length = usize::try_from(take(&mut bytes)?).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let log = LogId::new(std::str::from_utf8(name).ok()?);
        for _ in 0..take(&mut bytes)? {
            let partition = Partition::try_from(take(&mut bytes)?).ok()?;
            position.0.insert((log.clone(), partition), take(&mut bytes)?);
        }
    }
    bytes.is_empty().then_some(position)
}

/// Appends a LEB128 number.
fn push(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Takes a LEB128 number from the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(first & 0x7f);
        if part.leading_zeros() < shift {
            return None;
        }
        n |= part << shift;
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

fn encode64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * i)) as usize & 0x3f]));
        }
    }
    text
}

fn decode64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            group = group << 6 | u32::try_from(digit).ok()?;
        }
        group <<= 6 * (4 - chunk.len());
        let [_, a, b, c] = group.to_be_bytes();
        bytes.extend_from_slice(&[a, b, c][..chunk.len().checked_sub(1)?]);
    }
    Some(bytes)
}
