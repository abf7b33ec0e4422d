//! Putting records right, from the log.
//!
//! Of a memory at fault everything that is kept, row and history, is discarded and made anew by folding
//! its events from nothing, in one record transaction beside the owner of its partition
//! ([`crate::store::Projecting::mend`]): the projector's transactions wait for it and it for theirs, and
//! its claim stands. Its `rev` is drawn as for any change, so points that a projector writes later are
//! newer. Points follow afterwards ([`super::repair`]).
//!
//! What the log got since the verification began is read again inside the transaction. A memory that it
//! names is left to the projector, and to the next verification.
//!
//! The log must be whole to say what a memory is. Where its beginning is gone, or events of a memory lie
//! in another log, nothing is touched, and the report says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::PAGE;
use super::letters::Expected;
use super::log::Tail;
use super::records::{self, Reading};
use super::report::{Part, Report};
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::fold::{self, Entry, State};
use crate::ids::{EventId, LogId, MemoryId, Partition};
use crate::json;
use crate::store::{Loaded, Mending};
use crate::thread::{Placed, Thread};

/// Bytes of events that are held at once, about.
const EVENTS_BYTES: usize = 64 << 20;
/// Memories of one transaction.
const GROUP: usize = 64;
/// How often a transaction is begun that others end.
const ATTEMPTS: usize = 5;

/// What became of a memory at fault: `None` when it was mended, else why not and what to do.
type Fates = BTreeMap<MemoryId, Option<String>>;

/// Mends what was found about records and histories.
pub(super) async fn records(engine: &Engine, read: &Reading<'_>, tail: &mut Tail, report: &mut Report) -> Result<()> {
    let of_records = |part: Part| part == Part::Records || part == Part::History;
    let of = report.findings.iter().filter(|finding| of_records(finding.part));
    let mut left: BTreeSet<MemoryId> = of.filter_map(|finding| finding.id).collect();
    let mut fates = Fates::new();
    if let Some(first) = read.range.bounds.iter().find(|bounds| bounds.first > 0) {
        let why = format!(
            "the log begins at offset {} of partition {}, so it cannot say what this memory is: put a backup of the \
             record store back",
            first.first, first.partition
        );
        fates.extend(std::mem::take(&mut left).into_iter().map(|id| (id, Some(why.clone()))));
    }
    for (id, log) in elsewhere(engine, &left).await? {
        left.remove(&id);
        let why = format!(
            "events of it lie in log {log}, which is not the one that was read ({}): verify with that log, or put a \
             backup of the record store back",
            engine.log.id()
        );
        fates.insert(id, Some(why));
    }
    while !left.is_empty() {
        let mut gathered = gather(engine, read, &left).await?;
        let later = gathered.below.map_or_else(BTreeSet::new, |below| left.split_off(&below));
        for (partition, ids) in groups(&left, &gathered) {
            group(engine, tail, (partition, &ids), &mut gathered.events, &mut fates).await?;
        }
        left = later;
    }
    for finding in report.findings.iter_mut().filter(|finding| of_records(finding.part)) {
        let Some(fate) = finding.id.and_then(|id| fates.get(&id)) else { continue };
        finding.repaired = fate.is_none();
        finding.remedy.clone_from(fate);
    }
    Ok(())
}

/// Begins a transaction in this partition, or in any that a projector has taken.
pub(super) async fn begin(engine: &Engine, partition: Option<Partition>) -> Result<Mending> {
    let partition = match partition {
        Some(partition) => partition,
        None => {
            let rows = engine.store.positions().await?;
            let ours = rows.iter().find(|row| row.projector == engine.projector && row.log == *engine.log.id());
            ours.map_or(0, |row| row.partition)
        }
    };
    let mut attempt = 1;
    loop {
        match engine.store.mend(&engine.projector, engine.log.id(), partition).await {
            Err(error) if error.code == Code::Fenced && attempt < ATTEMPTS => attempt += 1,
            begun => return begun,
        }
    }
}

/// Those of these memories of which something lies in another log that was projected here.
async fn elsewhere(engine: &Engine, ids: &BTreeSet<MemoryId>) -> Result<BTreeMap<MemoryId, LogId>> {
    let rows = engine.store.positions().await?;
    let others: BTreeSet<LogId> = rows.into_iter().map(|row| row.log).filter(|log| log != engine.log.id()).collect();
    let mut found = BTreeMap::new();
    if others.is_empty() {
        return Ok(found);
    }
    let ids: Vec<MemoryId> = ids.iter().copied().collect();
    for ids in ids.chunks(PAGE) {
        let states = engine.store.states(ids).await?;
        let histories = engine.store.histories(ids).await?;
        let of_states = states.into_iter().map(|state| (state.id, state.at.log));
        let of_marks = histories.into_iter().flat_map(|(id, marks)| marks.into_iter().map(move |m| (id, m.place.log)));
        found.extend(of_states.chain(of_marks).filter(|(_, log)| others.contains(log)));
    }
    Ok(found)
}

/// The events of some memories, as the log has them.
#[derive(Default)]
struct Gathered {
    events: BTreeMap<MemoryId, Events>,
    bytes: usize,
    /// From this memory on nothing was kept.
    below: Option<MemoryId>,
}

struct Events {
    partition: Partition,
    entries: Vec<Entry>,
    bytes: usize,
}

impl Gathered {
    fn take(&mut self, partition: Partition, entry: Entry) {
        const OVERHEAD: usize = 256;
        let id = entry.event.id;
        if self.below.is_some_and(|below| id >= below) {
            return;
        }
        let content = entry.event.content.as_ref();
        let embedding = content.and_then(|content| content.embedding.as_ref()).map_or(0, Vec::len);
        let bytes =
            OVERHEAD + content.map_or(0, |content| json::weight(&content.payload)) + embedding * size_of::<f64>();
        let events = self.events.entry(id).or_insert(Events { partition, entries: Vec::new(), bytes: 0 });
        events.entries.push(entry);
        events.bytes += bytes;
        self.bytes += bytes;
        while self.bytes > EVENTS_BYTES
            && self.events.len() > 1
            && let Some((id, last)) = self.events.pop_last()
        {
            self.bytes -= last.bytes;
            self.below = Some(id);
        }
    }
}

/// Reads the log for the first of these memories: as many as the bound on bytes allows.
async fn gather(engine: &Engine, read: &Reading<'_>, ids: &BTreeSet<MemoryId>) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let wanted = |id: MemoryId| ids.contains(&id);
    let mut letters = Expected::default();
    records::events(engine, read, wanted, &mut letters, |partition, entry| gathered.take(partition, entry)).await?;
    Ok(gathered)
}

/// Who is mended in which partition. Those that the log does not know go first: their events may be
/// another's.
fn groups(ids: &BTreeSet<MemoryId>, gathered: &Gathered) -> Vec<(Option<Partition>, Vec<MemoryId>)> {
    let mut by_partition: BTreeMap<Option<Partition>, Vec<MemoryId>> = BTreeMap::new();
    for id in ids {
        by_partition.entry(gathered.events.get(id).map(|events| events.partition)).or_default().push(*id);
    }
    let groups = by_partition.into_iter();
    groups.flat_map(|(at, ids)| ids.chunks(GROUP).map(|ids| (at, ids.to_vec())).collect::<Vec<_>>()).collect()
}

/// Mends one group, alone what a store refuses together.
async fn group(
    engine: &Engine,
    tail: &mut Tail,
    (partition, ids): (Option<Partition>, &[MemoryId]),
    events: &mut BTreeMap<MemoryId, Events>,
    fates: &mut Fates,
) -> Result<()> {
    let mut groups: Vec<Vec<MemoryId>> = vec![ids.to_vec()];
    while let Some(ids) = groups.pop() {
        let entries: Vec<Entry> =
            ids.iter().filter_map(|id| events.get(id)).flat_map(|events| events.entries.iter().cloned()).collect();
        match mend(engine, tail, partition, &ids, entries).await {
            Ok(done) => {
                let fate = |id: &MemoryId| {
                    let written = "it was written meanwhile: run the repair again";
                    (*id, (!done.contains(id)).then(|| written.to_owned()))
                };
                fates.extend(ids.iter().map(fate));
            }
            Err(error) if error.code == Code::StoreRejected => match ids.as_slice() {
                [id] => {
                    let why = format!("the record store refuses what the log says of it: {error}");
                    fates.insert(*id, Some(why));
                }
                _ => groups.extend(ids.iter().map(|id| vec![*id])),
            },
            Err(error) => return Err(error),
        }
    }
    for id in ids {
        events.remove(id);
    }
    Ok(())
}

/// Puts the rows of these memories right in one transaction, except for those that the log names
/// meanwhile; tells which.
async fn mend(
    engine: &Engine,
    tail: &mut Tail,
    partition: Option<Partition>,
    ids: &[MemoryId],
    entries: Vec<Entry>,
) -> Result<BTreeSet<MemoryId>> {
    let mut attempt = 1;
    loop {
        match attempted(engine, tail, partition, ids, &entries).await {
            Err(error) if matches!(error.code, Code::Fenced | Code::Contended) && attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

async fn attempted(
    engine: &Engine,
    tail: &mut Tail,
    partition: Option<Partition>,
    ids: &[MemoryId],
    entries: &[Entry],
) -> Result<BTreeSet<MemoryId>> {
    // What is read before need not be read while others wait.
    tail.follow(engine).await?;
    let mut mending = begin(engine, partition).await?;
    let loaded = mending.staging.load(ids, &[]).await?;
    tail.follow(engine).await?;
    let ids: Vec<MemoryId> = ids.iter().copied().filter(|id| !tail.named.contains(id)).collect();
    let entries: Vec<Entry> = entries.iter().filter(|entry| !tail.named.contains(&entry.event.id)).cloned().collect();
    let folded = fold::batch(&Loaded::default(), &entries, &HashMap::new())
        .map_err(|_| Error::new(Code::Internal, "folding from nothing asked for what is stored"))?;
    let states = loaded.states.values().chain(folded.changes.iter().map(|change| &change.state));
    let threads: BTreeSet<Thread> = states.filter_map(|state: &State| Some(Placed::of(state)?.thread)).collect();
    if !threads.is_empty() {
        mending.staging.lock_threads(&threads.into_iter().collect::<Vec<_>>()).await?;
    }
    let events: Vec<EventId> = entries.iter().map(|entry| entry.event.event_id).collect();
    mending.staging.discard(&ids, &events).await?;
    mending.staging.stage(&folded.changes).await?;
    mending.commit(engine.clock.now()).await?;
    Ok(ids.into_iter().collect())
}
