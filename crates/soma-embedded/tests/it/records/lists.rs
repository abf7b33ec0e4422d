//! Lists select what their filter defines, in order, page by page.

use proptest::prelude::*;
use serde_json::json;
use soma_core::event::{Content, Event, EventType};
use soma_core::fold::{Change, Entry, Erase, State};
use soma_core::ids::{EventId, MemoryId, Place};
use soma_core::memory::Memory;
use soma_core::store::{ListKey, ListQuery, Order, Projecting, Reading};
use soma_embedded::records::Records;
use soma_testkit::filters;
use uuid::Uuid;

use super::{advance, claim, created, deleted, folder, log, namespace, open, project};

const ORDERS: [Order; 3] = [Order::Newest, Order::Oldest, Order::Importance];

/// The change that makes this memory in an empty store.
fn change(offset: u64, memory: &Memory) -> Change {
    let content = Content {
        payload: memory.payload.clone(),
        importance: memory.importance,
        embedding: None,
        model_revision: memory.model_revision.clone(),
    };
    let place = Place { log: log(), partition: 0, offset };
    let event = Event {
        event_id: memory.event_id,
        id: memory.id,
        namespace: Some(memory.namespace.clone()),
        kind: EventType::Created,
        timestamp: memory.updated_at,
        content: Some(content.clone()),
    };
    let state = State {
        id: memory.id,
        namespace: Some(memory.namespace.clone()),
        kind: EventType::Created,
        content: Some(content),
        created_at: memory.created_at,
        updated_at: memory.updated_at,
        event_id: memory.event_id,
        version: memory.version,
        at: place.clone(),
        effective: memory.updated_at,
        rev: 0,
    };
    Change { state, visible: true, erase: Erase::Nothing, rows: vec![Entry { event, place }] }
}

async fn fill(records: &Records, memories: &[Memory]) {
    let (claim, _) = claim(records).await;
    let mut staging = records.begin(&claim).await.expect("opens");
    let changes: Vec<_> = (0..).zip(memories).map(|(offset, memory)| change(offset, memory)).collect();
    staging.stage(&changes).await.expect("stages");
    staging.commit(advance(memories.len() as u64, None)).await.expect("commits");
}

/// Every page until an empty one.
async fn pages(records: &Records, mut query: ListQuery) -> Vec<Memory> {
    let mut all: Vec<Memory> = Vec::new();
    loop {
        let page = records.list(&query).await.expect("lists");
        assert!(page.len() <= query.limit);
        let Some(last) = page.last() else { return all };
        query.after = Some(ListKey { updated_at: last.updated_at, importance: last.importance, id: last.id });
        all.extend(page);
    }
}

fn sorted(order: Order, mut memories: Vec<Memory>) -> Vec<Memory> {
    memories.sort_by_key(|memory| memory.id);
    match order {
        Order::Newest => memories.sort_by_key(|memory| std::cmp::Reverse(memory.updated_at)),
        Order::Oldest => memories.sort_by_key(|memory| memory.updated_at),
        Order::Importance => memories.sort_by(|a, b| {
            let rank = |memory: &Memory| memory.importance.unwrap_or(f64::NEG_INFINITY);
            rank(b).total_cmp(&rank(a))
        }),
    }
    memories
}

fn everything(order: Order, limit: usize) -> ListQuery {
    ListQuery { namespaces: None, filter: None, order, after: None, limit }
}

#[tokio::test]
async fn every_case_of_the_table_selects_what_it_says() {
    let table = filters::table();
    let folder = folder();
    let records = open(folder.path());
    let memories: Vec<Memory> = table.memories.iter().map(|(_, memory)| memory.clone()).collect();
    fill(&records, &memories).await;
    for case in table.cases {
        for order in ORDERS {
            let query = ListQuery { filter: Some(case.filter.clone()), ..everything(order, 3) };
            let mut found: Vec<MemoryId> = pages(&records, query).await.iter().map(|memory| memory.id).collect();
            found.sort_unstable();
            assert_eq!(found, case.matches, "{} by {order:?}", case.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pages_hold_every_selected_memory_once_in_order(
        memories in filters::memories(0..40),
        filters in proptest::collection::vec(filters::filter(), 8),
        limit in 1..9_usize,
        names in proptest::option::of(proptest::sample::subsequence(vec!["a", "a/b", "b", "ä", "none"], 0..4)),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = folder();
            let records = open(folder.path());
            fill(&records, &memories).await;
            let namespaces: Option<Vec<_>> = names.map(|names| names.into_iter().map(namespace).collect());
            let there = memories.iter().filter(|memory| {
                namespaces.as_ref().is_none_or(|names| names.contains(&memory.namespace))
            });
            let there: Vec<Memory> = there.cloned().collect();
            for filter in filters.into_iter().map(Some).chain([None]) {
                for order in ORDERS {
                    let selected = there.iter().filter(|m| filter.as_ref().is_none_or(|filter| filter.matches(m)));
                    let wanted = sorted(order, selected.cloned().collect());
                    let query =
                        ListQuery { namespaces: namespaces.clone(), filter: filter.clone(), ..everything(order, limit) };
                    assert_eq!(pages(&records, query).await, wanted, "{order:?} {filter:?}");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_page_starts_where_a_memory_was_that_is_gone() {
    let folder = folder();
    let records = open(folder.path());
    project(&records, (1..=6).map(|n| created(n, n.into(), json!(n))).collect()).await;
    let page = records.list(&everything(Order::Newest, 3)).await.expect("lists");
    let last = &page[2];
    let after = Some(ListKey { updated_at: last.updated_at, importance: last.importance, id: last.id });
    project(&records, vec![deleted(7, 4), deleted(8, 3)]).await;
    let rest = records.list(&ListQuery { after, ..everything(Order::Newest, 3) }).await.expect("lists");
    assert_eq!(rest.iter().map(|memory| memory.payload.clone()).collect::<Vec<_>>(), [json!(2), json!(1)]);
}

#[tokio::test]
async fn memories_of_one_moment_come_by_id() {
    let folder = folder();
    let records = open(folder.path());
    let template = filters::table().memories[0].1.clone();
    let ids: Vec<_> = (0..500_u128).map(|n| Uuid::from_u128((n * 7_919) % 500)).collect();
    let of = |id: &Uuid| Memory { id: MemoryId(*id), event_id: EventId(*id), ..template.clone() };
    fill(&records, &ids.iter().map(of).collect::<Vec<_>>()).await;
    for order in ORDERS {
        let found: Vec<u128> = pages(&records, everything(order, 7)).await.iter().map(|m| m.id.0.as_u128()).collect();
        assert_eq!(found, (0..500).collect::<Vec<_>>(), "{order:?}");
    }
}
