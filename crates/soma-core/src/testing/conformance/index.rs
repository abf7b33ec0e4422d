//! What every vector index keeps.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Check, ensure, ensure_eq, run};
use crate::event::EventType;
use crate::filter::{Field, Filter, Test};
use crate::ids::MemoryId;
use crate::index::{Found, Op, Point, Query, Search, Sparse, VectorIndex};
use crate::testing::sample::{event_id, memory_id, namespace, time};

/// Checks a [`VectorIndex`] of at least 4 dimensions made empty by `make`.
///
/// # Panics
/// When a case does not hold, with its sentence.
pub async fn vector_index(make: impl AsyncFn() -> Arc<dyn VectorIndex>) {
    run!(make,
        "an empty index answers with nothing" => starts_empty,
        "a point is found at once, with its event" => finds_what_was_written,
        "a point is stored as it was written" => keeps_points,
        "a point with a higher rev is not replaced, an equal or a lower one is" => guards_upserts,
        "a point with a higher rev is not deleted, an equal or a lower one is" => guards_deletes,
        "changes of one write are applied in their order" => applies_in_order,
        "a dense search orders by cosine similarity" => searches_dense,
        "a sparse search orders by BM25 and leaves out what shares no term" => searches_sparse,
        "the rarity of a term is the factor that a sparse search multiplies by" => tells_rarities,
        "equal scores are ordered by id" => breaks_ties,
        "a search keeps to its namespaces, its ids and its limit" => narrows,
        "a filtered search leaves out no match, and says when it is wider" => filters,
        "a scan passes every point once, in the order of ids" => scans,
        "a purge removes a point whatever its rev" => purges,
        "a flush changes nothing that is seen" => flushes,
        "a write of many points is seen whole" => writes_many,
    );
}

fn dense(index: &dyn VectorIndex, numbers: [f32; 4]) -> Vec<f32> {
    let norm = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    let mut vector = vec![0.0; index.identity().dims];
    for (slot, number) in vector.iter_mut().zip(numbers) {
        *slot = number / norm;
    }
    vector
}

fn sparse(terms: &[(u32, f32)]) -> Sparse {
    Sparse { indices: terms.iter().map(|(term, _)| *term).collect(), values: terms.iter().map(|(_, v)| *v).collect() }
}

fn point(index: &dyn VectorIndex, number: u64, rev: u64) -> Point {
    Point {
        id: memory_id(number),
        rev,
        event_id: event_id(rev),
        kind: EventType::Created,
        namespace: namespace("demo"),
        created_at: time(number),
        updated_at: time(number + 100),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({ "n": number }),
        dense: dense(index, [1.0, number as f32, 0.5, 0.0]),
        sparse: sparse(&[(7, 1.0), (1_000 + u32::try_from(number).expect("small numbers"), 2.0)]),
    }
}

fn upsert(point: Point) -> Op {
    Op::Upsert(Box::new(point))
}

const fn search(query: Query) -> Search {
    Search { query, namespaces: None, filter: None, ids: None, limit: 1_000 }
}

async fn revs(index: &dyn VectorIndex) -> crate::Result<Vec<(MemoryId, u64)>> {
    Ok(index.scan(None, 1_000).await?.iter().map(|point| (point.id, point.rev)).collect())
}

fn ids(found: &[Found]) -> Vec<MemoryId> {
    found.iter().map(|found| found.id).collect()
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs().max(1.0)
}

async fn starts_empty(index: &dyn VectorIndex) -> Check {
    ensure_eq!(index.count().await?, 0, "points");
    ensure_eq!(index.scan(None, 10).await?, vec![], "a scan");
    index.write(Vec::new()).await?;
    index.write(vec![Op::Delete { id: memory_id(1), rev: 1 }]).await?;
    index.purge(&[memory_id(1)]).await?;
    index.flush().await?;
    let vector = dense(index, [1.0, 0.0, 0.0, 0.0]);
    for query in [Query::Dense(vector), Query::Sparse(sparse(&[(7, 1.0)])), Query::Sparse(sparse(&[]))] {
        ensure_eq!(index.search(&search(query)).await?.found, vec![], "a search");
    }
    Ok(())
}

async fn finds_what_was_written(index: &dyn VectorIndex) -> Check {
    index.write(vec![upsert(point(index, 1, 5))]).await?;
    for query in [Query::Dense(dense(index, [1.0, 1.0, 0.0, 0.0])), Query::Sparse(sparse(&[(1_001, 1.0)]))] {
        let found = index.search(&search(query)).await?.found;
        ensure_eq!(ids(&found), vec![memory_id(1)], "a search");
    }
    index.write(vec![Op::Delete { id: memory_id(1), rev: 6 }]).await?;
    let found = index.search(&search(Query::Sparse(sparse(&[(1_001, 1.0)])))).await?.found;
    ensure_eq!(found, vec![], "a search after the delete");
    Ok(())
}

async fn keeps_points(index: &dyn VectorIndex) -> Check {
    let full = Point {
        namespace: namespace("Namespace/ü"),
        importance: Some(0.1),
        model_revision: Some("model".to_owned()),
        thread: Some("thread".to_owned()),
        payload: json!({"": [null, {"a.b": 1.5}], "text": "🙂"}),
        sparse: sparse(&[(0, 0.5), (u32::MAX, 1.5)]),
        ..point(index, 1, (1 << 50) + 1)
    };
    let payloads = [json!(null), json!("text"), json!([1, 2]), json!(1.5)];
    let plain = (2..).zip(payloads).map(|(n, payload)| Point { payload, sparse: sparse(&[]), ..point(index, n, n) });
    let points: Vec<Point> = std::iter::once(full).chain(plain).collect();
    index.write(points.iter().cloned().map(upsert).collect()).await?;
    let stored = index.scan(None, 10).await?;
    ensure_eq!(stored.len(), points.len(), "points");
    for (stored, point) in stored.iter().zip(&points) {
        ensure_eq!((stored.id, stored.rev, stored.event_id), (point.id, point.rev, point.event_id), "a point");
        ensure_eq!(stored.namespace, point.namespace.as_str(), "the namespace");
        ensure_eq!(stored.sparse, point.sparse, "the sparse vector");
        ensure_eq!(stored.dense.len(), point.dense.len(), "the length of the dense vector");
        // An index may normalise once more.
        ensure!(stored.dense.iter().zip(&point.dense).all(|(a, b)| close(*a, *b)), "the dense vector differs");
    }
    Ok(())
}

async fn guards_upserts(index: &dyn VectorIndex) -> Check {
    for (rev, left) in [(5, 5), (4, 5), (5, 5), (6, 6), (1, 6)] {
        index.write(vec![upsert(point(index, 1, rev))]).await?;
        ensure_eq!(revs(index).await?, vec![(memory_id(1), left)], "after an upsert under {rev}");
    }
    let same = Point { event_id: event_id(60), ..point(index, 1, 6) };
    index.write(vec![upsert(same)]).await?;
    ensure_eq!(index.scan(None, 1).await?[0].event_id, event_id(60), "the event after an upsert under the same rev");
    Ok(())
}

async fn guards_deletes(index: &dyn VectorIndex) -> Check {
    let points: Vec<Op> = (1..=3).map(|number| upsert(point(index, number, 5))).collect();
    index.write(points).await?;
    let deletes = [(1, 4), (2, 5), (3, 6), (4, 9)];
    index.write(deletes.map(|(number, rev)| Op::Delete { id: memory_id(number), rev }).into()).await?;
    ensure_eq!(revs(index).await?, vec![(memory_id(1), 5)], "what is left");
    ensure_eq!(index.count().await?, 1, "the count");
    Ok(())
}

async fn applies_in_order(index: &dyn VectorIndex) -> Check {
    let delete = |number: u64, rev: u64| Op::Delete { id: memory_id(number), rev };
    let ops = vec![
        upsert(point(index, 1, 1)),
        delete(1, 2),
        upsert(point(index, 2, 3)),
        upsert(point(index, 2, 4)),
        delete(3, 5),
        upsert(point(index, 3, 6)),
        upsert(point(index, 4, 8)),
        upsert(point(index, 4, 7)),
        delete(4, 7),
    ];
    index.write(ops).await?;
    let expected = vec![(memory_id(2), 4), (memory_id(3), 6), (memory_id(4), 8)];
    ensure_eq!(revs(index).await?, expected, "the points");
    Ok(())
}

async fn searches_dense(index: &dyn VectorIndex) -> Check {
    let vectors = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [-1.0, 0.1, 0.0, 0.0]];
    let points = (1..).zip(vectors).map(|(n, vector)| Point { dense: dense(index, vector), ..point(index, n, n) });
    index.write(points.map(upsert).collect()).await?;
    let query = dense(index, [1.0, 0.2, 0.1, 0.0]);
    let found = index.search(&search(Query::Dense(query.clone()))).await?;
    ensure!(found.exact, "a search without a filter is not exact");
    ensure_eq!(ids(&found.found), [1, 2, 3, 4].map(memory_id).to_vec(), "the order");
    for (found, vector) in found.found.iter().zip(vectors) {
        let cosine: f32 = query.iter().zip(dense(index, vector)).map(|(a, b)| a * b).sum();
        ensure!(close(found.score, cosine), "the score {} is not {cosine}", found.score);
    }
    Ok(())
}

async fn searches_sparse(index: &dyn VectorIndex) -> Check {
    let texts: [&[(u32, f32)]; 4] = [&[(1, 1.0), (2, 2.0)], &[(1, 1.5)], &[(1, 0.5), (3, 1.0)], &[(4, 1.0)]];
    let points = (1..).zip(texts).map(|(n, terms)| Point { sparse: sparse(terms), ..point(index, n, n) });
    index.write(points.map(upsert).collect()).await?;
    let idf = |n: f32| (1.0 + (4.0 - n + 0.5) / (n + 0.5)).ln();
    let query = sparse(&[(1, 1.0), (2, 0.5), (9, 1.0)]);
    let found = index.search(&search(Query::Sparse(query))).await?.found;
    let expected = [(1, idf(3.0) + 0.5 * 2.0 * idf(1.0)), (2, 1.5 * idf(3.0)), (3, 0.5 * idf(3.0))];
    ensure_eq!(ids(&found), expected.map(|(n, _)| memory_id(n)).to_vec(), "the order");
    for (found, (_, score)) in found.iter().zip(expected) {
        ensure!(close(found.score, score), "the score {} is not {score}", found.score);
    }
    let none = index.search(&search(Query::Sparse(sparse(&[(9, 1.0)])))).await?.found;
    ensure_eq!(none, vec![], "a search for an unknown term");
    Ok(())
}

async fn tells_rarities(index: &dyn VectorIndex) -> Check {
    ensure_eq!(index.rarities(&[1]).await?, vec![None], "in an empty index");
    let texts: [&[(u32, f32)]; 5] =
        [&[(1, 1.0), (2, 2.0)], &[(1, 1.5), (3, 0.25)], &[(1, 0.5), (2, 1.0)], &[(1, 0.75)], &[]];
    let points = (1..).zip(texts).map(|(n, terms)| Point { sparse: sparse(terms), ..point(index, n, n) });
    index.write(points.map(upsert).collect()).await?;
    let idf = |n: f32| (1.0 + (5.0 - n + 0.5) / (n + 0.5)).ln();
    let right = |told: Vec<Option<f32>>, expected: &[Option<f32>]| -> Check {
        for (told, expected) in told.iter().zip(expected) {
            let right = match (told, expected) {
                (Some(told), Some(holding)) => close(*told, idf(*holding)),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            ensure!(right, "{told:?} is not the rarity of what {expected:?} of 5 points hold");
        }
        ensure_eq!(told.len(), expected.len(), "as many answers as questions");
        Ok(())
    };
    // Again: what was learnt by the first answer must not spoil the second.
    for _ in 0..2 {
        let told = index.rarities(&[3, 9, 1, 2, 1]).await?;
        right(told, &[Some(1.0), None, Some(4.0), Some(2.0), Some(4.0)])?;
    }
    ensure_eq!(index.rarities(&[]).await?, vec![], "of no term");
    // The points that told of terms hold others now: the best of 1, of 2 and of 3.
    let texts: [(u64, &[(u32, f32)]); 3] = [(1, &[(4, 1.0)]), (2, &[(2, 0.1), (5, 1.0)]), (4, &[(1, 0.25)])];
    let points = texts.map(|(n, terms)| Point { sparse: sparse(terms), ..point(index, n, n + 10) });
    index.write(points.map(upsert).to_vec()).await?;
    let told = index.rarities(&[1, 2, 3, 4, 5]).await?;
    right(told, &[Some(2.0), Some(2.0), None, Some(1.0), Some(1.0)])
}

async fn breaks_ties(index: &dyn VectorIndex) -> Check {
    let vector = dense(index, [1.0, 1.0, 0.0, 0.0]);
    let same = |n: u64| Point { dense: vector.clone(), sparse: sparse(&[(7, 1.0)]), ..point(index, n, n) };
    index.write([4, 2, 5, 1, 3].map(|n| upsert(same(n))).into()).await?;
    for query in [Query::Dense(vector.clone()), Query::Sparse(sparse(&[(7, 1.0)]))] {
        let found = index.search(&search(query)).await?.found;
        ensure_eq!(ids(&found), [1, 2, 3, 4, 5].map(memory_id).to_vec(), "the order");
    }
    Ok(())
}

async fn narrows(index: &dyn VectorIndex) -> Check {
    let names = ["a", "b", "a", "a/b", "A", "a"];
    let points = (1..).zip(names).map(|(n, name)| Point { namespace: namespace(name), ..point(index, n, n) });
    index.write(points.map(upsert).collect()).await?;
    for query in [Query::Dense(dense(index, [1.0, 0.0, 0.0, 0.0])), Query::Sparse(sparse(&[(7, 1.0)]))] {
        let all = search(query);
        let find = async |search: Search| -> crate::Result<Vec<MemoryId>> {
            let mut found = ids(&index.search(&search).await?.found);
            found.sort_unstable();
            Ok(found)
        };
        let within = |names: &[&str]| Some(names.iter().map(|name| namespace(name)).collect::<Vec<_>>());
        let found = find(Search { namespaces: within(&["a"]), ..all.clone() }).await?;
        ensure_eq!(found, [1, 3, 6].map(memory_id).to_vec(), "one namespace");
        let found = find(Search { namespaces: within(&["b", "A", "none"]), ..all.clone() }).await?;
        ensure_eq!(found, [2, 5].map(memory_id).to_vec(), "several namespaces");
        let some = Some([2, 3, 9].map(memory_id).to_vec());
        let found = find(Search { ids: some.clone(), ..all.clone() }).await?;
        ensure_eq!(found, [2, 3].map(memory_id).to_vec(), "some ids");
        let found = find(Search { ids: some, namespaces: within(&["a"]), ..all.clone() }).await?;
        ensure_eq!(found, vec![memory_id(3)], "some ids in one namespace");
        let found = find(Search { limit: 2, ..all.clone() }).await?;
        ensure_eq!(found.len(), 2, "two points");
        let (whole, two) = (index.search(&all).await?.found, index.search(&Search { limit: 2, ..all }).await?.found);
        ensure_eq!(ids(&two), ids(&whole[..2]), "the best two");
    }
    Ok(())
}

fn samples() -> Vec<(Value, Vec<MemoryId>, Filter)> {
    let path = |path: &str| Field::Payload(path.split('.').map(str::to_owned).collect());
    let one = |field: Field, test: Test| Filter::Field(field, vec![test]);
    let numbers = |numbers: &[u64]| numbers.iter().map(|n| memory_id(*n)).collect::<Vec<_>>();
    vec![
        (json!({"n": 1, "tag": "a"}), numbers(&[1]), one(path("n"), Test::Eq(json!(1)))),
        (json!({"n": 2, "tag": ["a", "b"]}), numbers(&[1, 2]), one(path("tag"), Test::Eq(json!("a")))),
        (json!({"n": 2.5, "tag": "c"}), numbers(&[2, 3, 8]), one(path("n"), Test::Gte(json!(2)))),
        (json!({"n": "2", "ok": true}), numbers(&[4]), one(path("ok"), Test::Eq(json!(true)))),
        (json!({"m": {"n": 5}}), numbers(&[5]), one(path("m.n"), Test::In(vec![json!(5), json!(6)]))),
        (json!({"m": null}), numbers(&[5, 6]), one(path("m"), Test::Exists(true))),
        (json!("text"), numbers(&[5, 6, 7]), one(path("n"), Test::Exists(false))),
        (json!({"n": 8}), numbers(&[8]), one(Field::Id, Test::Eq(json!(memory_id(8).to_string())))),
    ]
}

async fn filters(index: &dyn VectorIndex) -> Check {
    let points = (1..).zip(samples()).map(|(n, (payload, ..))| Point { payload, ..point(index, n, n) });
    index.write(points.map(upsert).collect()).await?;
    let not_one = Filter::Not(Box::new(samples().remove(0).2));
    let version = Filter::Field(Field::Version, vec![Test::Gte(json!(2))]);
    let mut cases: Vec<(Filter, Option<Vec<MemoryId>>)> =
        samples().into_iter().map(|(_, ids, filter)| (filter, Some(ids))).collect();
    cases.push((not_one, Some((2..=8).map(memory_id).collect())));
    cases.push((version, None));
    for (filter, matching) in cases {
        for query in [Query::Dense(dense(index, [1.0, 0.0, 0.0, 0.0])), Query::Sparse(sparse(&[(7, 1.0)]))] {
            let found = index.search(&Search { filter: Some(filter.clone()), ..search(query) }).await?;
            let mut got = ids(&found.found);
            got.sort_unstable();
            match &matching {
                Some(matching) if found.exact => ensure_eq!(got, *matching, "{filter:?}"),
                Some(matching) => {
                    ensure!(matching.iter().all(|id| got.contains(id)), "{filter:?} leaves out a match: {got:?}");
                }
                None => ensure!(!found.exact, "points cannot answer {filter:?} exactly"),
            }
        }
    }
    Ok(())
}

async fn scans(index: &dyn VectorIndex) -> Check {
    index.write([5, 3, 9, 1, 7].map(|n| upsert(point(index, n, n))).into()).await?;
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = index.scan(after, 2).await?;
        let Some(last) = page.last() else { break };
        ensure!(page.len() <= 2, "a page is too long");
        after = Some(last.id);
        found.extend(page.iter().map(|point| point.id));
        ensure!(found.len() <= 5, "the pages repeat: {found:?}");
    }
    ensure_eq!(found, [1, 3, 5, 7, 9].map(memory_id).to_vec(), "the points");
    ensure_eq!(index.count().await?, 5, "the count");
    Ok(())
}

async fn purges(index: &dyn VectorIndex) -> Check {
    index.write((1..=3).map(|n| upsert(point(index, n, 1_000))).collect()).await?;
    index.purge(&[memory_id(1), memory_id(3), memory_id(9)]).await?;
    ensure_eq!(revs(index).await?, vec![(memory_id(2), 1_000)], "what is left");
    index.write(vec![upsert(point(index, 1, 1))]).await?;
    ensure_eq!(index.count().await?, 2, "points after one was written again, under a lower rev");
    Ok(())
}

async fn flushes(index: &dyn VectorIndex) -> Check {
    index.write((1..=3).map(|n| upsert(point(index, n, n))).collect()).await?;
    let before = index.scan(None, 10).await?;
    index.flush().await?;
    ensure_eq!(index.scan(None, 10).await?, before, "the points");
    index.write(vec![Op::Delete { id: memory_id(2), rev: 9 }]).await?;
    index.flush().await?;
    index.flush().await?;
    ensure_eq!(index.count().await?, 2, "the count after a delete");
    Ok(())
}

async fn writes_many(index: &dyn VectorIndex) -> Check {
    let many = 1_500;
    index.write((0..many).map(|n| upsert(point(index, n, n + 1))).collect()).await?;
    ensure_eq!(index.count().await?, many, "the count");
    let found = index.search(&Search { limit: 1, ..search(Query::Sparse(sparse(&[(2_499, 1.0)]))) }).await?.found;
    ensure_eq!(ids(&found), vec![memory_id(1_499)], "the last of them");
    let deletes = (0..many).filter(|n| n % 2 == 0).map(|n| Op::Delete { id: memory_id(n), rev: many + 1 });
    index.write(deletes.collect()).await?;
    ensure_eq!(index.count().await?, many / 2, "the count after half of them was deleted");
    Ok(())
}
