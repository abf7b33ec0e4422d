//! The same data through both profiles gives the same hits.

use serde_json::json;
use soma_cluster::qdrant::{Settings, Vectors};
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::filter::Filter;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{FoundList, Op, Point, Query, Search, Sparse, VectorIndex};
use soma_embedded::vectors::{Packing, Vectors as Embedded};
use soma_testkit::qdrant::StandIn;
use uuid::Uuid;

use super::{Outcome, fresh_name, id, real_server, remove, settings};

const DIMS: usize = 16;
const POINTS: u64 = 1_500;

fn identity() -> Identity {
    Identity { name: "hash".into(), revision: "1".into(), dims: DIMS }
}

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
        let mut indices: Vec<u32> = (0..count).map(|_| 500f32.powf(self.unit()) as u32 * 7_919).collect();
        indices.sort_unstable();
        indices.dedup();
        Sparse { values: indices.iter().map(|_| self.unit()).collect(), indices }
    }

    fn dense(&mut self) -> Vec<f32> {
        let raw: Vec<f32> = (0..DIMS).map(|_| self.unit() - 0.5).collect();
        let norm = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
        raw.iter().map(|x| x / norm).collect()
    }

    fn point(&mut self, n: u64, rev: u64) -> Op {
        let terms = self.below(20);
        Op::Upsert(Box::new(Point {
            id: id(n),
            rev,
            event_id: EventId(Uuid::from_u64_pair(rev, n)),
            kind: EventType::Updated,
            namespace: Namespace::parse(["a", "b", "c"][self.below(3) as usize]).expect("a valid name"),
            created_at: Timestamp(0),
            updated_at: Timestamp(1),
            importance: Some(f64::from(self.unit())),
            model_revision: None,
            thread: None,
            payload: json!({"group": self.below(50), "tags": ["x", self.below(5)]}),
            dense: self.dense(),
            sparse: self.words(terms),
        }))
    }

    /// Upserts, changes, deletes, and a few that come too late.
    fn history(&mut self) -> Vec<Op> {
        let mut ops: Vec<Op> = (0..POINTS).map(|n| self.point(n, 10)).collect();
        for rev in 11..15 {
            ops.extend((0..60).map(|_| {
                let n = self.below(POINTS);
                self.point(n, rev)
            }));
            ops.extend((0..20).map(|_| Op::Delete { id: id(self.below(POINTS)), rev }));
        }
        ops.extend((0..30).map(|_| Op::Delete { id: id(self.below(POINTS)), rev: 9 }));
        ops
    }
}

/// The same points in the same order wherever scores do not nearly tie, and the same scores.
fn assert_same(found: &FoundList, wanted: &FoundList, tolerance: f32, what: &str) {
    let near = |a: f32, b: f32| (a - b).abs() <= tolerance * a.abs().max(1.0);
    assert_eq!((found.found.len(), found.exact), (wanted.found.len(), wanted.exact), "{what}");
    for (i, (a, b)) in found.found.iter().zip(&wanted.found).enumerate() {
        assert!(near(a.score, b.score), "{what}, place {i}: {a:?} instead of {b:?}");
        let apart = |j: usize| wanted.found.get(j).is_none_or(|other| !near(other.score, b.score));
        if apart(i.wrapping_sub(1)) && apart(i + 1) && i + 1 < wanted.found.len() {
            assert_eq!(a.id, b.id, "{what}, place {i}");
        }
    }
}

async fn compare(server: &Vectors, embedded: &Embedded, seed: u64, tolerance: f32) -> Outcome {
    let mut random = Random(seed);
    let parse = |json| Filter::parse(&json);
    for round in 0..10 {
        let terms = 1 + random.below(8);
        let some: Vec<MemoryId> = (0..30).map(|_| id(random.below(POINTS))).collect();
        for query in [Query::Dense(random.dense()), Query::Sparse(random.words(terms))] {
            let all = Search { query, namespaces: None, filter: None, ids: None, limit: 20 };
            let group = parse(json!({"field": "payload.group", "eq": round}))?;
            let important = parse(json!({"field": "importance", "gt": 0.5}))?;
            let searches = [
                Search { namespaces: Some(vec![Namespace::parse("a")?]), ..all.clone() },
                Search { filter: Some(group.clone()), ..all.clone() },
                Search { filter: Some(Filter::And(vec![Filter::Not(Box::new(group)), important])), ..all.clone() },
                Search { ids: Some(some.clone()), ..all.clone() },
                Search { limit: 5_000, ..all.clone() },
                all,
            ];
            for (which, search) in searches.iter().enumerate() {
                let what = format!("round {round}, search {which}");
                assert_same(&server.search(search).await?, &embedded.search(search).await?, tolerance, &what);
            }
        }
    }
    Ok(())
}

async fn same_points(server: &Vectors, embedded: &Embedded) -> Outcome {
    let (here, there) = (embedded.scan(None, 10_000).await?, server.scan(None, 10_000).await?);
    assert_eq!(here.len(), there.len());
    for (a, b) in here.iter().zip(&there) {
        assert_eq!(a, b);
    }
    assert!(here.len() as u64 > POINTS / 2 && (here.len() as u64) < POINTS, "{} points", here.len());
    Ok(())
}

#[tokio::test]
async fn both_profiles_hold_the_same_points_and_find_the_same() -> Outcome {
    let stand_in = StandIn::start()?;
    let (server, _) = Vectors::connect(&settings(stand_in.url()), identity()).await?;
    let dir = tempfile::tempdir()?;
    let never = Packing { changes: usize::MAX, join: 2 };
    let (embedded, _) = Embedded::open_packing(dir.path(), identity(), never)?;
    for ops in Random(42).history().chunks(500) {
        server.write(ops.to_vec()).await?;
        embedded.write(ops.to_vec()).await?;
    }
    same_points(&server, &embedded).await?;
    compare(&server, &embedded, 3, 1e-5).await?;
    stand_in.optimise()?;
    same_points(&server, &embedded).await?;
    compare(&server, &embedded, 4, 1e-5).await
}

#[tokio::test]
async fn a_real_server_finds_the_same() -> Outcome {
    let Some(url) = real_server("the comparison of both profiles") else { return Ok(()) };
    let settings = Settings { collection: fresh_name()?, ..settings(url.clone()) };
    let (server, _) = Vectors::connect(&settings, identity()).await?;
    let dir = tempfile::tempdir()?;
    let (embedded, _) = Embedded::open(dir.path(), identity())?;
    for ops in Random(42).history().chunks(500) {
        server.write(ops.to_vec()).await?;
        embedded.write(ops.to_vec()).await?;
    }
    same_points(&server, &embedded).await?;
    // A server counts removed points in its document frequencies until it has optimised.
    compare(&server, &embedded, 3, 0.01).await?;
    remove(&url, &settings.collection).await
}
