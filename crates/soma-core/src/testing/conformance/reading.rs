//! What every record store answers to readers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Check, Hand, ensure, ensure_eq, run, threads};
use crate::event::{Content, Event, EventType};
use crate::filter::{Field, Filter, Test};
use crate::fold::Entry;
use crate::ids::{MemoryId, Namespace, Place};
use crate::limits;
use crate::memory::Memory;
use crate::store::{Counts, ListKey, ListQuery, MemoryStore, NamespaceCount, Order};
use crate::testing::sample::{self, created, deleted, entry, event_id, memory_id, namespace, time, updated};
use crate::testing::store::history;

/// Checks the reading side of a [`MemoryStore`] made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn reading(make: impl AsyncFn() -> Arc<dyn MemoryStore>) {
    run!(make,
        "an empty store answers with nothing" => starts_empty,
        "states are those asked for, deleted ones included" => reads_states,
        "owners are those of the memories asked for, deleted ones included" => reads_owners,
        "a scan passes every row once, in the order of ids" => scans,
        "the history of a memory is in the order in which its events count" => tells_history,
        "the history of a deleted memory has no content" => erases_history,
        "histories are those of the memories asked for" => tells_histories,
        "a page ends with the memory with which its bytes are reached" => bounds_bytes,
        "every order lists every memory once, page by page" => lists_in_order,
        "a list keeps to its namespaces" => lists_namespaces,
        "a list holds what its filter matches, and nothing else" => lists_filtered,
        "deleted memories are not listed" => hides_deleted,
        "namespaces are listed by prefix, in order, page by page" => tells_namespaces,
        "counts follow what happens" => counts,
        "actors are those of turns in the namespaces asked for, each once" => threads::tells_actors,
    );
}

fn with_importance(mut event: Event, importance: Option<f64>) -> Event {
    if let Some(content) = &mut event.content {
        content.importance = importance;
    }
    event
}

fn within(event: Event, text: &str) -> Event {
    Event { namespace: Some(namespace(text)), ..event }
}

async fn project(store: &dyn MemoryStore, events: Vec<Event>) -> crate::Result<()> {
    let mut hand = Hand::take(store).await?;
    let first = hand.next;
    let batch: Vec<Entry> = (first..).zip(events).map(|(offset, event)| entry(event, offset)).collect();
    hand.project(&batch).await.map(drop)
}

const ALL: ListQuery = ListQuery { namespaces: None, filter: None, order: Order::Newest, after: None, limit: 1_000 };

fn ids(memories: &[Memory]) -> Vec<MemoryId> {
    memories.iter().map(|memory| memory.id).collect()
}

async fn starts_empty(store: &dyn MemoryStore) -> Check {
    ensure_eq!(store.states(&[memory_id(1)]).await?, vec![], "states");
    ensure_eq!(store.scan(None, 10).await?, vec![], "rows");
    ensure_eq!(history(store, memory_id(1)).await?, None, "the history");
    ensure_eq!(store.list(&ALL).await?, vec![], "the list");
    ensure_eq!(store.namespaces("", None, 10).await?, vec![], "namespaces");
    ensure_eq!(store.counts().await?, Counts::default(), "counts");
    ensure_eq!(store.event(event_id(1)).await?, None, "an event");
    Ok(())
}

async fn reads_states(store: &dyn MemoryStore) -> Check {
    project(store, vec![created(1, 1, "a"), created(2, 2, "b"), deleted(2, 3), created(3, 4, "c")]).await?;
    let mut states = store.states(&[memory_id(3), memory_id(2), memory_id(7)]).await?;
    states.sort_by_key(|state| state.id);
    let found: Vec<_> = states.iter().map(|state| (state.id, state.is_live())).collect();
    ensure_eq!(found, vec![(memory_id(2), false), (memory_id(3), true)], "the states");
    Ok(())
}

async fn reads_owners(store: &dyn MemoryStore) -> Check {
    let nobody = Event { namespace: None, ..deleted(4, 5) };
    project(store, vec![created(1, 1, "a"), within(created(2, 2, "b"), "other"), deleted(1, 3), nobody]).await?;
    let owners = store.owners(&[1, 2, 4, 7].map(memory_id)).await?;
    let found: Vec<_> = [1, 2, 4, 7].map(|n| owners.get(&memory_id(n)).cloned()).into();
    let expected = vec![Some(Some(namespace("demo"))), Some(Some(namespace("other"))), Some(None), None];
    ensure_eq!(found, expected, "the owners");
    Ok(())
}

async fn scans(store: &dyn MemoryStore) -> Check {
    project(store, [5, 3, 9, 1, 7].map(|n| created(n, n, "text")).into()).await?;
    project(store, vec![deleted(3, 30), deleted(4, 40)]).await?;
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.scan(after, 2).await?;
        let Some(last) = page.last() else { break };
        ensure!(page.len() <= 2, "a page is too long");
        after = Some(last.id);
        found.extend(page.iter().map(|state| state.id));
    }
    ensure_eq!(found, [1, 3, 4, 5, 7, 9].map(memory_id).to_vec(), "the rows");
    Ok(())
}

async fn tells_history(store: &dyn MemoryStore) -> Check {
    let mut hand = Hand::take(store).await?;
    hand.project(&[entry(created(1, 10, "ten"), 10), entry(updated(1, 30, "thirty"), 30)]).await?;
    // A redriven event counts where it first lay.
    hand.project(&[entry(updated(1, 20, "twenty"), 20), entry(created(2, 99, "of another"), 99)]).await?;
    let history = self::history(store, memory_id(1)).await?.ok_or("there is no history")?;
    let found: Vec<_> = history.iter().map(|h| (h.event_id, h.kind, h.timestamp, h.place.offset)).collect();
    let expected = vec![
        (event_id(10), EventType::Created, time(10), 10),
        (event_id(20), EventType::Updated, time(20), 20),
        (event_id(30), EventType::Updated, time(30), 30),
    ];
    ensure_eq!(found, expected, "the history");
    let payloads: Vec<_> = history.into_iter().map(|h| h.payload).collect();
    let texts = ["ten", "twenty", "thirty"].map(|text| Some(json!({ "text": text })));
    ensure_eq!(payloads, texts, "the payloads");
    Ok(())
}

async fn erases_history(store: &dyn MemoryStore) -> Check {
    project(store, vec![created(1, 1, "secret"), deleted(1, 2)]).await?;
    let history = self::history(store, memory_id(1)).await?.ok_or("there is no history")?;
    let found: Vec<_> = history.into_iter().map(|h| (h.event_id, h.payload)).collect();
    ensure_eq!(found, vec![(event_id(1), None), (event_id(2), None)], "the history");
    Ok(())
}

async fn tells_histories(store: &dyn MemoryStore) -> Check {
    project(store, vec![created(1, 1, "a"), created(2, 2, "b"), updated(1, 3, "c"), created(3, 4, "d")]).await?;
    let histories = store.histories(&[1, 2, 9].map(memory_id)).await?;
    let events = |n| histories.get(&memory_id(n)).map(|marks| marks.iter().map(|m| m.event_id).collect::<Vec<_>>());
    ensure_eq!(events(1), Some([1, 3].map(event_id).to_vec()), "of a memory with two events");
    ensure_eq!(events(2), Some(vec![event_id(2)]), "of a memory with one event");
    ensure_eq!((events(3), events(9)), (None, None), "of one that was not asked for, and of one that is unknown");
    Ok(())
}

async fn bounds_bytes(store: &dyn MemoryStore) -> Check {
    // Three of these reach the bound; they lie in two namespaces in turn.
    let large = |n: u64| created(n, n, &"x".repeat(limits::PAGE_BYTES / 3));
    let spaces = ["a", "b"];
    project(store, (1..=7).map(|n| within(large(n), spaces[n as usize % 2])).collect()).await?;
    let (mut query, mut found) = (ListQuery { order: Order::Oldest, ..ALL }, Vec::new());
    for expected in [vec![1, 2, 3], vec![4, 5, 6], vec![7], vec![]] {
        let page = store.list(&query).await?;
        ensure_eq!(ids(&page), expected.into_iter().map(memory_id).collect::<Vec<_>>(), "a page of the list");
        let last = page.last().map(|m| ListKey { updated_at: m.updated_at, importance: m.importance, id: m.id });
        query.after = last.or(query.after);
    }
    while let page @ [_, ..] = store.scan(found.last().copied(), 100).await?.as_slice() {
        ensure!(page.len() <= 3, "a page of the scan has {} rows", page.len());
        found.extend(page.iter().map(|state| state.id));
    }
    ensure_eq!(found, (1..=7).map(memory_id).collect::<Vec<_>>(), "the rows");
    Ok(())
}

async fn lists_in_order(store: &dyn MemoryStore) -> Check {
    let importances = [Some(0.5), None, Some(2.0), Some(0.0), None, Some(0.5), Some(1e10), Some(0.1)];
    let mut events = Vec::new();
    for (n, importance) in (1_u64..).zip(importances) {
        // Two memories share each time.
        events.push(Event { timestamp: time(100 + n / 2), ..with_importance(created(9 - n, n, "text"), importance) });
    }
    project(store, events).await?;
    for (order, expected) in [
        (Order::Newest, [1, 2, 3, 4, 5, 6, 7, 8]),
        (Order::Oldest, [8, 6, 7, 4, 5, 2, 3, 1]),
        (Order::Importance, [2, 6, 3, 8, 1, 5, 4, 7]),
    ] {
        let expected = expected.map(memory_id).to_vec();
        let whole = store.list(&ListQuery { order, ..ALL }).await?;
        ensure_eq!(ids(&whole), expected, "the list by {order:?}");
        for limit in [1, 3] {
            let mut query = ListQuery { order, limit, ..ALL };
            let mut found = Vec::new();
            loop {
                let page = store.list(&query).await?;
                let Some(Memory { id, updated_at, importance, .. }) = page.last().cloned() else { break };
                ensure!(page.len() <= limit, "a page is too long");
                query.after = Some(ListKey { updated_at, importance, id });
                found.extend(ids(&page));
                ensure!(found.len() <= expected.len(), "the pages by {order:?} repeat: {found:?}");
            }
            ensure_eq!(found, expected, "the pages of {limit} by {order:?}");
        }
    }
    Ok(())
}

async fn lists_namespaces(store: &dyn MemoryStore) -> Check {
    let names = ["a", "b", "a/b", "A", "a%", "ä"];
    let events = (1..).zip(names).map(|(n, name)| within(created(n, n, "text"), name)).collect();
    project(store, events).await?;
    let list = async |names: &[&str]| -> crate::Result<Vec<MemoryId>> {
        let namespaces: Vec<Namespace> = names.iter().map(|name| namespace(name)).collect();
        let query = ListQuery { namespaces: Some(namespaces), order: Order::Oldest, ..ALL };
        Ok(ids(&store.list(&query).await?))
    };
    ensure_eq!(list(&["a"]).await?, vec![memory_id(1)], "one namespace");
    ensure_eq!(list(&["ä", "b", "none"]).await?, [2, 6].map(memory_id).to_vec(), "several namespaces");
    ensure_eq!(list(&["a%"]).await?, vec![memory_id(5)], "a namespace with a sign");
    ensure_eq!(list(&[]).await?, vec![], "no namespace");
    Ok(())
}

fn filters() -> Vec<Filter> {
    let path = |path: &str| Field::Payload(path.split('.').map(str::to_owned).collect());
    let one = |field: Field, test: Test| Filter::Field(field, vec![test]);
    let base = vec![
        one(path("n"), Test::Eq(json!(2))),
        one(path("n"), Test::Eq(json!("2"))),
        one(path("n"), Test::Gte(json!(2))),
        one(path("n"), Test::Lt(json!(2.5))),
        one(path("n"), Test::Exists(true)),
        one(path("n"), Test::Exists(false)),
        one(path("tags"), Test::Eq(json!("b"))),
        one(path("tags"), Test::In(vec![json!("a"), json!(true), json!(null)])),
        one(path("user.name"), Test::Eq(json!("Ana"))),
        one(path("user.name"), Test::Gt(json!("Ana"))),
        one(path("users.name"), Test::Eq(json!("Bo"))),
        one(path("n%"), Test::Exists(true)),
        one(path("a\"b"), Test::Eq(json!(1))),
        Filter::Field(path("n"), vec![Test::Gt(json!(1)), Test::Lt(json!(3))]),
        one(Field::Id, Test::Eq(json!(memory_id(2).to_string()))),
        one(Field::EventId, Test::In(vec![json!(event_id(3).to_string())])),
        one(Field::Namespace, Test::Eq(json!("other"))),
        one(Field::Importance, Test::Gt(json!(0.25))),
        one(Field::Importance, Test::Exists(false)),
        one(Field::ModelRevision, Test::Eq(json!("model"))),
        one(Field::Version, Test::Gte(json!(2))),
        Filter::And(vec![]),
        Filter::Or(vec![]),
    ];
    let mut all = base.clone();
    all.extend(base.iter().map(|filter| Filter::Not(Box::new(filter.clone()))));
    all.push(Filter::And(base[2..4].to_vec()));
    all.push(Filter::Or(vec![base[0].clone(), base[6].clone(), base[16].clone()]));
    all.push(Filter::Not(Box::new(Filter::Or(vec![base[0].clone(), Filter::Not(Box::new(base[4].clone()))]))));
    all
}

fn payloads() -> Vec<Value> {
    vec![
        json!({"n": 2, "tags": ["a", "b"], "user": {"name": "Ana"}}),
        json!({"n": 2.0, "tags": "b", "user": {"name": "Bo"}}),
        json!({"n": "2", "tags": [["b"]], "users": [{"name": "Ana"}, {"name": "Bo"}]}),
        json!({"n": null, "tags": [true, null]}),
        json!({"n": [1, 3], "n%": 1, "a\"b": 1}),
        json!({"n": [], "user": [{"name": "Cy"}, 3]}),
        json!({"n": {"n": 2}}),
        json!([{"n": 2}]),
        json!("text"),
        json!(null),
        json!(2),
    ]
}

async fn lists_filtered(store: &dyn MemoryStore) -> Check {
    let mut events = Vec::new();
    for (n, payload) in (1..).zip(payloads()) {
        let event = sample::with_payload(EventType::Created, n, n, payload);
        let content = event.content.map(|content| Content {
            importance: [None, Some(0.25), Some(0.5)][n as usize % 3],
            model_revision: ["model", "other"].get(n as usize % 4).map(|&text| text.to_owned()),
            ..content
        });
        events.push(within(Event { content, ..event }, ["demo", "other"][n as usize % 2]));
    }
    let again = Event { event_id: event_id(50), ..events[0].clone() };
    events.push(again);
    project(store, events).await?;
    let all = store.list(&ListQuery { order: Order::Oldest, ..ALL }).await?;
    ensure_eq!(all.len(), payloads().len(), "memories without a filter");
    for filter in filters() {
        let expected: Vec<Memory> = all.iter().filter(|memory| filter.matches(memory)).cloned().collect();
        let query = ListQuery { order: Order::Oldest, filter: Some(filter.clone()), ..ALL };
        ensure_eq!(ids(&store.list(&query).await?), ids(&expected), "the list of {filter:?}");
        let first = store.list(&ListQuery { limit: 1, ..query }).await?;
        ensure_eq!(ids(&first), ids(&expected[..expected.len().min(1)]), "the first of {filter:?}");
    }
    Ok(())
}

async fn hides_deleted(store: &dyn MemoryStore) -> Check {
    project(store, vec![created(1, 1, "a"), created(2, 2, "b"), deleted(1, 3), deleted(3, 4)]).await?;
    ensure_eq!(ids(&store.list(&ALL).await?), vec![memory_id(2)], "the list after a delete");
    project(store, vec![created(1, 5, "again")]).await?;
    let memories = store.list(&ALL).await?;
    ensure_eq!(ids(&memories), vec![memory_id(1), memory_id(2)], "the list after it came back");
    let expected = (time(5), time(5), 3, event_id(5));
    let Memory { created_at, updated_at, version, event_id, .. } = memories[0];
    ensure_eq!((created_at, updated_at, version, event_id), expected, "the memory that came back");
    Ok(())
}

async fn tells_namespaces(store: &dyn MemoryStore) -> Check {
    let names = ["a", "a/b", "a%", "a_c", "ab", "b", "B", "ä", "a/b"];
    let events = (1..).zip(names).map(|(n, name)| within(created(n, n, "text"), name)).collect();
    project(store, events).await?;
    project(store, vec![within(created(20, 20, "text"), "gone"), within(deleted(20, 21), "gone")]).await?;
    let list = async |prefix: &str, after: Option<&str>, limit: usize| -> crate::Result<Vec<(String, u64)>> {
        let found = store.namespaces(prefix, after.map(namespace).as_ref(), limit).await?;
        Ok(found.into_iter().map(|NamespaceCount { namespace, memories }| (namespace.to_string(), memories)).collect())
    };
    let expect = |names: &[(&str, u64)]| names.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
    let all = expect(&[("B", 1), ("a", 1), ("a%", 1), ("a/b", 2), ("a_c", 1), ("ab", 1), ("b", 1), ("ä", 1)]);
    ensure_eq!(list("", None, 100).await?, all, "all namespaces");
    ensure_eq!(list("", None, 3).await?, all[..3], "the first page");
    ensure_eq!(list("", Some("a%"), 3).await?, all[3..6], "the second page");
    ensure_eq!(list("a", None, 100).await?, all[1..6], "those that begin with a");
    ensure_eq!(list("a", Some("a/b"), 1).await?, all[4..5], "one of those after another");
    ensure_eq!(list("a%", None, 100).await?, all[2..3], "those that begin with a sign");
    ensure_eq!(list("a_", None, 100).await?, all[4..5], "those that begin with another sign");
    ensure_eq!(list("none", None, 100).await?, vec![], "those that begin with nothing known");
    Ok(())
}

async fn counts(store: &dyn MemoryStore) -> Check {
    let events = vec![created(1, 1, "a"), created(2, 2, "b"), within(created(3, 3, "c"), "other"), updated(1, 4, "d")];
    project(store, events).await?;
    let expected = Counts { memories: 3, deleted: 0, events: 4, namespaces: 2 };
    ensure_eq!(store.counts().await?, expected, "counts after three memories");
    project(store, vec![within(deleted(3, 5), "other"), deleted(4, 6), updated(3, 5, "a duplicate")]).await?;
    let expected = Counts { memories: 2, deleted: 2, events: 6, namespaces: 1 };
    ensure_eq!(store.counts().await?, expected, "counts after two deletes");
    let event = store.event(event_id(4)).await?.ok_or("the event is unknown")?;
    let Place { log, offset, .. } = event.place;
    ensure_eq!((event.event, log.as_str(), offset), (updated(1, 4, "d"), "log", 3), "the event");
    Ok(())
}
