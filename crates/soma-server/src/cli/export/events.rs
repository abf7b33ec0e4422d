//! The events of the journal, in the order in which they count.
//!
//! It reads the journal beside its owner. A redriven event comes where it first lay, because an
//! importing log gives it a place of its own.

use std::collections::{BTreeMap, HashSet};

use soma_core::Result;
use soma_core::event::{Event, EventType, codec};
use soma_core::ids::{Offset, Place};
use soma_core::limits;
use soma_core::log::{ReadLimit, Record};

use super::super::client::data_dir;
use super::Sink;
use crate::config::Config;
use crate::wiring::offline::{self, Journal};

const LIMIT: ReadLimit = ReadLimit { records: limits::BATCH_EVENTS, bytes: limits::BATCH_BYTES };

/// Writes the events; how many had to be left out because they name no namespace.
pub(super) fn export(config: &Config, namespace: Option<&str>, sink: &mut Sink) -> Result<u64> {
    let journal = offline::journal(data_dir(config, "exporting events")?)?;
    let refused = refused(&journal)?;
    let redriven = redriven(&journal, &refused)?;
    let mut left_out = 0;
    let mut write = |event: &Event| match &event.namespace {
        None => {
            left_out += 1;
            Ok(())
        }
        Some(whose) if namespace.is_some_and(|wanted| wanted != whose.as_str()) => Ok(()),
        Some(_) if event.content.is_none() && event.kind != EventType::Deleted => Ok(()),
        Some(_) => sink.line(&String::from_utf8_lossy(&codec::encode(event))),
    };
    each(&journal, |record| {
        if record.header(codec::ORIGIN_LOG).is_none()
            && !refused.contains(&record.place)
            && let Some(event) = event(record)
        {
            write(&event)?;
        }
        redriven.get(&record.place.offset).into_iter().flatten().try_for_each(&mut write)
    })?;
    Ok(left_out)
}

fn event(record: &Record) -> Option<Event> {
    codec::decode(record, limits::VALUE_BYTES_MAX).ok().map(|entry| entry.event)
}

fn refused(journal: &Journal) -> Result<HashSet<Place>> {
    let mut refused = HashSet::new();
    let mut after = None;
    loop {
        let page = journal.dead_letters(after.as_ref(), limits::PAGE_DEFAULT)?;
        let Some(last) = page.last() else { return Ok(refused) };
        after = Some(last.record.place.clone());
        refused.extend(page.into_iter().map(|letter| letter.record.place));
    }
}

/// Redriven events that were not refused again, by where they first lay in this log.
fn redriven(journal: &Journal, refused: &HashSet<Place>) -> Result<BTreeMap<Offset, Vec<Event>>> {
    let mut redriven: BTreeMap<Offset, Vec<Event>> = BTreeMap::new();
    each(journal, |record| {
        if record.header(codec::ORIGIN_LOG).is_some()
            && !refused.contains(&record.place)
            && let Ok(entry) = codec::decode(record, limits::VALUE_BYTES_MAX)
        {
            let own = entry.place.log == *journal.id();
            let at = if own { entry.place.offset } else { record.place.offset };
            redriven.entry(at).or_default().push(entry.event);
        }
        Ok(())
    })?;
    Ok(redriven)
}

fn each(journal: &Journal, mut see: impl FnMut(&Record) -> Result<()>) -> Result<()> {
    let mut next = 0;
    loop {
        let records = journal.records(next, LIMIT)?;
        let Some(last) = records.last() else { return Ok(()) };
        next = last.place.offset + 1;
        records.iter().try_for_each(&mut see)?;
    }
}
