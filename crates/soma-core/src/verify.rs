//! Verification: the log is folded from nothing and compared with both stores, memory by memory.
//!
//! It answers for the log up to its end at the start. A memory that is written meanwhile is left
//! out: the tail of the log is read last, and whatever it names is not judged.
//!
//! Memory stays bounded however long the log is. Events are folded in passes, each over the memories
//! whose id falls into one of its parts; of a payload only the digest is kept. Event ids that occur
//! twice are found in passes of their own. Records and points are compared with each other in one
//! merge by id.
//!
//! It shares only the decoder and the definition [`crate::fold::from_scratch`] with the projector, so
//! that an error of the projector cannot hide itself.

mod index;
mod letters;
mod log;
mod records;
mod repair;
mod report;

use std::time::Duration;

use crate::engine::Engine;
use crate::error::Result;
use crate::ids::Position;

pub use report::{Finding, Part, Report, What};

/// Events folded in one pass, about; each takes some 300 bytes.
const EVENTS_PER_PASS: u64 = 250_000;
/// Event ids compared in one pass, about; each takes 16 bytes.
const IDS_PER_PASS: u64 = 1 << 20;
/// Rows, points or letters read at a time.
const PAGE: usize = 500;
/// Findings that a report lists; the others are counted.
const FINDINGS_MAX: usize = 1_000;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the projector may take to reach the end of the log at the start.
    pub wait: Duration,
    /// What to do about the index.
    pub repair: Repair,
    /// Events folded in one pass, about.
    pub events_per_pass: u64,
    /// Event ids compared in one pass, about.
    pub ids_per_pass: u64,
}

impl Options {
    /// A verification that changes nothing and waits this long for the projector.
    #[must_use]
    pub const fn new(wait: Duration) -> Self {
        Self { wait, repair: Repair::Nothing, events_per_pass: EVENTS_PER_PASS, ids_per_pass: IDS_PER_PASS }
    }

    /// The same verification, with points that are missing, wrong or left over put right.
    #[must_use]
    pub const fn repairing(self) -> Self {
        Self { repair: Repair::Index, ..self }
    }
}

/// What a verification changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing.
    Nothing,
    /// Points, from their records. Records are only ever written by projecting the log.
    Index,
}

/// Verifies both stores and the dead letters against the log.
///
/// # Errors
/// `position_not_reached` when the projector does not reach the end of the log in time;
/// `unavailable`, `corrupt`, and with a repair `storage_full`.
pub async fn verify(engine: &Engine, options: Options) -> Result<Report> {
    let range = log::Range::now(engine).await?;
    let mut end = Position::default();
    for bounds in range.bounds.iter().filter(|bounds| bounds.next > bounds.first) {
        end.0.insert((engine.log.id().clone(), bounds.partition), bounds.next);
    }
    if !end.is_empty() {
        engine.wait(&end, options.wait).await?;
    }
    let mut report = Report::new(end);
    let kept = letters::Kept::read(engine, &range).await?;
    let repeats = log::repeats(engine, &range, &kept, options.ids_per_pass).await?;
    let mut expected_letters = letters::Expected::default();
    let read = records::Reading { range: &range, repeats: &repeats, kept: &kept };
    let passes = range.records().div_ceil(options.events_per_pass).max(1);
    for pass in 0..passes {
        let part = log::PartOf { pass, passes };
        let folded = records::fold(engine, &read, part, &mut expected_letters).await?;
        records::compare(engine, part, folded, &mut report).await?;
    }
    letters::compare(&expected_letters, &kept, &mut report);
    index::compare(engine, &mut report).await?;
    let named = log::named_since(engine, &range).await?;
    report.leave_out(&named);
    if !named.is_empty() {
        index::look_again(engine, &mut report).await?;
    }
    if options.repair == Repair::Index {
        repair::index(engine, &mut report).await?;
    }
    report.findings.truncate(FINDINGS_MAX);
    Ok(report)
}
