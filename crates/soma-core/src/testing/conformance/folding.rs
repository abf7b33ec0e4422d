//! What events mean, as a table: runs against the fold alone and against every store.

use std::sync::Arc;

use serde_json::Value;

use super::{Check, Hand, ensure, ensure_eq};
use crate::event::{Event, EventType};
use crate::fold::{self, Entry, Outcome, State};
use crate::ids::{EventId, LogId, MemoryId, Place};
use crate::memory::HistoryEntry;
use crate::store::MemoryStore;
use crate::testing::sample::{self, event_id, memory_id, namespace, time};
use crate::testing::store::history;

/// Events of one memory in the order of their arrival, and what they come to.
pub struct Case {
    /// A sentence.
    pub name: &'static str,
    /// One event per line: `<log><offset> <created|updated|deleted|tombstone> <second> [<text>]`,
    /// then `ns=<namespace>` unless it is `demo`, and `id=<n>` unless it is the n-th event.
    pub events: &'static str,
    /// One outcome per event: `applied`, `stale`, `duplicate`, `mismatch`.
    pub outcomes: &'static str,
    /// `<event> <created_at> <updated_at> v<version> <text>`, `-` for the text of a deleted memory.
    pub state: &'static str,
    /// The events that count, oldest first; with their texts where they keep one.
    pub history: &'static str,
}

/// The table.
#[must_use]
pub fn folding_cases() -> &'static [Case] {
    CASES
}

const CASES: &[Case] = &[
    Case {
        name: "created and updated set the whole payload, and the first sets the time of creation",
        events: "a0 created 10 one\na1 updated 20 two\na2 created 30 three",
        outcomes: "applied applied applied",
        state: "3 10 30 v3 three",
        history: "1=one 2=two 3=three",
    },
    Case {
        name: "an update of an unknown memory brings it into being",
        events: "a0 updated 10 one",
        outcomes: "applied",
        state: "1 10 10 v1 one",
        history: "1=one",
    },
    Case {
        name: "a delete takes the content of everything before it",
        events: "a0 created 10 one\na1 updated 20 two\na2 deleted 30",
        outcomes: "applied applied applied",
        state: "3 10 30 v3 -",
        history: "1 2 3",
    },
    Case {
        name: "an update of a deleted memory is stale",
        events: "a0 created 10 one\na1 deleted 20\na2 updated 30 two",
        outcomes: "applied applied stale",
        state: "2 10 20 v3 -",
        history: "1 2 3=two",
    },
    Case {
        name: "a created event brings a deleted memory back, as of then",
        events: "a0 created 10 one\na1 deleted 20\na2 created 30 two\na3 updated 40 three",
        outcomes: "applied applied applied applied",
        state: "4 30 40 v4 three",
        history: "1 2 3=two 4=three",
    },
    Case {
        name: "a delete of an unknown memory is remembered",
        events: "a0 deleted 10\na1 updated 20 one",
        outcomes: "applied stale",
        state: "1 10 10 v2 -",
        history: "1 2=one",
    },
    Case {
        name: "a second delete counts, and takes what came between",
        events: "a0 deleted 10\na1 updated 20 one\na2 deleted 30",
        outcomes: "applied stale applied",
        state: "3 10 30 v3 -",
        history: "1 2 3",
    },
    Case {
        name: "within a partition the offset decides, whatever the clocks say",
        events: "a0 created 30 one\na1 updated 10 two",
        outcomes: "applied applied",
        state: "2 30 10 v2 two",
        history: "1=one 2=two",
    },
    Case {
        name: "an event id takes effect once, even at a later offset with another text",
        events: "a0 created 10 one\na1 updated 20 two id=1\na2 updated 30 three\na3 deleted 40 id=3",
        outcomes: "applied duplicate applied duplicate",
        state: "3 10 30 v2 three",
        history: "1=one 3=three",
    },
    Case {
        name: "between logs the time decides",
        events: "a0 created 10 one\nb0 updated 30 two\na1 updated 20 three",
        outcomes: "applied applied stale",
        state: "2 10 30 v3 two",
        history: "1=one 3=three 2=two",
    },
    Case {
        name: "at equal times the name of the log decides",
        events: "b0 created 10 one\na0 created 10 two",
        outcomes: "applied stale",
        state: "1 10 10 v2 one",
        history: "2=two 1=one",
    },
    Case {
        name: "a partition whose clock went back keeps its latest time against other logs",
        events: "a0 created 30 one\na1 updated 10 two\nb0 updated 20 three",
        outcomes: "applied applied stale",
        state: "2 20 10 v3 two",
        history: "3=three 1=one 2=two",
    },
    Case {
        name: "a late update takes its place before a delete and loses its content",
        events: "a0 created 10 one\na1 deleted 30\nb0 updated 20 two",
        outcomes: "applied applied stale",
        state: "2 10 30 v3 -",
        history: "1 3 2",
    },
    Case {
        name: "a late delete takes what precedes it and leaves what follows",
        events: "a0 created 10 one\na1 created 30 two\nb0 deleted 20",
        outcomes: "applied applied stale",
        state: "2 30 30 v3 two",
        history: "1 3 2=two",
    },
    Case {
        name: "a late delete makes a later update stale",
        events: "a0 created 10 one\na1 updated 30 two\nb0 deleted 20",
        outcomes: "applied applied applied",
        state: "3 10 20 v3 -",
        history: "1 3 2=two",
    },
    Case {
        name: "a late created event revives what a stale update then changes",
        events: "a0 deleted 10\na1 updated 30 one\nb0 created 20 two",
        outcomes: "applied stale stale",
        state: "2 20 30 v3 one",
        history: "1 3=two 2=one",
    },
    Case {
        name: "a redriven event is folded where it first lay",
        events: "a0 created 10 one\na2 updated 30 two\na1 updated 20 three",
        outcomes: "applied applied stale",
        state: "2 10 30 v3 two",
        history: "1=one 3=three 2=two",
    },
    Case {
        name: "a redriven event with a late clock does not move what lies behind it",
        events: "b0 deleted 20\na5 updated 10 one\na3 updated 99 two",
        outcomes: "applied stale stale",
        state: "1 99 20 v3 -",
        history: "3 2 1",
    },
    Case {
        name: "a redriven event from another log goes before what lies behind it there",
        events: "a9 created 10 one\nb0 updated 20 two\na3 updated 30 three",
        outcomes: "applied applied stale",
        state: "2 30 20 v3 two",
        history: "3=three 1=one 2=two",
    },
    Case {
        name: "a redriven delete takes only what lay before it",
        events: "a0 created 10 one\na2 created 30 two\na1 deleted 20\na3 updated 40 three",
        outcomes: "applied applied stale applied",
        state: "4 30 40 v4 three",
        history: "1 3 2=two 4=three",
    },
    Case {
        name: "a memory keeps the namespace of its first event",
        events: "a0 created 10 one\na1 updated 20 two ns=other\na2 updated 30 three",
        outcomes: "applied mismatch applied",
        state: "3 10 30 v2 three",
        history: "1=one 3=three",
    },
    Case {
        name: "an event refused for its namespace may come again with the right one",
        events: "a0 created 10 one\na1 updated 20 two ns=other\na2 updated 30 two id=2",
        outcomes: "applied mismatch applied",
        state: "2 10 30 v2 two",
        history: "1=one 2=two",
    },
    Case {
        name: "a deleted memory keeps its namespace",
        events: "a0 created 10 one\na1 deleted 20\na2 created 30 two ns=other\na3 deleted 40 ns=other",
        outcomes: "applied applied mismatch mismatch",
        state: "2 10 20 v2 -",
        history: "1 2",
    },
    Case {
        name: "a tombstone fits every namespace, and deletes",
        events: "a0 created 10 one\na1 tombstone 20",
        outcomes: "applied applied",
        state: "2 10 20 v2 -",
        history: "1 2",
    },
    Case {
        name: "after tombstones alone the first event with a namespace gives it",
        events: "a0 tombstone 10\na1 created 20 one ns=other\na2 updated 30 two\na3 tombstone 40\na4 created 50 three ns=other",
        outcomes: "applied applied mismatch applied applied",
        state: "5 50 50 v4 three",
        history: "1 2 4 5=three",
    },
    Case {
        name: "a stale update after a tombstone gives the namespace",
        events: "a0 tombstone 10\na1 updated 20 one ns=other\na2 created 30 two",
        outcomes: "applied stale mismatch",
        state: "1 10 10 v2 -",
        history: "1 2=one",
    },
    Case {
        name: "a late event gives its namespace to a memory that only tombstones have named",
        events: "a0 tombstone 30\nb0 created 10 one ns=other\na1 created 40 two",
        outcomes: "applied stale mismatch",
        state: "1 10 30 v2 -",
        history: "2 1",
    },
];

impl Case {
    /// The events as they arrive.
    ///
    /// # Panics
    /// When the table is misspelled.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        (1..).zip(self.events.lines()).map(|(number, line)| entry(number, line)).collect()
    }

    /// The outcomes as they are expected.
    ///
    /// # Panics
    /// When the table is misspelled.
    #[must_use]
    pub fn expected_outcomes(&self) -> Vec<Outcome> {
        let outcome = |word| match word {
            "applied" => Outcome::Applied,
            "stale" => Outcome::Stale,
            "duplicate" => Outcome::Duplicate,
            "mismatch" => Outcome::NamespaceMismatch,
            other => panic!("{other} is no outcome"),
        };
        self.outcomes.split(' ').map(outcome).collect()
    }
}

fn entry(number: u64, line: &str) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    let (log, offset) = words[0].split_at(1);
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let kind = match words[1] {
        "tombstone" => EventType::Deleted,
        word => EventType::parse(word).expect("the table names event types"),
    };
    let number = option("id").map_or(number, |id| id.parse().expect("the table names event ids"));
    let event = Event {
        namespace: (words[1] != "tombstone").then(|| namespace(option("ns").unwrap_or("demo"))),
        timestamp: time(words[2].parse().expect("the table names seconds")),
        ..sample::set(kind, 1, number, words.get(3).copied().unwrap_or_default())
    };
    let event = if kind == EventType::Deleted { Event { content: None, ..event } } else { event };
    let offset = offset.parse().expect("the table names offsets");
    Entry { event, place: Place { log: LogId::new(log), partition: 0, offset } }
}

fn number_of(id: EventId) -> u64 {
    (1..100).find(|number| event_id(*number) == id).expect("the table uses small numbers")
}

fn text_of(payload: &Value) -> &str {
    payload["text"].as_str().unwrap_or("?")
}

fn spell_state(state: &State) -> String {
    let second = |time: crate::ids::Timestamp| (time.0 - sample::time(0).0) / 1_000_000;
    let text = state.content.as_ref().map_or("-", |content| text_of(&content.payload));
    let (number, version) = (number_of(state.event_id), state.version);
    format!("{number} {} {} v{version} {text}", second(state.created_at), second(state.updated_at))
}

fn spell_history(history: &[HistoryEntry]) -> String {
    let spell = |row: &HistoryEntry| match &row.payload {
        Some(payload) => format!("{}={}", number_of(row.event_id), text_of(payload)),
        None => number_of(row.event_id).to_string(),
    };
    history.iter().map(spell).collect::<Vec<_>>().join(" ")
}

/// Checks the table against stores made empty by `make`: each case event by event, as one batch, and
/// cut in two at every place; then replays it.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn folding(make: impl AsyncFn() -> Arc<dyn MemoryStore>) {
    for case in CASES {
        let entries = case.entries();
        let mut cuts = vec![(0..=entries.len()).collect::<Vec<_>>()];
        cuts.extend((0..entries.len()).map(|cut| vec![0, cut, entries.len()]));
        for cuts in cuts {
            let store = make().await;
            if let Err(why) = check(case, &entries, &cuts, &*store).await {
                panic!("{}\n  with batches cut at {cuts:?}: {why}", case.name);
            }
        }
    }
}

async fn check(case: &Case, entries: &[Entry], cuts: &[usize], store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    let mut outcomes = Vec::new();
    for cut in cuts.windows(2) {
        outcomes.extend(hand.project(&entries[cut[0]..cut[1]]).await?);
    }
    ensure_eq!(outcomes, case.expected_outcomes(), "outcomes");
    let id: MemoryId = memory_id(1);
    let read = async || -> Result<(State, String), Box<dyn std::error::Error + Send + Sync>> {
        let state = store.states(&[id]).await?.pop().ok_or("there is no state")?;
        let history = self::history(store, id).await?.ok_or("there is no history")?;
        Ok((state, spell_history(&history)))
    };
    let (state, history) = read().await?;
    ensure_eq!(spell_state(&state), case.state, "the state");
    ensure_eq!(history, case.history, "the history");

    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate | Outcome::NamespaceMismatch);
    let accepted: Vec<Entry> =
        entries.iter().zip(&outcomes).filter(|(_, outcome)| !refused(outcome)).map(|(e, _)| e.clone()).collect();
    let scratch = fold::from_scratch(&accepted).map(|scratch| State { rev: state.rev, ..scratch });
    ensure_eq!(Some(&state), scratch.as_ref(), "the state against a fold from scratch");

    let replayed = hand.project(entries).await?;
    ensure!(replayed.iter().all(refused), "a replay has the outcomes {replayed:?}");
    ensure_eq!(read().await?, (state, history), "what a replay leaves");
    Ok(())
}
