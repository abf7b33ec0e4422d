//! `soma dump`: what is stored, as it is, one line of JSON for each.
//!
//! Log, records and dead letters are read beside a server, whatever state it is in; nothing is
//! projected, repaired or interpreted. Points are asked of whoever owns the index.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use soma_core::event::codec;
use soma_core::fold::State;
use soma_core::ids::{MemoryId, Offset, Partition};
use soma_core::log::{DeadLetter, ReadLimit, Record};
use soma_core::{Result, limits};

use super::client::{Client, data_dir};
use super::output::text;
use super::select::Pages;
use super::sink::Sink;
use crate::config::Config;
use crate::raw;
use crate::wiring::offline;

const LIMIT: ReadLimit = ReadLimit { records: limits::BATCH_EVENTS, bytes: limits::BATCH_BYTES };

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// Only of the memory with this id.
    #[arg(long)]
    id: Option<String>,
    /// Only of this namespace.
    #[arg(long, short)]
    namespace: Option<String>,
    /// From this offset on; for log and dead letters.
    #[arg(long, value_name = "OFFSET")]
    from: Option<Offset>,
    /// Up to this offset, and without it; for log and dead letters.
    #[arg(long, value_name = "OFFSET")]
    to: Option<Offset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The records of the log, whatever they hold.
    Log,
    /// The rows of the record store, those of deleted memories too.
    Records,
    /// The points of the vector index.
    Points,
    /// The dead letters.
    DeadLetters,
}

/// Which lines are wanted.
struct Wanted {
    id: Option<MemoryId>,
    namespace: Option<String>,
    from: Offset,
    to: Offset,
}

pub(super) fn run(config: &Config, flags: &Flags) -> Result<ExitCode> {
    let wanted = Wanted {
        id: flags.id.as_deref().map(MemoryId::parse).transpose()?,
        namespace: flags.namespace.clone(),
        from: flags.from.unwrap_or(0),
        to: flags.to.unwrap_or(Offset::MAX),
    };
    let mut sink = Sink::open(None)?;
    let directory = || data_dir(config, "dumping what is stored");
    match flags.what {
        What::Log => log(directory()?, &wanted, &mut sink)?,
        What::Records => records(directory()?, &wanted, &mut sink)?,
        What::DeadLetters => dead_letters(directory()?, &wanted, &mut sink)?,
        What::Points => points(config, &wanted, &mut sink)?,
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn log(directory: &Path, wanted: &Wanted, sink: &mut Sink) -> Result<()> {
    let journal = offline::journal(directory)?;
    let mut next = wanted.from;
    while sink.is_wanted() {
        let records = journal.records(next, LIMIT)?;
        let Some(last) = records.last() else { break };
        next = last.place.offset + 1;
        for record in records.iter().filter(|record| wanted.holds(record)) {
            sink.line(&Value::Object(raw::record(record)).to_string())?;
        }
        if next >= wanted.to {
            break;
        }
    }
    Ok(())
}

fn dead_letters(directory: &Path, wanted: &Wanted, sink: &mut Sink) -> Result<()> {
    let journal = offline::journal(directory)?;
    let mut after = None;
    while sink.is_wanted() {
        let page = journal.dead_letters(after.as_ref(), limits::PAGE_DEFAULT)?;
        let Some(last) = page.last() else { break };
        after = Some(last.record.place.clone());
        let holds = |letter: &&DeadLetter| wanted.holds(&letter.record);
        for letter in page.iter().filter(holds) {
            sink.line(&Value::Object(raw::whole_letter(letter)).to_string())?;
        }
    }
    Ok(())
}

fn records(directory: &Path, wanted: &Wanted, sink: &mut Sink) -> Result<()> {
    let records = offline::records(directory)?;
    let mut after = None;
    while sink.is_wanted() {
        let page = records.scan(after, limits::PAGE_MAX)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for state in page.iter().filter(|state| wanted.holds_state(state)) {
            sink.line(&row(state).to_string())?;
        }
    }
    Ok(())
}

fn points(config: &Config, wanted: &Wanted, sink: &mut Sink) -> Result<()> {
    let client = Client::connect(config)?;
    let mut pages = Pages::of(&client, "/v1/points?".to_owned(), usize::MAX);
    let holds = |point: &&Value| {
        wanted.id.is_none_or(|id| text(point, "id") == id.to_string())
            && wanted.namespace.as_ref().is_none_or(|namespace| text(point, "namespace") == namespace)
    };
    while let Some(page) = pages.next()? {
        page.iter().filter(holds).try_for_each(|point| sink.line(&point.to_string()))?;
        if !sink.is_wanted() {
            break;
        }
    }
    client.close()
}

impl Wanted {
    fn holds(&self, record: &Record) -> bool {
        let offset = record.place.offset;
        if offset < self.from || offset >= self.to {
            return false;
        }
        if self.id.is_none() && self.namespace.is_none() {
            return true;
        }
        let event = codec::decode(record, limits::VALUE_BYTES_MAX).ok().map(|entry| entry.event);
        // A record that cannot be read may still name its memory in its key.
        let key = || record.key.as_deref().and_then(|key| MemoryId::parse(std::str::from_utf8(key).ok()?).ok());
        let id = event.as_ref().map(|event| event.id).or_else(key);
        let namespace = event.and_then(|event| event.namespace);
        self.id.is_none_or(|wanted| id == Some(wanted))
            && self.namespace.as_ref().is_none_or(|wanted| namespace.is_some_and(|has| has.as_str() == wanted))
    }

    fn holds_state(&self, state: &State) -> bool {
        let namespace = state.namespace.as_ref().map(|namespace| namespace.as_str());
        self.id.is_none_or(|id| state.id == id)
            && self.namespace.as_ref().is_none_or(|wanted| namespace == Some(wanted))
    }
}

/// A row of the record store.
fn row(state: &State) -> Value {
    let content = state.content.as_ref();
    let partition: Partition = state.at.partition;
    let fields = [
        ("id", json!(state.id)),
        ("namespace", json!(state.namespace)),
        ("type", json!(state.kind.as_str())),
        ("payload", json!(content.map(|content| &content.payload))),
        ("importance", json!(content.and_then(|content| content.importance))),
        ("model_revision", json!(content.and_then(|content| content.model_revision.as_ref()))),
        ("embedding", json!(content.and_then(|content| content.embedding.as_ref()))),
        ("created_at", json!(state.created_at.to_string())),
        ("updated_at", json!(state.updated_at.to_string())),
        ("event_id", json!(state.event_id)),
        ("version", json!(state.version)),
        ("log", json!(state.at.log.as_str())),
        ("partition", json!(partition)),
        ("offset", json!(state.at.offset)),
        ("effective", json!(state.effective.to_string())),
        ("rev", json!(state.rev)),
    ];
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}
