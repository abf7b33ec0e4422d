//! Putting the index right, from the records.
//!
//! Every write carries the `rev` that was found or that the record has (of a turn, the higher one), so a
//! point that the projector writes meanwhile is newer and stays. The point of a record that is itself at fault is left as it is: it
//! would be made to follow the fault.

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
        report.findings.iter().filter(|f| f.part == Part::Records).filter_map(|finding| finding.id).collect();
    let sound = |finding: &Finding| finding.id.is_none_or(|id| !records.contains(&id));
    let at_fault: Vec<&mut Finding> =
        report.findings.iter_mut().filter(|finding| finding.part == Part::Index && sound(finding)).collect();
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
        for mut point in points_of(engine, &states).await? {
            if point.thread.is_some() {
                point.rev = found.get(&point.id).map_or(point.rev, |found| point.rev.max(*found));
            }
            ops.push(Op::Upsert(Box::new(point)));
        }
        engine.index.write(ops).await?;
        for finding in &mut page {
            finding.repaired = true;
        }
        report.repaired += page.len() as u64;
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
