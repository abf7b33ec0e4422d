//! Dead letters: which the log calls for, and which are kept.

use std::collections::BTreeMap;

use super::PAGE;
use super::log::Range;
use super::report::{Finding, Report, What};
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
