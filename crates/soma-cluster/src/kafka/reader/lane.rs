//! What has been fetched of one partition and not been read yet. Pure: no client, no waiting.
//!
//! A lane holds a stretch of its partition without holes: every record between `start` and `position` is
//! either in it or is not in the log at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use soma_core::ids::Offset;
use soma_core::log::{ReadLimit, Record};
use tokio::sync::Notify;

/// Records that a lane holds at most.
pub(super) const RECORDS_MAX: usize = 4_000;
/// How far ahead a reader may jump without a new fetch from there.
const SKIP_MAX: Offset = 500;

/// Whether the partition is fetched at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetching {
    /// From the position on.
    Yes,
    /// Not yet, or the lane was full: to be fetched from the position.
    Wanted,
    /// The lane is full.
    Full,
}

pub(super) struct Lane {
    /// Changes when the lane is put elsewhere.
    pub(super) epoch: u64,
    start: Offset,
    /// Where the next record is fetched: only records move it.
    position: Offset,
    /// The client has said twice that there is no record between the position and here; 0 if it has not.
    settled: Offset,
    records: VecDeque<Record>,
    bytes: usize,
    bytes_max: usize,
    pub(super) fetching: Fetching,
    /// How often it was to be fetched from its position: reports of what was fetched before mean nothing.
    pub(super) fetches: u64,
    /// The client has reported the end of the partition since a record last came.
    reported: bool,
    /// An end that was asked for before what is fetched now was fetched: the next report says that no record
    /// lies before it, unless another broker says so that has yet to hear of them.
    confirming: Option<Offset>,
    /// The client says that some offset is out of range, perhaps this one's.
    pub(super) doubted: bool,
    /// When it was last read.
    pub(super) used: Duration,
    /// Who reads or waits at the moment.
    pub(super) readers: usize,
    pub(super) arrived: Arc<Notify>,
}

/// What a lane has for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// These.
    Records(Vec<Record>),
    /// Nothing: the log ends here.
    End,
    /// Not all of it yet.
    NotYet,
    /// The client reports the end of the partition at this position, where the log is known to go on: the
    /// report is old, what lies between are offsets without records, or somebody's transaction is open there.
    Unsettled(Offset),
}

impl Lane {
    pub(super) fn new(epoch: u64, at: Offset, bytes_max: usize, used: Duration) -> Self {
        Self {
            epoch,
            start: at,
            position: at,
            settled: 0,
            records: VecDeque::new(),
            bytes: 0,
            bytes_max,
            fetching: Fetching::Wanted,
            fetches: 0,
            reported: false,
            confirming: None,
            doubted: false,
            used,
            readers: 0,
            arrived: Arc::new(Notify::new()),
        }
    }

    /// Where the next record is fetched.
    pub(super) fn position(&self) -> Offset {
        self.position
    }

    /// Up to where it is known what the log holds.
    pub(super) fn reached(&self) -> Offset {
        self.position.max(self.settled)
    }

    /// Whether a read from there continues what is here.
    pub(super) fn continues(&self, from: Offset, end: Offset) -> bool {
        let reached = self.reached();
        self.holds(from) && (from <= reached.saturating_add(SKIP_MAX) || reached >= end)
    }

    /// Whether nothing from there on has been taken by somebody else who reads here.
    pub(super) fn holds(&self, from: Offset) -> bool {
        from >= self.start
    }

    /// A record that was fetched. What lies before the position is there already.
    pub(super) fn push(&mut self, record: Record) {
        if record.place.offset < self.position {
            return;
        }
        self.doubted = false;
        self.reported = false;
        self.confirming = None;
        // A broker may have said so before it knew of this one.
        self.settled = 0;
        self.position = record.place.offset + 1;
        self.bytes += record.size_bytes();
        self.records.push_back(record);
        if self.records.len() >= RECORDS_MAX || self.bytes >= self.bytes_max {
            self.fetching = Fetching::Full;
        }
    }

    /// The client reports the end of the partition, as it found it in this fetch.
    pub(super) fn ended(&mut self, fetch: u64) {
        if fetch != self.fetches {
            return;
        }
        self.doubted = false;
        self.reported = true;
        if let Some(confirmed) = self.confirming.take() {
            self.settled = self.settled.max(confirmed);
        }
    }

    /// Fetches once more from the position: the report that follows came after `end` was known.
    pub(super) fn confirm(&mut self, end: Offset) {
        self.reported = false;
        self.confirming = Some(end);
        self.want();
    }

    /// Forgets what lies before `from`.
    fn skip_to(&mut self, from: Offset) {
        while self.records.front().is_some_and(|record| record.place.offset < from) {
            self.pop();
        }
        self.start = self.start.max(from.min(self.position));
    }

    fn pop(&mut self) -> Option<Record> {
        let record = self.records.pop_front()?;
        self.bytes -= record.size_bytes();
        if self.fetching == Fetching::Full && self.records.len() <= RECORDS_MAX / 2 && self.bytes <= self.bytes_max / 2
        {
            self.want();
        }
        Some(record)
    }

    fn want(&mut self) {
        self.fetches += 1;
        self.fetching = Fetching::Wanted;
    }

    /// Records from `from` on when they fill the limit, or reach `end`, or fill the lane.
    pub(super) fn take(&mut self, from: Offset, limit: ReadLimit, end: Offset) -> Taken {
        self.skip_to(from);
        let complete = self.reached() >= end || self.fetching == Fetching::Full || self.fills(limit);
        if complete && !self.records.is_empty() {
            return Taken::Records(self.split(limit));
        }
        if self.reached() >= end {
            return Taken::End;
        }
        if self.reported { Taken::Unsettled(self.reached()) } else { Taken::NotYet }
    }

    /// What there is, complete or not.
    pub(super) fn take_some(&mut self, from: Offset, limit: ReadLimit) -> Vec<Record> {
        self.skip_to(from);
        self.split(limit)
    }

    /// Whether a record at or beyond `from` is here.
    pub(super) fn reaches(&mut self, from: Offset) -> bool {
        self.skip_to(from);
        !self.records.is_empty()
    }

    fn fills(&self, limit: ReadLimit) -> bool {
        self.records.len() >= limit.records || self.bytes >= limit.bytes
    }

    fn split(&mut self, limit: ReadLimit) -> Vec<Record> {
        let mut bytes = 0_usize;
        let mut taken = Vec::new();
        while let Some(next) = self.records.front() {
            bytes = bytes.saturating_add(next.size_bytes());
            if taken.len() >= limit.records || (bytes > limit.bytes && !taken.is_empty()) {
                break;
            }
            taken.extend(self.pop());
        }
        if let Some(last) = taken.last() {
            self.start = last.place.offset + 1;
        }
        taken
    }
}
