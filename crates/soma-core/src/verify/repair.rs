//! Putting the index right, from the records.
//!
//! Records come first ([`super::mend`]). Every write carries the `rev` that was found or that the record has
//! (of a turn, the higher one), so a point that the projector writes meanwhile is newer and stays. A point
//! that is ahead of its record is deleted first. The point of a record that is itself at fault and was not
//! mended is left as it is: it would be made to follow the fault.

use std::collections::{BTreeSet, HashMap};

use super::PAGE;
use super::index::points_of;
use super::report::{Finding, Part, Report, What};
use crate::engine::Engine;
use crate::error::Result;
use crate::ids::MemoryId;
use crate::index::Op;

/// Repairs what was found about the index, and counts it.
pub(super) async fn index(engine: &Engine, report: &mut Report) -> Result<()> {
    let records: BTreeSet<MemoryId> =
        report.findings.iter().filter(|f| f.part == Part::Records && !f.repaired).filter_map(|f| f.id).collect();
    let sound = |finding: &Finding| finding.id.is_none_or(|id| !records.contains(&id));
    let of_index = report.findings.iter_mut().filter(|finding| finding.part == Part::Index);
    let (at_fault, beside): (Vec<&mut Finding>, Vec<_>) = of_index.partition(|finding| sound(finding));
    for finding in beside {
        finding.remedy = Some("its record is at fault and was not mended: mend that first".to_owned());
    }
    for mut page in chunks(at_fault) {
        let ids: Vec<MemoryId> =
            page.iter().filter(|f| f.what != What::Extra).filter_map(|finding| finding.id).collect();
        let found: HashMap<MemoryId, u64> =
            page.iter().filter_map(|finding| Some((finding.id?, finding.rev))).collect();
        let states = engine.store.states(&ids).await?;
        let mut ops: Vec<Op> = page
            .iter()
            .filter(|finding| finding.what == What::Extra)
            .filter_map(|finding| Some(Op::Delete { id: finding.id?, rev: finding.rev }))
            .collect();
        let gone = states.iter().filter(|state| !state.is_live());
        ops.extend(gone.map(|state| Op::Delete { id: state.id, rev: state.rev }));
        // Of another life of the store: nothing with the record's own `rev` could replace them.
        let mut ahead: Vec<Op> = Vec::new();
        for mut point in points_of(engine, &states).await? {
            let found = found.get(&point.id).copied().unwrap_or_default();
            if point.thread.is_some() {
                point.rev = point.rev.max(found);
            } else if found > point.rev {
                ahead.push(Op::Delete { id: point.id, rev: found });
            }
            ops.push(Op::Upsert(Box::new(point)));
        }
        if !ahead.is_empty() {
            engine.index.write(ahead).await?;
        }
        engine.index.write(ops).await?;
        for finding in &mut page {
            finding.repaired = true;
        }
    }
    engine.index.flush().await
}

fn chunks<T>(items: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        chunks.push(items.by_ref().take(PAGE).collect());
    }
    chunks
}
