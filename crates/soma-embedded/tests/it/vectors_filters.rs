//! Filters of the vector index against their definition.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::filter::Filter;
use soma_core::ids::MemoryId;
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::memory::Memory;
use soma_embedded::vectors::Vectors;
use soma_testkit::filters::{filter, matching, memories, table};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const EVERY: usize = 1_000;

fn open(dir: &std::path::Path) -> Result<Vectors, soma_core::Error> {
    Vectors::open(dir, Identity { name: "hash".into(), revision: "1".into(), dims: 2 }).map(|(vectors, _)| vectors)
}

fn point(memory: &Memory) -> Op {
    let Memory { id, namespace, payload, importance, model_revision, created_at, updated_at, version: _, event_id } =
        memory.clone();
    Op::Upsert(Box::new(Point {
        id,
        rev: 1,
        event_id,
        kind: EventType::Created,
        namespace,
        created_at,
        updated_at,
        importance,
        model_revision,
        thread: None,
        payload,
        dense: vec![1.0, 0.0],
        sparse: Sparse { indices: vec![1], values: vec![1.0] },
    }))
}

/// Searches in both ways. Every point is equally near, so the list is that of the filter, by id.
async fn select(vectors: &Vectors, filter: &Filter) -> Result<(Vec<MemoryId>, bool), soma_core::Error> {
    let dense = Query::Dense(vec![1.0, 0.0]);
    let search = Search { query: dense, namespaces: None, filter: Some(filter.clone()), ids: None, limit: EVERY };
    let found = vectors.search(&search).await?;
    let sparse = Query::Sparse(Sparse { indices: vec![1], values: vec![1.0] });
    let same = vectors.search(&Search { query: sparse, ..search }).await?;
    let ids = |found: &[soma_core::index::Found]| found.iter().map(|found| found.id).collect::<Vec<_>>();
    assert_eq!(ids(&found.found), ids(&same.found), "{filter}");
    Ok((ids(&found.found), found.exact))
}

#[tokio::test]
async fn every_case_of_the_table_selects_at_least_what_it_says_and_no_more_where_the_index_claims_so() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    let table = table();
    vectors.write(table.memories.iter().map(|(_, memory)| point(memory)).collect()).await?;
    let mut exact_cases = 0;
    for case in &table.cases {
        let (found, exact) = select(&vectors, &case.filter).await?;
        if exact {
            exact_cases += 1;
            assert_eq!(found, case.matches, "{}: {}", case.name, case.json);
        } else {
            assert!(case.matches.iter().all(|id| found.contains(id)), "{}: {}", case.name, case.json);
        }
    }
    let share = exact_cases * 100 / table.cases.len();
    assert!(share >= 80, "only {share} % of the cases are answered exactly");
    Ok(())
}

#[tokio::test]
async fn long_strings_deep_paths_and_odd_keys_are_told_apart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    let long = "word ".repeat(100);
    let deep = |end: &str| (0..40).fold(json!(end), |inner, n| json!({format!("a step down, the {n}th"): inner}));
    let path = |field: &str| {
        let steps: Vec<String> = (0..40).rev().map(|n| format!("a step down, the {n}th")).collect();
        format!("payload.{field}.{}", steps.join("."))
    };
    let payloads = [
        json!({"t": long, "d": deep("x")}),
        json!({"t": [format!("{long}!")], "d": deep("y")}),
        json!({"a.b": 1, "a\\": {"b": 2}}),
        json!({"a": {"b": 1}, "a\\.b": 2}),
    ];
    let template = table().memories.remove(0).1;
    let memories: Vec<Memory> = payloads
        .into_iter()
        .enumerate()
        .map(|(n, payload)| Memory { id: MemoryId(uuid::Uuid::from_u128(n as u128)), payload, ..template.clone() })
        .collect();
    vectors.write(memories.iter().map(point).collect()).await?;
    for json in [
        json!({"field": "payload.t", "eq": long}),
        json!({"field": "payload.t", "in": ["short", format!("{long}!")]}),
        json!({"not": {"field": "payload.t", "eq": long}}),
        json!({"field": path("d"), "eq": "x"}),
        json!({"field": path("d"), "exists": true}),
        json!({"field": "payload.\"a.b\"", "eq": 1}),
        json!({"field": "payload.a.b", "eq": 1}),
        json!({"field": "payload.\"a\\\\\".b", "eq": 2}),
    ] {
        let filter = Filter::parse(&json)?;
        let meant = matching(&filter, &memories);
        assert_eq!(select(&vectors, &filter).await?, (meant.clone(), true), "{json}");
        assert!(!meant.is_empty(), "{json}");
    }
    Ok(())
}

#[test]
fn any_filter_selects_at_least_what_it_means_and_no_more_where_the_index_claims_so() -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner.run(&(memories(1..30), prop::collection::vec(filter(), 40)), |(memories, filters)| {
        runtime.block_on(async {
            let before = vectors.scan(None, EVERY).await.expect("a scan");
            let before: Vec<_> = before.iter().map(|point| point.id).collect();
            vectors.purge(&before).await.expect("a purge");
            vectors.write(memories.iter().map(point).collect()).await.expect("a write");
            for filter in &filters {
                let (found, exact) = select(&vectors, filter).await.expect("a search");
                let meant = matching(filter, &memories);
                if exact {
                    prop_assert_eq!(&found, &meant, "{}", filter);
                } else {
                    prop_assert!(
                        meant.iter().all(|id| found.contains(id)),
                        "{}: {:?} without {:?}",
                        filter,
                        found,
                        meant
                    );
                }
            }
            Ok(())
        })
    })?;
    Ok(())
}
