//! Properties of the fold: neither the interleaving of logs nor the cutting of batches nor repeats
//! change what the events of a memory come to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use proptest::test_runner::TestCaseResult;

use super::{Entry, Outcome, State, batch, from_scratch, in_order};
use crate::event::{Event, EventType};
use crate::ids::{LogId, MemoryId, Place};
use crate::store::{Advance, Claim, Projecting, ProjectorName, Reading};
use crate::testing::sample::{event_id, memory_id, namespace, set, time};
use crate::testing::{SeededClock, Store};

/// The partitions that events come from: two of one log, and another log.
const STREAMS: [(&str, u32); 3] = [("a", 0), ("a", 1), ("b", 0)];

/// One event before it has its place.
#[derive(Clone, Debug)]
struct Draft {
    stream: usize,
    memory: u64,
    kind: EventType,
    second: u64,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Plain,
    /// A delete without a namespace.
    Tombstone,
    /// The same event as an earlier one of the stream.
    Repeat(Pick),
    /// Folded where an earlier offset of the stream was.
    Redriven(Pick),
    /// In a namespace that is not the memory's.
    Stray,
}

fn draft() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![
        3 => Just(EventType::Created),
        4 => Just(EventType::Updated),
        2 => Just(EventType::Deleted),
    ];
    let form = prop_oneof![
        8 => Just(Form::Plain),
        1 => Just(Form::Tombstone),
        1 => any::<Pick>().prop_map(Form::Repeat),
        2 => any::<Pick>().prop_map(Form::Redriven),
    ];
    (0..STREAMS.len(), 0..2_u64, kind, 0..8_u64, form).prop_map(|(stream, memory, kind, second, form)| Draft {
        stream,
        memory,
        kind,
        second,
        form,
    })
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    vec(draft(), 1..24)
}

/// Gives every draft its event id and its place; offsets grow by ten within a stream.
fn streams(drafts: &[Draft]) -> Vec<Vec<Entry>> {
    let mut streams: Vec<Vec<Entry>> = vec![Vec::new(); STREAMS.len()];
    for (number, draft) in (0..).zip(drafts) {
        let (log, partition) = STREAMS[draft.stream];
        let stream = &mut streams[draft.stream];
        let own = 10 * stream.len() as u64;
        let place = |offset| Place { log: LogId::new(log), partition, offset };
        let entry = |kind, offset| {
            let event =
                Event { timestamp: time(draft.second), ..set(kind, draft.memory, number, &format!("text {number}")) };
            let event = if kind == EventType::Deleted { Event { content: None, ..event } } else { event };
            Entry { event, place: place(offset) }
        };
        let entry = match &draft.form {
            Form::Plain => entry(draft.kind, own),
            Form::Tombstone => {
                let Entry { event, place } = entry(EventType::Deleted, own);
                Entry { event: Event { namespace: None, ..event }, place }
            }
            Form::Stray => {
                let Entry { event, place } = entry(draft.kind, own);
                Entry { event: Event { namespace: Some(namespace("stray")), ..event }, place }
            }
            Form::Repeat(pick) if !stream.is_empty() => {
                Entry { event: stream[pick.index(stream.len())].event.clone(), place: place(own) }
            }
            Form::Redriven(pick) if !stream.is_empty() => entry(draft.kind, 10 * pick.index(stream.len()) as u64 + 5),
            Form::Repeat(_) | Form::Redriven(_) => entry(draft.kind, own),
        };
        stream.push(entry);
    }
    streams
}

/// Merges the streams as `picks` say; each keeps its own order.
fn interleave(streams: &[Vec<Entry>], picks: &[Pick]) -> Vec<Entry> {
    let mut rest: Vec<_> = streams.iter().map(|stream| stream.iter()).collect();
    let mut merged = Vec::new();
    let mut picks = picks.iter().cycle();
    while rest.iter().any(|stream| stream.len() > 0) {
        let open: Vec<usize> = (0..rest.len()).filter(|n| rest[*n].len() > 0).collect();
        let chosen = picks.next().map_or(0, |pick| pick.index(open.len()));
        merged.extend(rest[open[chosen]].next().cloned());
    }
    merged
}

/// Everything that a store keeps of the memories, `rev` apart.
type Kept = BTreeMap<MemoryId, (State, Vec<Entry>)>;

/// A store that is filled batch by batch.
struct Filled {
    store: Arc<Store>,
    claim: Claim,
}

impl Filled {
    async fn new() -> Self {
        let store = Arc::new(Store::new());
        let claimed = store.claim(&ProjectorName::memory(), &LogId::new("a"), 0, time(0)).await;
        Self { store, claim: claimed.expect("a store in memory does not fail").claim }
    }

    async fn fill(&self, events: &[Entry], cuts: &[usize]) -> crate::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let mut rest = events;
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).clamp(1, rest.len().max(1)).min(rest.len()));
            outcomes.extend(self.fill_one(now).await?);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        Ok(outcomes)
    }

    async fn fill_one(&self, events: &[Entry]) -> crate::Result<Vec<Outcome>> {
        let mut staging = self.store.begin(&self.claim).await?;
        let ids: HashSet<MemoryId> = events.iter().map(|entry| entry.event.id).collect();
        let ids: Vec<MemoryId> = ids.into_iter().collect();
        let event_ids: Vec<_> = events.iter().map(|entry| entry.event.event_id).collect();
        let loaded = staging.load(&ids, &event_ids).await?;
        let folded = match batch(&loaded, events, &HashMap::new()) {
            Ok(folded) => folded,
            Err(missing) => {
                let entries = staging.entries(&missing).await?;
                batch(&loaded, events, &entries).expect("the fold asks once")
            }
        };
        staging.stage(&folded.changes).await?;
        staging.commit(Advance { next: 0, last: None, now: time(0) }).await?;
        Ok(folded.outcomes)
    }

    async fn kept(&self) -> crate::Result<Kept> {
        let states = self.store.scan(None, 100).await?;
        let ids: Vec<MemoryId> = states.iter().map(|state| state.id).collect();
        let mut entries = self.store.begin(&self.claim).await?.entries(&ids).await?;
        let row = |state: State| {
            (state.id, (State { rev: 0, ..state.clone() }, entries.remove(&state.id).unwrap_or_default()))
        };
        Ok(states.into_iter().map(row).collect())
    }
}

/// Runs a test on a store of its own.
fn with_store(test: impl AsyncFnOnce(Filled) -> crate::Result<TestCaseResult>) -> TestCaseResult {
    SeededClock::new(1).block_on(async { test(Filled::new().await).await.expect("a store in memory does not fail") })
}

/// The first arrival of every event that was not refused, by memory, in the order of arrival.
fn accepted(events: &[Entry], outcomes: &[Outcome]) -> BTreeMap<MemoryId, Vec<Entry>> {
    let mut accepted: BTreeMap<MemoryId, Vec<Entry>> = BTreeMap::new();
    for (entry, outcome) in events.iter().zip(outcomes) {
        if matches!(outcome, Outcome::Applied | Outcome::Stale) {
            accepted.entry(entry.event.id).or_default().push(entry.clone());
        }
    }
    accepted
}

/// What is kept is what folding every event from nothing gives, and nothing before a delete has content.
fn check_against_scratch(kept: &Kept, accepted: &BTreeMap<MemoryId, Vec<Entry>>) -> TestCaseResult {
    prop_assert_eq!(kept.keys().collect::<Vec<_>>(), accepted.keys().collect::<Vec<_>>());
    for (id, events) in accepted {
        let (state, rows) = &kept[id];
        let (all, left) = (from_scratch(events), from_scratch(rows));
        prop_assert_eq!(Some(state), all.as_ref());
        prop_assert_eq!(Some(state), left.as_ref(), "the rows that are left give another state");

        let ordered = in_order(events);
        let delete = ordered.iter().rposition(|entry| entry.event.kind == EventType::Deleted).unwrap_or(0);
        let expected = ordered.iter().enumerate().map(|(number, entry)| {
            let content = entry.event.content.clone().filter(|_| number >= delete);
            Entry { event: Event { content, ..entry.event.clone() }, place: entry.place.clone() }
        });
        let expected: Vec<Entry> = expected.collect();
        let rows: Vec<Entry> = in_order(rows).into_iter().cloned().collect();
        prop_assert_eq!(rows, expected);
    }
    Ok(())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(1..8_usize, 1..6)
}

fn picks() -> impl Strategy<Value = Vec<Pick>> {
    vec(any::<Pick>(), 1..32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_in_any_batches_gives_the_fold_from_scratch(
        drafts in drafts(), picks in picks(), cuts in cuts(),
    ) {
        let events = interleave(&streams(&drafts), &picks);
        with_store(async |filled| {
            let outcomes = filled.fill(&events, &cuts).await?;
            let kept = filled.kept().await?;
            Ok(check_against_scratch(&kept, &accepted(&events, &outcomes)))
        })?;
    }

    #[test]
    fn two_interleavings_end_in_the_same_state(
        drafts in drafts(), one in picks(), other in picks(), cuts in cuts(),
    ) {
        let streams = streams(&drafts);
        let mut ends = Vec::new();
        for picks in [one, other] {
            let events = interleave(&streams, &picks);
            with_store(async |filled| {
                filled.fill(&events, &cuts).await?;
                ends.push(filled.kept().await?.into_values().map(|(state, _)| state).collect::<Vec<_>>());
                Ok(Ok(()))
            })?;
        }
        prop_assert_eq!(&ends[0], &ends[1]);
    }

    #[test]
    fn a_replay_from_any_earlier_position_changes_nothing(
        drafts in drafts(), picks in picks(), cuts in cuts(), from in any::<Pick>(),
    ) {
        let events = interleave(&streams(&drafts), &picks);
        with_store(async |filled| {
            filled.fill(&events, &cuts).await?;
            let before = filled.kept().await?;
            let outcomes = filled.fill(&events[from.index(events.len())..], &cuts).await?;
            let after = filled.kept().await?;
            Ok((|| {
                prop_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Duplicate), "{:?}", outcomes);
                prop_assert_eq!(before, after);
                Ok(())
            })())
        })?;
    }

    /// Deletes blank earlier values in the log; a rebuild reads what is left, in any interleaving.
    #[test]
    fn a_partly_erased_log_gives_the_same_state(
        drafts in drafts(), one in picks(), other in picks(), cuts in cuts(), kept in vec(any::<bool>(), 24),
    ) {
        let mut streams = streams(&drafts);
        let events = interleave(&streams, &one);
        let mut first = Kept::new();
        with_store(async |filled| {
            filled.fill(&events, &cuts).await?;
            first = filled.kept().await?;
            Ok(Ok(()))
        })?;
        let erased: HashSet<_> = first
            .values()
            .flat_map(|(_, rows)| rows)
            .filter(|row| row.event.content.is_none())
            .map(|row| row.event.event_id)
            .collect();
        for (entry, keep) in streams.iter_mut().flatten().zip(kept) {
            if !keep && erased.contains(&entry.event.event_id) {
                entry.event.content = None;
            }
        }
        let events = interleave(&streams, &other);
        with_store(async |filled| {
            filled.fill(&events, &cuts).await?;
            let second = filled.kept().await?;
            Ok((|| {
                let states = |kept: &Kept| kept.values().map(|(state, _)| state.clone()).collect::<Vec<_>>();
                prop_assert_eq!(states(&first), states(&second));
                Ok(())
            })())
        })?;
    }

    #[test]
    fn events_of_another_namespace_leave_no_trace(
        drafts in drafts(), strays in vec(any::<bool>(), 24), picks in picks(), cuts in cuts(),
    ) {
        let mut drafts = drafts;
        for (draft, _) in drafts.iter_mut().zip(strays).filter(|(draft, stray)| *stray && matches!(draft.form, Form::Plain)) {
            draft.form = Form::Stray;
        }
        let events = interleave(&streams(&drafts), &picks);
        with_store(async |filled| {
            let outcomes = filled.fill(&events, &cuts).await?;
            let kept = filled.kept().await?;
            let accepted = accepted(&events, &outcomes);
            Ok((|| {
                for events in accepted.values() {
                    let names: HashSet<_> = events.iter().filter_map(|entry| entry.event.namespace.clone()).collect();
                    prop_assert!(names.len() <= 1, "{:?}", names);
                }
                check_against_scratch(&kept, &accepted)
            })())
        })?;
    }
}

/// The memory that the fold names is the one whose event it was.
#[test]
fn an_event_id_that_another_memory_had_is_a_duplicate() {
    let first = crate::testing::sample::entry(set(EventType::Created, 1, 1, "one"), 0);
    let event = Event { id: memory_id(2), ..first.event.clone() };
    let second = crate::testing::sample::entry(event, 1);
    let loaded = crate::store::Loaded::default();
    let folded = batch(&loaded, &[first, second], &HashMap::new()).expect("nothing is late");
    assert_eq!(folded.outcomes, [Outcome::Applied, Outcome::Duplicate]);
    assert_eq!(folded.changes.len(), 1);

    let loaded = crate::store::Loaded { seen: [event_id(1)].into(), ..crate::store::Loaded::default() };
    let third = crate::testing::sample::entry(set(EventType::Created, 3, 1, "three"), 2);
    let folded = batch(&loaded, &[third], &HashMap::new()).expect("nothing is late");
    assert_eq!((folded.outcomes, folded.changes.len()), (vec![Outcome::Duplicate], 0));
}
