//! Scores of the vector index against the index in memory, which looks at every point.

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::filter::Filter;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{FoundList, Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::testing::Index;
use soma_embedded::vectors::{Packing, Vectors};
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 16;
/// Enough that the library searches posting lists instead of comparing point by point.
const POINTS: u64 = 5_800;

/// The growing segment keeps every point, so document frequencies are exact.
const NEVER: Packing = Packing { changes: usize::MAX, join: 2 };

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }

    fn unit(&mut self) -> f32 {
        (self.below(1 << 20) as f32 + 0.5) / (1 << 20) as f32
    }

    /// Few words are frequent, most are rare.
    fn words(&mut self, count: u64) -> Sparse {
        let mut indices: Vec<u32> = (0..count).map(|_| 3_000f32.powf(self.unit()) as u32 * 7_919).collect();
        indices.sort_unstable();
        indices.dedup();
        Sparse { values: indices.iter().map(|_| self.unit()).collect(), indices }
    }

    fn dense(&mut self) -> Vec<f32> {
        let raw: Vec<f32> = (0..DIMS).map(|_| self.unit() - 0.5).collect();
        let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
        raw.iter().map(|x| x / norm).collect()
    }

    fn point(&mut self, n: u64, rev: u64) -> Point {
        let terms = self.below(20);
        Point {
            id: id(n),
            rev,
            event_id: EventId(Uuid::from_u64_pair(rev, n)),
            kind: EventType::Updated,
            namespace: Namespace::parse(["a", "b", "c"][self.below(3) as usize]).expect("a valid name"),
            created_at: Timestamp(0),
            updated_at: Timestamp(1),
            importance: None,
            model_revision: None,
            thread: None,
            payload: json!({"group": self.below(50)}),
            dense: self.dense(),
            sparse: self.words(terms),
        }
    }
}

fn id(n: u64) -> MemoryId {
    MemoryId(Uuid::from_u64_pair(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n))
}

/// Equal up to rounding: the same scores, and the same points wherever scores do not nearly tie.
fn assert_equal(found: &FoundList, wanted: &FoundList, what: &str) {
    let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * a.abs().max(1.0);
    assert_eq!((found.found.len(), found.exact), (wanted.found.len(), wanted.exact), "{what}");
    for (i, (a, b)) in found.found.iter().zip(&wanted.found).enumerate() {
        assert!(near(a.score, b.score), "{what}, place {i}: {a:?} instead of {b:?}");
        let apart = |j: usize| wanted.found.get(j).is_none_or(|other| !near(other.score, b.score));
        if apart(i.wrapping_sub(1)) && apart(i + 1) && i + 1 < wanted.found.len() {
            assert_eq!(a.id, b.id, "{what}, place {i}");
        }
    }
}

#[tokio::test]
async fn scores_are_those_of_a_look_at_every_point_also_after_changes_and_removals() -> Outcome {
    let dir = tempfile::tempdir()?;
    let identity = Identity { name: "hash".into(), revision: "1".into(), dims: DIMS };
    let (vectors, _) = Vectors::open_packing(dir.path(), identity.clone(), NEVER)?;
    let oracle = Index::new(identity.clone());
    let mut random = Random(42);
    let mut ops: Vec<Op> = (0..POINTS).map(|n| Op::Upsert(Box::new(random.point(n, 1)))).collect();
    ops.extend((0..500).map(|_| {
        let n = random.below(POINTS);
        Op::Upsert(Box::new(random.point(n, 2)))
    }));
    ops.extend((0..500).map(|n| Op::Delete { id: id(n), rev: 3 }));
    for ops in ops.chunks(1_000) {
        vectors.write(ops.to_vec()).await?;
        oracle.write(ops.to_vec()).await?;
    }
    assert_eq!(vectors.count().await?, oracle.count().await?);
    compare(&vectors, &oracle, &mut random, "as written").await?;
    vectors.flush().await?;
    drop(vectors);
    let (vectors, _) = Vectors::open_packing(dir.path(), identity, NEVER)?;
    compare(&vectors, &oracle, &mut random, "opened again").await
}

#[tokio::test]
async fn packed_points_have_the_scores_of_growing_ones() -> Outcome {
    let dir = tempfile::tempdir()?;
    let identity = Identity { name: "hash".into(), revision: "1".into(), dims: DIMS };
    let packing = Packing { changes: 700, join: 3 };
    let (vectors, _) = Vectors::open_packing(dir.path(), identity.clone(), packing)?;
    let oracle = Index::new(identity.clone());
    let mut random = Random(7);
    let ops: Vec<Op> = (0..POINTS).map(|n| Op::Upsert(Box::new(random.point(n, 1)))).collect();
    for ops in ops.chunks(100) {
        vectors.write(ops.to_vec()).await?;
        oracle.write(ops.to_vec()).await?;
    }
    compare(&vectors, &oracle, &mut random, "as written").await?;
    vectors.flush().await?;
    drop(vectors);
    let (vectors, _) = Vectors::open_packing(dir.path(), identity, packing)?;
    compare(&vectors, &oracle, &mut random, "opened again").await
}

async fn compare(vectors: &Vectors, oracle: &Index, random: &mut Random, when: &str) -> Outcome {
    let group = |n| Filter::parse(&json!({"field": "payload.group", "eq": n}));
    for round in 0..10 {
        let terms = 1 + random.below(8);
        let queries = [Query::Dense(random.dense()), Query::Sparse(random.words(terms))];
        let some: Vec<MemoryId> = (0..30).map(|_| id(random.below(POINTS))).collect();
        for query in queries {
            let all = Search { query, namespaces: None, filter: None, ids: None, limit: 20 };
            let spaces = Some(vec![Namespace::parse("a")?, Namespace::parse("nobody")?]);
            let searches = [
                all.clone(),
                Search { namespaces: spaces.clone(), ..all.clone() },
                Search { filter: Some(group(round)?), ..all.clone() },
                Search { filter: Some(Filter::Not(Box::new(group(round)?))), namespaces: spaces, ..all.clone() },
                Search { ids: Some(some.clone()), ..all.clone() },
                Search { limit: 10_000, ..all },
            ];
            for (which, search) in searches.iter().enumerate() {
                let what = format!("{when}, round {round}, search {which}: {:?}", search.query);
                assert_equal(&vectors.search(search).await?, &oracle.search(search).await?, &what);
            }
        }
    }
    Ok(())
}
