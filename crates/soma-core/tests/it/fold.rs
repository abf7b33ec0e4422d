//! Golden scripts for the fold: events in, outcomes, states and histories out.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{Command, Context};
use soma_core::event::{Event, EventType};
use soma_core::fold::{self, Entry, Erase, Folded, Outcome};
use soma_core::ids::{EventId, LogId, MemoryId, Place};
use soma_core::store::{Advance, Claim, Projecting, ProjectorName};
use soma_core::testing::sample::{event_id, memory_id, namespace, set, time};
use soma_core::testing::store::history;
use soma_core::testing::{SeededClock, Store};

use crate::scripts::run_folder;

#[test]
fn golden_scripts() {
    run_folder("fold", Script::new);
}

/// Commands: `created|updated|deleted|tombstone <log><offset> <second> [<text>] [m=<n>] [id=<n>]
/// [ns=<namespace>]` hold an event, `fold` folds those held as one batch, `history [m=<n>]` tells
/// what is kept.
struct Script {
    store: Store,
    claim: Claim,
    held: Vec<Entry>,
    events: u64,
}

type Answer = Result<String, Box<dyn Error>>;

impl goldenscript::Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Answer {
        match command.name.as_str() {
            "created" | "updated" | "deleted" | "tombstone" => self.hold(command),
            "fold" => SeededClock::new(0).block_on(self.fold()),
            "history" => SeededClock::new(0).block_on(self.history(command)),
            name => Err(format!("unknown command {name}").into()),
        }
    }
}

impl Script {
    fn new() -> Self {
        let store = Store::new();
        let (projector, log) = (ProjectorName::memory(), LogId::new("a"));
        let claimed = SeededClock::new(0).block_on(store.claim(&projector, &log, 0, time(0)));
        let claim = claimed.expect("memory does not fail").claim;
        Self { store, claim, held: Vec::new(), events: 0 }
    }

    fn hold(&mut self, command: &Command) -> Answer {
        let mut args = command.consume_args();
        let (log, offset) = args.next_pos().and_then(|place| place.split_at_checked(1)).ok_or("where does it lie?")?;
        let second: u64 = args.next_pos().ok_or("when did it happen?")?.parse()?;
        let text = args.next_pos().unwrap_or_default();
        self.events += 1;
        let number = args.take_key("id").map_or(Ok(self.events), str::parse)?;
        let memory = args.take_key("m").map_or(Ok(1), str::parse)?;
        let kind = EventType::parse(&command.name).unwrap_or(EventType::Deleted);
        let space = namespace(args.take_key("ns").unwrap_or("demo"));
        args.reject_next()?;
        let event = Event {
            timestamp: time(second),
            namespace: (command.name != "tombstone").then_some(space),
            ..set(kind, memory, number, text)
        };
        let event = if kind == EventType::Deleted { Event { content: None, ..event } } else { event };
        let place = Place { log: LogId::new(log), partition: 0, offset: offset.parse()? };
        self.held.push(Entry { event, place });
        Ok(String::new())
    }

    async fn fold(&mut self) -> Answer {
        let events = std::mem::take(&mut self.held);
        let mut out = String::new();
        let mut staging = self.store.begin(&self.claim).await?;
        let ids: Vec<MemoryId> = events.iter().map(|entry| entry.event.id).collect();
        let event_ids: Vec<EventId> = events.iter().map(|entry| entry.event.event_id).collect();
        let loaded = staging.load(&ids, &event_ids).await?;
        let folded = match fold::batch(&loaded, &events, &HashMap::new()) {
            Ok(folded) => folded,
            Err(missing) => {
                let names: Vec<String> = missing.iter().map(|id| memory(*id)).collect();
                writeln!(out, "needs the events of {}", names.join(" "))?;
                let entries = staging.entries(&missing).await?;
                fold::batch(&loaded, &events, &entries).map_err(|_| "it asks twice")?
            }
        };
        spell(&mut out, &events, &folded)?;
        staging.stage(&folded.changes).await?;
        staging.commit(Advance { next: 0, last: None, now: time(0) }).await?;
        Ok(out)
    }

    async fn history(&self, command: &Command) -> Answer {
        let mut args = command.consume_args();
        let number = args.take_key("m").map_or(Ok(1), str::parse)?;
        args.reject_next()?;
        let mut out = String::new();
        for row in history(&self.store, memory_id(number)).await?.ok_or("there is no history")? {
            let text = row.payload.map_or_else(String::new, |payload| format!(" {}", payload["text"]));
            writeln!(out, "{}{} {} {}{text}", row.place.log, row.place.offset, event(row.event_id), row.kind.as_str())?;
        }
        Ok(out)
    }
}

fn event(id: EventId) -> String {
    (0..1_000).find(|number| event_id(*number) == id).map_or_else(|| id.to_string(), |number| format!("e{number}"))
}

fn memory(id: MemoryId) -> String {
    (0..1_000).find(|number| memory_id(*number) == id).map_or_else(|| id.to_string(), |number| format!("m{number}"))
}

fn spell(out: &mut String, events: &[Entry], folded: &Folded) -> std::fmt::Result {
    for (entry, outcome) in events.iter().zip(&folded.outcomes) {
        let outcome = match outcome {
            Outcome::Applied => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::NamespaceMismatch => "namespace mismatch",
        };
        writeln!(out, "{} {outcome}", event(entry.event.event_id))?;
    }
    for change in &folded.changes {
        let state = &change.state;
        let second = |time: soma_core::ids::Timestamp| (time.0 - self::time(0).0) / 1_000_000;
        let text = state.content.as_ref().map_or_else(|| "gone".to_owned(), |c| c.payload["text"].to_string());
        let erased = match &change.erase {
            Erase::Nothing => String::new(),
            Erase::Everything => ", erases everything".to_owned(),
            Erase::Events(ids) => {
                format!(", erases {}", ids.iter().map(|id| event(*id)).collect::<Vec<_>>().join(" "))
            }
        };
        writeln!(
            out,
            "{} = {} {text} v{} created={} updated={}{}{erased}",
            memory(state.id),
            event(state.event_id),
            state.version,
            second(state.created_at),
            second(state.updated_at),
            if change.visible { "" } else { ", unseen" },
        )?;
    }
    Ok(())
}
