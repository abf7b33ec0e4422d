//! Dead letters: which the log calls for, and which are kept.

use std::collections::BTreeMap;

use super::PAGE;
use super::log::Range;
use super::report::{Finding, Part, Report, What};
use crate::engine::Engine;
use crate::error::{Code, Result};
use crate::ids::Place;

/// The kept letters of the range: where each lay, and why it was refused.
#[derive(Default)]
pub(super) struct Kept(BTreeMap<Place, String>);

impl Kept {
    pub(super) async fn read(engine: &Engine, range: &Range) -> Result<Self> {
        let mut kept = BTreeMap::new();
        let mut after = None;
        loop {
            let letters = engine.letters.list(after, PAGE).await?;
            let Some(last) = letters.last() else { break };
            after = Some(last.record.place.clone());
            let within = letters.into_iter().filter(|letter| range.holds(engine, &letter.record.place));
            kept.extend(within.map(|letter| (letter.record.place, letter.reason)));
        }
        Ok(Self(kept))
    }

    /// Why a store or the schema registry refused this record: only they can know, so their word is taken.
    pub(super) fn refused_elsewhere(&self, place: &Place) -> Option<Code> {
        let reason = self.0.get(place)?;
        [Code::StoreRejected, Code::SchemaUnknown].into_iter().find(|code| reason == code.as_str())
    }
}

/// The letters that the log calls for: where, and why.
#[derive(Default)]
pub(super) struct Expected(pub(super) BTreeMap<Place, String>);

/// Says what to do about letters: they are no copy of the log that could be made again from it.
pub(super) fn advise(report: &mut Report) {
    for finding in report.findings.iter_mut().filter(|finding| finding.part == Part::DeadLetters) {
        let remedy = match finding.what {
            What::Missing => {
                "its record is still in the log, where `soma dump log` shows it; write it anew if it is missed"
            }
            What::Extra | What::Different => "look at it with `soma dlq show`; no memory depends on it",
        };
        finding.remedy = Some(remedy.to_owned());
    }
}

/// Compares both.
pub(super) fn compare(expected: &Expected, kept: &Kept, report: &mut Report) {
    report.dead_letters = expected.0.len() as u64;
    for (place, reason) in &expected.0 {
        match kept.0.get(place) {
            None => report.add(Finding::letter(What::Missing, place.clone(), format!("should be there for {reason}"))),
            Some(has) if has != reason => {
                let detail = format!("is there for {has} instead of {reason}");
                report.add(Finding::letter(What::Different, place.clone(), detail));
            }
            Some(_) => {}
        }
    }
    for (place, reason) in &kept.0 {
        if !expected.0.contains_key(place) {
            report.add(Finding::letter(What::Extra, place.clone(), format!("is there for {reason}")));
        }
    }
}
