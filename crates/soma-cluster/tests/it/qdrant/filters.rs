//! Filters of the index on a server against their definition.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use soma_cluster::qdrant::{Settings, Vectors};
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::filter::Filter;
use soma_core::ids::MemoryId;
use soma_core::index::{Found, Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::memory::Memory;
use soma_testkit::filters::{filter, matching, memories, table};
use soma_testkit::qdrant::StandIn;

use super::{Outcome, fresh_name, real_server, remove, settings};

const EVERY: usize = 1_000;

async fn open(settings: &Settings) -> Result<Vectors, soma_core::Error> {
    let identity = Identity { name: "hash".into(), revision: "1".into(), dims: 2 };
    Vectors::connect(settings, identity).await.map(|(vectors, _)| vectors)
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
    let ids = |found: &[Found]| found.iter().map(|found| found.id).collect::<Vec<_>>();
    assert_eq!(ids(&found.found), ids(&same.found), "{filter}");
    Ok((ids(&found.found), found.exact))
}

async fn hold_to_the_table(vectors: &Vectors) -> Outcome {
    let table = table();
    vectors.write(table.memories.iter().map(|(_, memory)| point(memory)).collect()).await?;
    let mut exact_cases = 0;
    for case in &table.cases {
        let (found, exact) = select(vectors, &case.filter).await?;
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
async fn every_case_of_the_table_selects_at_least_what_it_says_and_no_more_where_the_index_claims_so() -> Outcome {
    let stand_in = StandIn::start()?;
    hold_to_the_table(&open(&settings(stand_in.url())).await?).await
}

#[tokio::test]
async fn the_table_holds_on_a_real_server() -> Outcome {
    let Some(url) = real_server("the table of filters") else { return Ok(()) };
    let settings = Settings { collection: fresh_name()?, ..settings(url.clone()) };
    hold_to_the_table(&open(&settings).await?).await?;
    remove(&url, &settings.collection).await
}

#[test]
fn any_filter_selects_at_least_what_it_means_and_no_more_where_the_index_claims_so() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stand_in = StandIn::start()?;
    let vectors = runtime.block_on(open(&settings(stand_in.url())))?;
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    runner.run(&(memories(1..30), prop::collection::vec(filter(), 20)), |(memories, filters)| {
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
                    prop_assert!(meant.iter().all(|id| found.contains(id)), "{}: {:?}", filter, found);
                }
            }
            Ok(())
        })
    })?;
    Ok(())
}
