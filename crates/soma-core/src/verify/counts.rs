//! What the record store counts, against its rows; and events without a memory.

use super::report::{Finding, Part, Report, What};
use crate::engine::Engine;
use crate::error::Result;

/// Counts and memories that are told of.
const MOST: usize = 10_000;

/// Compares, and counts anew if that is wanted: before any record is mended, which moves the counts along.
pub(super) async fn compare(engine: &Engine, repairs: bool, report: &mut Report) -> Result<()> {
    let audit = engine.store.audit(MOST).await?;
    for id in audit.ownerless {
        report.add(Finding::of(Part::History, What::Extra, id, "there are events of it and no record"));
    }
    if audit.miscounts.is_empty() {
        return Ok(());
    }
    if repairs {
        let mut mending = super::mend::begin(engine, None).await?;
        mending.staging.recount().await?;
        mending.commit(engine.clock.now()).await?;
    }
    for (what, kept, there) in audit.miscounts {
        let detail = format!("{what}: {kept} are counted, {there} are there");
        report.add(Finding { repaired: repairs, ..Finding::new(Part::Counts, What::Different, detail) });
    }
    Ok(())
}
