//! What a verification found.

use std::collections::HashSet;

use crate::ids::{MemoryId, Place, Position};

/// Which part of the data is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The record of a memory.
    Records,
    /// The history of a memory.
    History,
    /// The point of a memory.
    Index,
    /// The counts of memories and events.
    Counts,
    /// The dead letters.
    DeadLetters,
}

impl Part {
    /// The word that people and programs read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::History => "history",
            Self::Index => "index",
            Self::Counts => "counts",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It should be there and is not.
    Missing,
    /// It is there and should not be.
    Extra,
    /// It is there with another content.
    Different,
}

impl What {
    /// The word that people and programs read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Different => "different",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub part: Part,
    /// What.
    pub what: What,
    /// Of which memory, if it is about one.
    pub id: Option<MemoryId>,
    /// Of which record of the log, if it is about one.
    pub place: Option<Place>,
    /// Which fields differ, as a phrase.
    pub detail: String,
    /// Whether the repair put it right.
    pub repaired: bool,
    /// Why it did not, and what to do, as a sentence; absent where no repair was asked for.
    pub remedy: Option<String>,
    /// The `rev` of the point at fault, so that a repair spares a newer one.
    pub(super) rev: u64,
}

impl Finding {
    pub(super) fn of(part: Part, what: What, id: MemoryId, detail: impl Into<String>) -> Self {
        Self { id: Some(id), ..Self::new(part, what, detail.into()) }
    }

    pub(super) fn letter(what: What, place: Place, detail: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::new(Part::DeadLetters, what, detail.into()) }
    }

    pub(super) const fn new(part: Part, what: What, detail: String) -> Self {
        Self { part, what, id: None, place: None, detail, repaired: false, remedy: None, rev: 0 }
    }

    pub(super) const fn under(mut self, rev: u64) -> Self {
        self.rev = rev;
        self
    }
}

/// What a verification counted and found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The log was compared up to here.
    pub position: Position,
    /// Valid events of the log, without repeated ones.
    pub events: u64,
    /// Memories that are there.
    pub memories: u64,
    /// Memories that are deleted and remembered as such.
    pub deleted: u64,
    /// Points of the index.
    pub points: u64,
    /// Dead letters that the log calls for.
    pub dead_letters: u64,
    /// Memories that were written meanwhile and are not judged.
    pub left_out: u64,
    /// How many differences there are.
    pub differences: u64,
    /// How many of them the repair put right.
    pub repaired: u64,
    /// The differences, or the first of them.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) const fn new(position: Position) -> Self {
        Self {
            position,
            events: 0,
            memories: 0,
            deleted: 0,
            points: 0,
            dead_letters: 0,
            left_out: 0,
            differences: 0,
            repaired: 0,
            findings: Vec::new(),
        }
    }

    /// Whether the stores are what the log says, after what was repaired.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.differences == self.repaired
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Forgets what was found about memories that were written meanwhile, and counts the rest.
    pub(super) fn leave_out(&mut self, named: &HashSet<MemoryId>) {
        self.left_out = named.len() as u64;
        self.findings.retain(|finding| finding.id.is_none_or(|id| !named.contains(&id)));
        self.findings.sort_by(|a, b| (a.part, &a.place, a.id).cmp(&(b.part, &b.place, b.id)));
    }

    /// Counts what was found and what was put right; lists the first `most`.
    pub(super) fn close(&mut self, most: usize) {
        self.differences = self.findings.len() as u64;
        self.repaired = self.findings.iter().filter(|finding| finding.repaired).count() as u64;
        self.findings.truncate(most);
    }
}
