//! How well packed points are found by their vectors.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{FoundList, Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::testing::conformance::vector_index;
use soma_embedded::vectors::{Opened, Packing, Vectors};
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 64;
const LATENT: usize = 12;
const CENTRES: usize = 200;
const PACKING: Packing = Packing { changes: 2_000, join: 4 };
const NOWHERE: [PathBuf; 0] = [];

fn identity(name: &str) -> Identity {
    Identity { name: name.into(), revision: "1".into(), dims: DIMS }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// About normal, around 0.
    fn bell(&mut self) -> f32 {
        let mut unit = || (self.next() >> 40) as f32 / (1_u32 << 24) as f32;
        unit() + unit() + unit() - 1.5
    }

    fn many(&mut self, count: usize, length: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| (0..length).map(|_| self.bell()).collect()).collect()
    }
}

/// Vectors around some centres near a space of few dimensions, as those of texts are.
fn vectors(random: &mut Random, count: usize) -> Vec<Vec<f32>> {
    let (axes, centres) = (Random(7).many(LATENT, DIMS), Random(8).many(CENTRES, LATENT));
    let vector = |_| {
        let centre = &centres[(random.next() % CENTRES as u64) as usize];
        let mut vector: Vec<f32> = (0..DIMS).map(|_| 0.3 * random.bell()).collect();
        for (axis, at) in axes.iter().zip(centre) {
            let far = at + 0.6 * random.bell();
            vector.iter_mut().zip(axis).for_each(|(x, along)| *x += far * along);
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.into_iter().map(|x| x / norm).collect()
    };
    (0..count).map(vector).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn id(n: usize) -> MemoryId {
    MemoryId(Uuid::from_u64_pair((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), n as u64))
}

fn op(n: usize, rev: u64, dense: &[f32]) -> Op {
    Op::Upsert(Box::new(Point {
        id: id(n),
        rev,
        event_id: EventId(Uuid::from_u64_pair(rev, n as u64)),
        kind: EventType::Created,
        namespace: Namespace::parse(&format!("space-{}", n % 10)).expect("a valid name"),
        created_at: Timestamp(0),
        updated_at: Timestamp(1),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({ "n": n }),
        dense: dense.to_vec(),
        sparse: Sparse { indices: vec![n as u32 % 100], values: vec![1.0] },
    }))
}

async fn ask(index: &Vectors, question: &[f32], space: Option<usize>) -> Result<FoundList, soma_core::Error> {
    let namespaces = space.map(|space| vec![Namespace::parse(&format!("space-{space}")).expect("a valid name")]);
    let query = Query::Dense(question.to_vec());
    index.search(&Search { query, namespaces, filter: None, ids: None, limit: 10 }).await
}

/// The ten nearest among those vectors, by a look at each.
fn nearest(written: &[Vec<f32>], question: &[f32], space: Option<usize>) -> HashSet<MemoryId> {
    let among = written.iter().enumerate().filter(|(n, _)| space.is_none_or(|space| n % 10 == space));
    let mut scores: Vec<(f32, usize)> = among.map(|(n, vector)| (dot(vector, question), n)).collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    scores.into_iter().take(10).map(|(_, n)| id(n)).collect()
}

/// Which share of the ten nearest is found; every score has to be the product of the vectors.
async fn recall(
    index: &Vectors,
    written: &[Vec<f32>],
    questions: &[Vec<f32>],
    space: Option<usize>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let (mut hits, mut all) = (0, 0);
    for question in questions {
        let wanted = nearest(written, question, space);
        let found = ask(index, question, space).await?.found;
        for found in &found {
            let (_, n) = found.id.0.as_u64_pair();
            let score = dot(&written[n as usize], question);
            assert!((found.score - score).abs() < 1e-5, "{n}: {} instead of {score}", found.score);
        }
        hits += found.iter().filter(|found| wanted.contains(&found.id)).count();
        all += wanted.len();
    }
    Ok(f64::from(u32::try_from(hits)?) / f64::from(u32::try_from(all)?))
}

/// The files of coarse vectors, one of each packed segment.
fn coarse(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(coarse(&path)?);
        } else if path.file_name().is_some_and(|name| name == "quantized.data") {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn the_ten_nearest_are_found_while_points_are_packed_and_afterwards() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (index, _) = Vectors::open_packing(dir.path(), identity("model"), PACKING)?;
    let mut random = Random(42);
    let (written, questions) = (vectors(&mut random, 20_000), vectors(&mut random, 100));
    for from in (0..written.len()).step_by(500) {
        let until = from + 500;
        index.write((from..until).map(|n| op(n, 1, &written[n])).collect()).await?;
        let found = recall(&index, &written[..until], &questions[..5], None).await?;
        assert!(found >= 0.98, "{found} while there are {until}");
    }
    index.flush().await?;
    drop(index);
    assert_ne!(coarse(dir.path())?, NOWHERE, "nothing was packed");

    // The first change packs what has grown, and closing waits for it.
    let (index, _) = Vectors::open_packing(dir.path(), identity("model"), PACKING)?;
    index.write(vec![op(0, 2, &written[0])]).await?;
    drop(index);
    let (index, _) = Vectors::open_packing(dir.path(), identity("model"), PACKING)?;
    let found = recall(&index, &written, &questions, None).await?;
    assert!(found >= 0.98, "{found} of all");
    let found = recall(&index, &written, &questions, Some(3)).await?;
    assert!(found >= 0.98, "{found} within a namespace");
    Ok(())
}

#[tokio::test]
async fn an_index_that_looks_coarsely_first_is_a_vector_index() -> Outcome {
    let dir = tempfile::tempdir()?;
    let made = AtomicUsize::new(0);
    vector_index(async || {
        let name = format!("index {}", made.fetch_add(1, Ordering::Relaxed));
        let identity = Identity { name: "model".into(), revision: "1".into(), dims: 4 };
        let opened = Vectors::open_packing(&dir.path().join(name), identity, Packing { changes: 8, join: 2 });
        Arc::new(opened.expect("a new index").0) as Arc<dyn VectorIndex>
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn hashed_vectors_are_looked_at_as_they_are() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (index, _) = Vectors::open_packing(dir.path(), identity("hash+none"), Packing { changes: 500, join: 4 })?;
    let mut random = Random(42);
    let (written, questions) = (vectors(&mut random, 3_000), vectors(&mut random, 20));
    for from in (0..written.len()).step_by(250) {
        index.write((from..from + 250).map(|n| op(n, 1, &written[n])).collect()).await?;
    }
    assert_eq!(recall(&index, &written, &questions, None).await?.to_bits(), 1.0_f64.to_bits());
    drop(index);
    assert_eq!(coarse(dir.path())?, NOWHERE);
    assert!(std::fs::read_dir(dir.path().join("shard").join("segments"))?.count() > 1, "something was packed");
    Ok(())
}

#[tokio::test]
async fn an_index_of_the_layout_before_is_gone_on_with_and_packed_anew() -> Outcome {
    let dir = tempfile::tempdir()?;
    let packing = Packing { changes: 500, join: 4 };
    let (index, _) = Vectors::open_packing(dir.path(), identity("hash"), packing)?;
    let mut random = Random(42);
    let (written, questions) = (vectors(&mut random, 3_000), vectors(&mut random, 50));
    for from in (0..2_000).step_by(250) {
        index.write((from..from + 250).map(|n| op(n, 1, &written[n])).collect()).await?;
    }
    index.flush().await?;
    drop(index);
    let path = dir.path().join("collection.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    manifest["format"] = 4.into();
    manifest["embedder"]["name"] = "model".into();
    std::fs::write(&path, serde_json::to_vec(&manifest)?)?;

    let (index, opened) = Vectors::open_packing(dir.path(), identity("model"), packing)?;
    assert_eq!(opened, Opened::Existing);
    assert_eq!(recall(&index, &written[..2_000], &questions, None).await?.to_bits(), 1.0_f64.to_bits());
    for from in (2_000..3_000).step_by(250) {
        index.write((from..from + 250).map(|n| op(n, 1, &written[n])).collect()).await?;
    }
    drop(index);
    // Every segment but the growing one is packed, and has coarse vectors.
    let segments = std::fs::read_dir(dir.path().join("shard").join("segments"))?.count();
    assert!(coarse(dir.path())?.len() + 1 >= segments, "{segments} segments, {:?}", coarse(dir.path())?);
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    assert_eq!(manifest["format"], 5);
    let (index, _) = Vectors::open_packing(dir.path(), identity("model"), packing)?;
    assert_eq!(index.count().await?, 3_000);
    let found = recall(&index, &written, &questions, None).await?;
    assert!(found >= 0.98, "{found}");
    Ok(())
}
