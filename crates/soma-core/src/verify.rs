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
//! A repair makes the stores what the log says: counts and records first ([`mend`]), in transactions beside
//! the projector's, then points, from the records. What it cannot put right it names, with what to do.
//!
//! Finding out shares only the decoder and the definition [`crate::fold::from_scratch`] with the projector, so
//! that an error of the projector cannot hide itself.

mod counts;
mod index;
mod letters;
mod log;
mod mend;
mod records;
mod repair;
mod report;

use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Code, Result};
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
    /// What to do about what is found.
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

    /// The same verification, with records, histories, counts and points put right.
    #[must_use]
    pub const fn repairing(self) -> Self {
        Self { repair: Repair::Stores, ..self }
    }
}

/// What a verification changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing.
    Nothing,
    /// Both stores: records from the log, then points from the records.
    Stores,
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
    let repairs = options.repair == Repair::Stores;
    counts::compare(engine, repairs, &mut report).await?;
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
    let mut tail = log::Tail::of(&range);
    if repairs {
        tail.follow(engine).await?;
        report.leave_out(&tail.named);
        letters::advise(&mut report);
        mend::records(engine, &read, &mut tail, &mut report).await?;
    }
    match index::compare(engine, &mut report).await {
        Err(error) if error.code == Code::Corrupt && !repairs && !report.findings.is_empty() => {
            let detail = format!("not compared, because damaged records stand in the way: {error}");
            report.add(Finding::new(Part::Index, What::Different, detail));
        }
        compared => compared?,
    }
    tail.follow(engine).await?;
    report.leave_out(&tail.named);
    if !tail.named.is_empty() {
        index::look_again(engine, &mut report).await?;
    }
    if repairs {
        repair::index(engine, &mut report).await?;
    }
    report.close(FINDINGS_MAX);
    Ok(report)
}
