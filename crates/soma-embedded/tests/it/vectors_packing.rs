//! Points that move between growing and packed segments while they are written, found and removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::testing::conformance::vector_index;
use soma_embedded::vectors::{Packing, Vectors};
use uuid::Uuid;

use super::child::{command, say, start, told};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 4;
/// How many memories are written over and over.
const MEMORIES: u64 = 60;

fn open(dir: &Path, changes: usize) -> Result<Vectors, soma_core::Error> {
    let identity = Identity { name: "hash".into(), revision: "1".into(), dims: DIMS };
    Vectors::open_packing(dir, identity, Packing { changes, join: 2 }).map(|(vectors, _)| vectors)
}

fn id(n: u64) -> MemoryId {
    MemoryId(Uuid::from_u64_pair(n, n))
}

/// Under `rev` the memory holds the word `rev` and one of its own.
fn upsert(n: u64, rev: u64) -> Op {
    let mut dense = vec![0.0; DIMS];
    dense[(rev % DIMS as u64) as usize] = 1.0;
    Op::Upsert(Box::new(Point {
        id: id(n),
        rev,
        event_id: EventId(Uuid::from_u64_pair(rev, n)),
        kind: EventType::Updated,
        namespace: Namespace::parse("demo").expect("a valid name"),
        created_at: Timestamp(0),
        updated_at: Timestamp(1),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({"rev": rev}),
        dense,
        sparse: Sparse { indices: vec![rev as u32 + 1_000, n as u32 + 2_000_000], values: vec![1.0, 1.0] },
    }))
}

async fn revs(vectors: &Vectors) -> Result<Vec<(MemoryId, u64)>, soma_core::Error> {
    Ok(vectors.scan(None, 10_000).await?.into_iter().map(|point| (point.id, point.rev)).collect())
}

/// Every point that holds a word.
async fn holding(vectors: &Vectors, word: u32) -> Result<Vec<MemoryId>, soma_core::Error> {
    let query = Query::Sparse(Sparse { indices: vec![word], values: vec![1.0] });
    let search = Search { query, namespaces: None, filter: None, ids: None, limit: 1_000 };
    Ok(vectors.search(&search).await?.found.into_iter().map(|found| found.id).collect())
}

#[tokio::test]
async fn an_index_that_packs_at_every_turn_is_a_vector_index() -> Outcome {
    let dir = tempfile::tempdir()?;
    let made = AtomicUsize::new(0);
    vector_index(async || {
        let name = format!("index {}", made.fetch_add(1, Ordering::Relaxed));
        Arc::new(open(&dir.path().join(name), 8).expect("a new index")) as Arc<dyn VectorIndex>
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_point_has_one_state_whatever_segments_it_went_through() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path(), 20)?;
    let mut wanted = BTreeMap::new();
    for rev in 1..=400 {
        let n = rev * 7 % MEMORIES;
        let removed = rev % 5 == 0;
        vectors.write(vec![if removed { Op::Delete { id: id(n), rev } } else { upsert(n, rev) }]).await?;
        if removed {
            wanted.remove(&id(n))
        } else {
            wanted.insert(id(n), rev)
        };
        // An older change comes too late for a packed point too.
        vectors.write(vec![Op::Delete { id: id(n), rev: rev - 1 }]).await?;
        if !removed {
            vectors.write(vec![upsert(n, rev - 1)]).await?;
            assert!(!holding(&vectors, rev as u32 + 999).await?.contains(&id(n)));
            assert_eq!(holding(&vectors, rev as u32 + 1_000).await?.len(), 1);
        }
        assert_eq!(vectors.count().await?, wanted.len() as u64);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(revs(&vectors).await?, wanted);
    vectors.flush().await?;
    drop(vectors);
    let vectors = open(dir.path(), 20)?;
    assert_eq!(revs(&vectors).await?, wanted);
    Ok(())
}

#[tokio::test]
async fn write_until_killed() -> Outcome {
    let Some(folder) = told() else { return Ok(()) };
    let vectors = open(&folder, 25)?;
    let first = revs(&vectors).await?.into_iter().map(|(_, rev)| rev).max().unwrap_or(0) + 1;
    for rev in first.. {
        vectors.write(vec![upsert(rev % MEMORIES, rev)]).await?;
        if rev % 4 == 0 {
            vectors.flush().await?;
            say(&format!("flushed {rev}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_was_flushed_is_there_once_after_a_kill_at_any_moment() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut flushed = 0;
    for round in 1..=6 {
        let (mut child, mut lines) = start(&command("vectors_packing::write_until_killed", folder.path()));
        let mut heard = 0;
        for line in lines.by_ref().map_while(Result::ok) {
            let Some(rev) = line.strip_prefix("flushed ").and_then(|rev| rev.parse::<u64>().ok()) else { continue };
            (flushed, heard) = (rev, heard + 1);
            // Not a multiple of the changes between two packings, so kills meet all their moments.
            if heard == 4 + 3 * round {
                child.kill()?;
            }
        }
        child.wait()?;
        assert!(heard > 0, "the child writes");
        let vectors = open(folder.path(), 25)?;
        let found = revs(&vectors).await?;
        assert_eq!(found.len() as u64, vectors.count().await?, "round {round}");
        assert!(found.is_sorted_by(|a, b| a.0 < b.0), "round {round}: every point once");
        for (memory, rev) in found {
            let n = memory.0.as_u64_pair().0;
            let latest = (0..MEMORIES).map(|back| flushed - back.min(flushed)).find(|rev| rev % MEMORIES == n);
            assert!(latest.is_none_or(|latest| rev >= latest), "round {round}: {n} is at {rev}, {flushed} was flushed");
            assert_eq!(holding(&vectors, rev as u32 + 1_000).await?, [memory]);
        }
    }
    Ok(())
}
