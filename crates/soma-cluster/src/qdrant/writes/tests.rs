//! How changes become requests.

use qdrant_client::qdrant::PointsUpdateOperation;
use qdrant_client::qdrant::points_update_operation::Operation;
use serde_json::json;
use soma_core::event::EventType;
use soma_core::index::{Op, Point, Sparse};
use soma_core::testing::sample::{event_id, memory_id, namespace, time};

use super::{LANES_MAX, REQUEST_BYTES_MAX, REQUEST_POINTS_MAX, id, lanes, requests};

fn upsert(n: u64, rev: u64, text: &str) -> Op {
    Op::Upsert(Box::new(Point {
        id: memory_id(n),
        rev,
        event_id: event_id(n),
        kind: EventType::Created,
        namespace: namespace("demo"),
        created_at: time(1),
        updated_at: time(1),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({"text": text}),
        dense: vec![1.0, 0.0],
        sparse: Sparse::default(),
    }))
}

fn delete(n: u64, rev: u64) -> Op {
    Op::Delete { id: memory_id(n), rev }
}

/// Each request as its operations, each with how many points it names.
fn shape(ops: &[Op]) -> Vec<Vec<String>> {
    let ops: Vec<&Op> = ops.iter().collect();
    let name = |operation: &PointsUpdateOperation| match &operation.operation {
        Some(Operation::Upsert(list)) => format!("upsert {}", list.points.len()),
        Some(Operation::DeletePoints(_)) => "delete".to_owned(),
        other => format!("{other:?}"),
    };
    let requests = requests(&ops).collect::<Result<Vec<_>, _>>().expect("requests");
    requests.iter().map(|operations| operations.iter().map(name).collect()).collect()
}

#[test]
fn changes_of_one_memory_stay_in_one_lane_in_their_order() {
    let ops: Vec<Op> = (0..900).map(|n| upsert(n % 300, n, "")).collect();
    let lanes = lanes(&ops);
    assert_eq!(lanes.len(), LANES_MAX);
    assert_eq!(lanes.iter().map(Vec::len).sum::<usize>(), ops.len());
    for n in 0..300 {
        let holding: Vec<_> = lanes.iter().filter(|lane| lane.iter().any(|op| id(op) == memory_id(n))).collect();
        assert_eq!(holding.len(), 1, "memory {n}");
        let revs: Vec<u64> = holding[0]
            .iter()
            .filter_map(|op| match op {
                Op::Upsert(point) if point.id == memory_id(n) => Some(point.rev),
                Op::Upsert(_) | Op::Delete { .. } => None,
            })
            .collect();
        assert_eq!(revs, [n, n + 300, n + 600], "memory {n}");
    }
    assert_eq!(super::lanes(&ops[..60]).len(), 1, "few changes");
    assert!(super::lanes(&[]).is_empty());
}

#[test]
fn neighbours_of_one_kind_and_rev_share_an_operation_and_a_second_change_of_a_memory_opens_another() {
    let ops = [upsert(1, 5, ""), upsert(2, 5, ""), delete(3, 5), delete(4, 5), upsert(5, 6, ""), upsert(6, 7, "")];
    assert_eq!(shape(&ops), [["upsert 2", "upsert 2", "delete", "upsert 1", "upsert 1"]]);
    let ops = [upsert(1, 5, ""), upsert(2, 5, ""), upsert(1, 5, "later"), delete(1, 5), delete(1, 5)];
    assert_eq!(shape(&ops), [["upsert 2", "upsert 1", "upsert 1", "delete", "upsert 1", "delete"]]);
}

#[test]
fn a_request_holds_few_points_and_few_bytes() {
    let many: Vec<Op> = (0..300).map(|n| upsert(n, 1, "")).collect();
    assert_eq!(shape(&many), [["upsert 128"], ["upsert 128"], ["upsert 44"]]);
    assert_eq!(REQUEST_POINTS_MAX, 128);
    // A payload is held by digests, so it takes many paths to make a point large.
    let wide: serde_json::Map<_, _> = (0..40_000).map(|n| (format!("key {n}"), json!("x"))).collect();
    let large: Vec<Op> = (0..4)
        .map(|n| match upsert(n, 1, "") {
            Op::Upsert(point) => {
                Op::Upsert(Box::new(Point { payload: serde_json::Value::Object(wide.clone()), ..*point }))
            }
            other @ Op::Delete { .. } => other,
        })
        .collect();
    assert_eq!(shape(&large), [["upsert 2"], ["upsert 2"]], "of {REQUEST_BYTES_MAX} bytes");
}
