//! Pages end by number and by bytes, and put together they are the whole.

use serde_json::json;
use soma_core::engine::ListRequest;
use soma_core::error::Code;
use soma_core::event::EventType;
use soma_core::event::build::Draft;
use soma_core::limits;
use soma_core::recall::{Mode, Scope};
use soma_core::store::Order;

use crate::world::{World, draft, id, namespace, number, question};

/// Three of these reach the bound of a page.
fn large(n: u64) -> Draft {
    draft(n, json!({ "n": n, "text": format!("sky {}", "x".repeat(limits::PAGE_BYTES / 3)) }))
}

fn world_of_large(drafts: Vec<Draft>) -> World {
    let mut world = World::new();
    world.engine.value_bytes_max = limits::VALUE_BYTES_MAX;
    world.remember(drafts);
    world.project();
    world
}

#[test]
fn a_history_comes_in_pages() {
    let mut world = World::new();
    let change = |n: u64| Draft { kind: EventType::Updated, ..draft(1, json!(n)) };
    world.remember([draft(1, json!(0))].into_iter().chain((1..7).map(change)).collect());
    world.remember(vec![draft(2, json!("another"))]);
    world.project();
    let (mut cursor, mut found) = (None::<String>, Vec::new());
    loop {
        let page = world.run(world.engine.history(id(1), cursor.as_deref(), 3)).expect("a page");
        assert!(page.items.len() == 3 || page.next_cursor.is_none());
        found.extend(page.items.into_iter().filter_map(|entry| entry.payload));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..7).map(|n| json!(n)).collect::<Vec<_>>());

    let of_another = world.run(world.engine.history(id(2), None, 1)).expect("a page").items[0].event_id.to_string();
    for (cursor, limit, code) in [
        (Some(of_another.as_str()), 3, Code::BadPosition),
        (Some("rubbish"), 3, Code::BadPosition),
        (None, 0, Code::BadRequest),
        (None, limits::PAGE_MAX + 1, Code::BadRequest),
    ] {
        assert_eq!(world.run(world.engine.history(id(1), cursor, limit)).expect_err("refused").code, code);
    }
}

#[test]
fn a_page_of_a_history_hides_what_took_no_effect_though_the_delete_stands_on_an_earlier_one() {
    let mut world = World::new();
    let with = |kind, payload| Draft { kind, ..draft(1, payload) };
    world.remember(vec![
        draft(1, json!("a")),
        with(EventType::Deleted, json!(null)),
        with(EventType::Updated, json!("late")),
        draft(1, json!("again")),
    ]);
    world.project();
    let first = world.run(world.engine.history(id(1), None, 2)).expect("a page");
    let second = world.run(world.engine.history(id(1), first.next_cursor.as_deref(), 2)).expect("a page");
    let shown: Vec<_> = second.items.into_iter().map(|entry| entry.payload).collect();
    assert_eq!((shown, second.next_cursor), (vec![None, Some(json!("again"))], None));
}

#[test]
fn a_page_of_a_history_ends_by_bytes() {
    let drafts = (0..4).map(|n| Draft { kind: EventType::Created, ..Draft { id: Some(id(1)), ..large(n) } });
    let world = world_of_large(drafts.collect());
    let first = world.run(world.engine.history(id(1), None, 100)).expect("a page");
    assert_eq!(first.items.len(), 3);
    let rest = world.run(world.engine.history(id(1), first.next_cursor.as_deref(), 100)).expect("a page");
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
}

#[test]
fn a_page_of_a_list_ends_by_bytes_and_the_pages_are_the_list() {
    let world = world_of_large((0..7).map(large).collect());
    let scope = Scope::Namespaces(vec![namespace("demo")]);
    let mut request = ListRequest { scope, filter: None, order: Order::Oldest, cursor: None, limit: 100 };
    let mut found = Vec::new();
    loop {
        let page = world.run(world.engine.list(&request)).expect("a page");
        assert!(page.items.len() <= 3, "{} items", page.items.len());
        found.extend(page.items.iter().map(|memory| number(memory.id)));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..7).collect::<Vec<_>>());
}

#[test]
fn a_recall_leaves_out_what_is_too_much_and_says_so() {
    let world = world_of_large((0..5).map(large).collect());
    let answer = world.run(world.engine.recall(&question("sky", Mode::Lexical, 10))).expect("an answer");
    assert_eq!((answer.hits.len(), answer.truncated), (3, true));
    let answer = world.run(world.engine.recall(&question("sky", Mode::Lexical, 2))).expect("an answer");
    assert_eq!((answer.hits.len(), answer.truncated), (2, false));
}
