//! Records and histories against a fold of the log.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::PAGE;
use super::letters::{Expected, Kept};
use super::log::{PartOf, Range, each};
use super::report::{Finding, Part, Report, What};
use crate::engine::Engine;
use crate::error::{Code, Result};
use crate::event::{Content, codec};
use crate::fold::{self, Entry, State};
use crate::ids::{MemoryId, Namespace, Partition, Place};
use crate::json::canonical;
use crate::store::Mark;

/// The events of each memory of one pass, in the order of the log, with digests for payloads.
pub(super) type Entries = HashMap<MemoryId, Vec<Entry>>;

/// What is read, and what of it has no effect.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) range: &'a Range,
    pub(super) repeats: &'a HashSet<Place>,
    pub(super) kept: &'a Kept,
}

/// Collects the events of one pass, and what has to be a dead letter.
pub(super) async fn fold(engine: &Engine, read: &Reading<'_>, part: PartOf, letters: &mut Expected) -> Result<Entries> {
    let mut entries: Entries = HashMap::new();
    let wanted = |id: MemoryId| part.holds(id.0.as_bytes());
    events(engine, read, wanted, letters, |_, entry| entries.entry(entry.event.id).or_default().push(digested(entry)))
        .await?;
    Ok(entries)
}

/// Takes every event of these memories that has an effect, with the partition in which it was read, and
/// notes what has to be a dead letter.
pub(super) async fn events(
    engine: &Engine,
    read: &Reading<'_>,
    wanted: impl Fn(MemoryId) -> bool + Sync,
    letters: &mut Expected,
    mut take: impl FnMut(Partition, Entry) + Send,
) -> Result<()> {
    let Reading { range, repeats, kept } = *read;
    let mut namespaces: HashMap<MemoryId, Namespace> = HashMap::new();
    let max = engine.value_bytes_max;
    each(engine, range, |record| {
        let entry = match codec::decode(record, max) {
            Ok(entry) => entry,
            Err(refused) => {
                // Its schema is asked for before it is read.
                let code = kept.refused_elsewhere(&record.place).unwrap_or(refused.error.code);
                letters.0.insert(record.place.clone(), code.as_str().to_owned());
                return;
            }
        };
        let id = entry.event.id;
        if !wanted(id) || repeats.contains(&record.place) {
            return;
        }
        if let Some(code) = kept.refused_elsewhere(&record.place) {
            letters.0.insert(record.place.clone(), code.as_str().to_owned());
            return;
        }
        if let Some(says) = &entry.event.namespace
            && namespaces.entry(id).or_insert_with(|| says.clone()) != says
        {
            letters.0.insert(record.place.clone(), Code::NamespaceMismatch.as_str().to_owned());
            return;
        }
        take(record.place.partition, entry);
    })
    .await
}

/// Compares the rows of one pass.
pub(super) async fn compare(engine: &Engine, part: PartOf, mut entries: Entries, report: &mut Report) -> Result<()> {
    report.events += entries.values().map(|entries| entries.len() as u64).sum::<u64>();
    let mut after = None;
    loop {
        let states = engine.store.scan(after, PAGE).await?;
        let Some(last) = states.last() else { break };
        after = Some(last.id);
        let ids: Vec<MemoryId> = states.iter().map(|state| state.id).filter(|id| part.holds(id.0.as_bytes())).collect();
        let mut histories = engine.store.histories(&ids).await?;
        for state in states.into_iter().filter(|state| part.holds(state.id.0.as_bytes())) {
            let history = histories.remove(&state.id);
            match entries.remove(&state.id) {
                Some(entries) => one(state, history, &entries, report),
                None => report.add(Finding::of(Part::Records, What::Extra, state.id, "the log does not know it")),
            }
        }
    }
    for id in entries.into_keys() {
        report.add(Finding::of(Part::Records, What::Missing, id, "the log has events of it"));
    }
    Ok(())
}

fn one(stored: State, history: Option<Vec<Mark>>, entries: &[Entry], report: &mut Report) {
    let Some(expected) = fold::from_scratch(entries) else { return };
    let id = stored.id;
    *(if expected.is_live() { &mut report.memories } else { &mut report.deleted }) += 1;
    let differing = differing(&expected, &stored);
    if !differing.is_empty() {
        report.add(Finding::of(Part::Records, What::Different, id, format!("differs in {}", differing.join(", "))));
    }
    let expected: Vec<Mark> = fold::in_order(entries).into_iter().map(Mark::from).collect();
    let Some(has) = history else {
        report.add(Finding::of(Part::History, What::Missing, id, "the memory has no history"));
        return;
    };
    let ids = |marks: &[Mark]| marks.iter().map(|mark| mark.event_id).collect::<Vec<_>>();
    if ids(&has) != ids(&expected) {
        let detail = format!("{} events where the log has {}", has.len(), expected.len());
        report.add(Finding::of(Part::History, What::Different, id, detail));
    } else if let Some((has, _)) = has.iter().zip(&expected).find(|(has, expected)| has != expected) {
        let detail = format!("event {} has another type, time or place", has.event_id);
        report.add(Finding::of(Part::History, What::Different, id, detail));
    }
}

fn differing(expected: &State, stored: &State) -> Vec<&'static str> {
    let content = stored.content.clone().map(digest);
    let fields = [
        ("namespace", expected.namespace == stored.namespace),
        ("type", expected.kind == stored.kind),
        ("content", expected.content == content),
        ("created_at", expected.created_at == stored.created_at),
        ("updated_at", expected.updated_at == stored.updated_at),
        ("event_id", expected.event_id == stored.event_id),
        ("version", expected.version == stored.version),
        ("position", expected.at == stored.at),
        ("effective time", expected.effective == stored.effective),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

fn digested(mut entry: Entry) -> Entry {
    entry.event.content = entry.event.content.map(digest);
    entry
}

/// A content of the same identity that takes little memory.
fn digest(content: Content) -> Content {
    let Content { payload, importance, embedding, model_revision } = content;
    let hash = Sha256::digest(canonical(&json!([payload, embedding])));
    let payload = Value::String(hash.iter().map(|byte| format!("{byte:02x}")).collect());
    Content { payload, importance, embedding: None, model_revision }
}
