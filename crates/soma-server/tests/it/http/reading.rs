//! Reading: lists, recall, counts, waiting, probes.

use serde_json::{Value, json};

use crate::harness::Server;

fn filled() -> Server {
    let server = Server::start();
    let item = |n: u32| {
        json!({
            "namespace": if n < 6 { "fruit/a" } else { "fruit/b" },
            "payload": { "text": format!("apple number{n}"), "n": n },
            "importance": f64::from(n % 3),
        })
    };
    let items: Vec<Value> = (0..10).map(item).collect();
    let reply = server.post("/v1/memories/batch?wait=stored", &json!(items));
    assert_eq!(reply.status, 200, "{reply:?}");
    server
}

fn numbers(list: &Value) -> Vec<u64> {
    list["items"].as_array().expect("a list").iter().filter_map(|m| m["payload"]["n"].as_u64()).collect()
}

#[test]
fn pages_cover_a_list_without_gap_or_repeat_in_every_order() {
    let server = filled();
    for order in ["newest", "oldest", "importance"] {
        let target = format!("/v1/memories?namespace_prefix=fruit/&order={order}");
        let whole = numbers(&server.get(&target).json());
        assert_eq!(whole.len(), 10);
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{target}&limit=3{cursor}")).json();
            paged.extend(numbers(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{order}");
    }
}

#[test]
fn recall_finds_by_words_within_namespaces_and_filters() {
    let server = filled();
    let ask = |body: Value| server.post("/v1/recall", &body).json();
    let best = ask(json!({ "namespace": "fruit/a", "query": "number3", "explain": true }));
    assert_eq!(best["hits"][0]["payload"]["n"], 3, "{best}");
    assert!(best["hits"][0]["explain"]["bm25"].as_f64().is_some_and(|score| score > 0.0));
    let count = |body: Value| ask(body)["hits"].as_array().map_or(0, Vec::len);
    assert_eq!(count(json!({ "namespace": "fruit/a", "query": "apple" })), 6);
    assert_eq!(count(json!({ "namespaces": ["fruit/a", "fruit/b"], "query": "apple" })), 10);
    let many = |n: usize| (0..n).map(|n| format!("fruit/{n}")).collect::<Vec<_>>();
    assert_eq!(count(json!({ "namespaces": many(1_000), "query": "apple" })), 0);
    let too_many = json!({ "namespaces": many(1_001), "query": "apple" });
    let refused = server.post("/v1/recall", &too_many);
    assert_eq!((refused.status, refused.json()["field"].as_str()), (400, Some("namespaces")));
    assert_eq!(count(json!({ "namespace_prefix": "fruit/", "query": "apple", "top_k": 4 })), 4);
    assert_eq!(count(json!({ "query": "apple" })), 0);
    let filtered = json!({ "namespace_prefix": "fruit/", "query": "apple",
        "filter": { "field": "payload.n", "lt": 2 } });
    assert_eq!(count(filtered), 2);
}

#[test]
fn namespaces_and_counts_follow_what_is_stored() {
    let server = filled();
    let namespaces = server.get("/v1/namespaces?prefix=fruit").json();
    let expected = json!([{ "namespace": "fruit/a", "memories": 6 }, { "namespace": "fruit/b", "memories": 4 }]);
    assert_eq!(namespaces["items"], expected);
    let stats = server.get("/v1/stats").json();
    assert_eq!((&stats["memories"], &stats["points"], &stats["events"]), (&json!(10), &json!(10), &json!(10)));
    let status = server.get("/v1/status").json();
    assert_eq!((&status["partitions"][0]["lag"], &status["eventing_enabled"]), (&json!(0), &json!(false)));
}

#[test]
fn a_position_that_is_not_reached_is_a_typed_error() {
    let server = Server::start();
    let position = server.post("/v1/memories", &json!({ "payload": 1 })).json();
    let position = position["position"].as_str().expect("a position").to_owned();
    assert_eq!(server.get(&format!("/v1/stats?after={position}")).status, 200);
    for bad in ["p1AAAA", "x", ""] {
        assert_eq!(server.get(&format!("/v1/stats?after={bad}")).code(), "bad_position", "{bad:?}");
    }
    let elsewhere = Server::start();
    assert_eq!(elsewhere.get(&format!("/v1/stats?after={position}&wait_ms=0")).code(), "bad_position");
    assert_eq!(server.get("/v1/stats?wait_ms=30001").code(), "bad_request");
}

#[test]
fn probes_answer_on_both_ports() {
    let server = Server::start();
    for path in ["/livez", "/readyz", "/health", "/healthz", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
        let agent = ureq::Agent::new_with_defaults();
        let reply = crate::harness::call(&agent, &format!("{}{path}", server.metrics), "GET", &[], b"");
        assert_eq!(reply.expect("an answer").status, 200, "{path}");
    }
}
