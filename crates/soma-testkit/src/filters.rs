//! Filters for the tests of every store: the shared table of cases, and generators.
//!
//! The table is `schemas/filters.json`; its memories and expectations are data, so that programs in
//! other languages can be tested with it too. The generators draw from few names and values, so that
//! filters and memories meet often; the oracle is [`Filter::matches`] over all memories.

mod generate;

#[cfg(test)]
mod tests;

use serde_json::Value;
use soma_core::filter::Filter;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::memory::Memory;

pub use generate::{filter, memories, payload};

/// The table of cases.
#[derive(Clone, Debug)]
pub struct Table {
    /// The memories, by name.
    pub memories: Vec<(String, Memory)>,
    /// Filters and what they select.
    pub cases: Vec<Case>,
    /// Filters that do not parse.
    pub refused: Vec<Refused>,
}

/// One filter and what it selects.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the case is about.
    pub name: String,
    /// Its JSON form.
    pub json: Value,
    /// Parsed.
    pub filter: Filter,
    /// The memories that it selects, ascending by id.
    pub matches: Vec<MemoryId>,
}

/// One filter that does not parse.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What the case is about.
    pub name: String,
    /// Its JSON form.
    pub json: Value,
    /// The path to the fault.
    pub at: String,
    /// Part of the reason.
    pub says: String,
}

/// Reads the shared table.
///
/// # Panics
/// When the table is malformed, naming the entry.
#[must_use]
pub fn table() -> Table {
    let root: Value =
        serde_json::from_str(include_str!("../../../schemas/filters.json")).expect("the table of filters is JSON");
    let list = |key: &str| root[key].as_array().expect("the table has its lists").iter();
    let memories: Vec<_> =
        list("memories").map(|entry| (text(entry, "name"), read_memory(entry, &root["defaults"]))).collect();
    let id_of = |name: &str| {
        let found = memories.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("the table names a memory {name:?} that it does not hold")).1.id
    };
    let cases = list("cases").map(|entry| {
        let name = text(entry, "name");
        let filter = Filter::parse(&entry["filter"]).unwrap_or_else(|e| panic!("{name}: {e} at {:?}", e.field));
        let names = entry["matches"].as_array().unwrap_or_else(|| panic!("{name}: matches is a list"));
        let mut matches: Vec<_> = names.iter().map(|name| id_of(name.as_str().expect("a name"))).collect();
        matches.sort_unstable();
        Case { name, json: entry["filter"].clone(), filter, matches }
    });
    let refused = list("refused").map(|entry| Refused {
        name: text(entry, "name"),
        json: entry["filter"].clone(),
        at: text(entry, "at"),
        says: text(entry, "says"),
    });
    Table { cases: cases.collect(), refused: refused.collect(), memories }
}

/// The ids of the memories that match, ascending: what every store has to answer.
#[must_use]
pub fn matching<'a>(filter: &Filter, memories: impl IntoIterator<Item = &'a Memory>) -> Vec<MemoryId> {
    let mut ids: Vec<_> =
        memories.into_iter().filter(|memory| filter.matches(memory)).map(|memory| memory.id).collect();
    ids.sort_unstable();
    ids
}

fn text(entry: &Value, key: &str) -> String {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} is a string in {entry}")).to_owned()
}

fn read_memory(entry: &Value, defaults: &Value) -> Memory {
    let field = |key: &str| entry.get(key).unwrap_or(&defaults[key]);
    let id = |key: &str| text(entry, key).parse().unwrap_or_else(|e| panic!("{key} is a UUID in {entry}: {e}"));
    let time = |key: &str| {
        let text = field(key).as_str().expect("times are strings");
        let time: jiff::Timestamp = text.parse().unwrap_or_else(|e| panic!("{text:?} is a time: {e}"));
        Timestamp(time.as_microsecond())
    };
    Memory {
        id: MemoryId(id("id")),
        namespace: Namespace::parse(field("namespace").as_str().unwrap_or_default()).expect("a namespace"),
        payload: entry["payload"].clone(),
        importance: field("importance").as_f64(),
        model_revision: field("model_revision").as_str().map(str::to_owned),
        created_at: time("created_at"),
        updated_at: time("updated_at"),
        version: field("version").as_u64().expect("versions are integers"),
        event_id: EventId(id("event_id")),
    }
}
