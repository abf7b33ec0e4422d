//! Points that are written, removed and flushed while others are packed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_embedded::vectors::{Opened, Packing, Vectors};
use uuid::Uuid;

use super::child::{command, say, start, told};
use super::vectors::copy;

type Outcome = Result<(), Box<dyn std::error::Error>>;
type State = BTreeMap<u64, u64>;

const DIMS: usize = 64;
const PACKING: Packing = Packing { changes: 300, join: 2 };
/// How many memories are written over and over, and how many in one batch.
const MEMORIES: u64 = 1_500;
const BATCH: u64 = 25;

fn open(dir: &Path) -> Result<Vectors, soma_core::Error> {
    let identity = Identity { name: "model".into(), revision: "1".into(), dims: DIMS };
    Vectors::open_packing(dir, identity, PACKING).map(|(vectors, _)| vectors)
}

fn id(n: u64) -> MemoryId {
    MemoryId(Uuid::from_u64_pair(n, n))
}

/// Under `rev` the memory holds the word of the `rev` and one of its own.
fn upsert(n: u64, rev: u64) -> Op {
    let dense = (0..DIMS as u64).map(|at| ((n * 31 + rev * 17 + at * 7) % 101) as f32 / 101.0 + 0.01).collect();
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
        payload: json!({ "rev": rev }),
        dense,
        sparse: Sparse { indices: vec![rev as u32 + 1_000, n as u32 + 2_000_000], values: vec![1.0, 1.0] },
    }))
}

/// The memories of a batch, and whether it removes them.
fn batch(rev: u64) -> (Vec<u64>, bool) {
    let first = rev * 7 * BATCH;
    ((first..first + BATCH).map(|n| n % MEMORIES).collect(), rev.is_multiple_of(4))
}

fn ops(rev: u64) -> Vec<Op> {
    let (memories, removes) = batch(rev);
    let op = |n| if removes { Op::Delete { id: id(n), rev } } else { upsert(n, rev) };
    memories.into_iter().map(op).collect()
}

fn apply(state: &mut State, rev: u64) {
    let (memories, removes) = batch(rev);
    for n in memories {
        if removes {
            state.remove(&n)
        } else {
            state.insert(n, rev)
        };
    }
}

fn after(rev: u64) -> State {
    (1..=rev).fold(State::new(), |mut state, rev| {
        apply(&mut state, rev);
        state
    })
}

async fn revs(vectors: &Vectors) -> Result<State, soma_core::Error> {
    let points = vectors.scan(None, 10_000).await?;
    Ok(points.into_iter().map(|point| (point.id.0.as_u64_pair().0, point.rev)).collect())
}

/// What holds a word: the memories and the `rev` for which they were written.
async fn holding(vectors: &Vectors, word: u32) -> Result<Vec<(u64, u64)>, soma_core::Error> {
    let query = Query::Sparse(Sparse { indices: vec![word], values: vec![1.0] });
    let search = Search { query, namespaces: None, filter: None, ids: None, limit: 1_000 };
    let (found, revs) = (vectors.search(&search).await?.found, revs(vectors).await?);
    Ok(found.into_iter().map(|found| found.id.0.as_u64_pair().0).map(|n| (n, revs[&n])).collect())
}

fn noted(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("redo")).map_or(0, |file| file.len())
}

#[tokio::test]
async fn every_change_is_seen_at_once_and_durable_whatever_is_packed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    let (mut state, mut beside) = (State::new(), 0);
    for rev in 1..=400 {
        vectors.write(ops(rev)).await?;
        apply(&mut state, rev);
        let (memories, removes) = batch(rev);
        let of_one: Vec<_> = memories.first().filter(|_| !removes).map(|n| (*n, rev)).into_iter().collect();
        assert_eq!(holding(&vectors, memories[0] as u32 + 2_000_000).await?, of_one, "at {rev}");
        if rev % 3 == 0 {
            vectors.flush().await?;
            beside += u32::from(noted(dir.path()) > 0);
        }
        if rev % 10 == 0 {
            assert_eq!(revs(&vectors).await?, state, "at {rev}");
            assert_eq!(vectors.count().await?, state.len() as u64);
            let mut wanted: Vec<_> = state.iter().filter(|(_, of)| **of == rev - 1).map(|(n, of)| (*n, *of)).collect();
            let mut found = holding(&vectors, rev as u32 - 1 + 1_000).await?;
            wanted.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, wanted, "at {rev}");
        }
    }
    assert!(beside > 0, "no flush met packing");
    drop(vectors);
    assert_eq!(noted(dir.path()), 0, "the notes are gone once the files have it");
    assert_eq!(revs(&open(dir.path())?).await?, state);
    Ok(())
}

#[tokio::test]
async fn write_beside_packing_until_killed() -> Outcome {
    let Some(folder) = told() else { return Ok(()) };
    let vectors = open(&folder)?;
    for rev in 1.. {
        vectors.write(ops(rev)).await?;
        vectors.flush().await?;
        say(&format!("flushed {rev}"));
    }
    Ok(())
}

/// Kills a child that writes once so many of its flushes have met packing; tells up to where it had flushed.
fn killed(folder: &Path, met: usize) -> Result<u64, Box<dyn std::error::Error>> {
    let (mut child, mut lines) = start(&command("vectors_beside::write_beside_packing_until_killed", folder));
    let (mut flushed, mut seen) = (0, 0);
    for line in lines.by_ref().map_while(Result::ok) {
        let Some(rev) = line.strip_prefix("flushed ").and_then(|rev| rev.parse::<u64>().ok()) else { continue };
        flushed = rev;
        seen += usize::from(noted(folder) > 0);
        if seen == met {
            child.kill()?;
        }
    }
    child.wait()?;
    Ok(flushed)
}

#[tokio::test]
async fn what_was_flushed_beside_packing_is_there_after_a_kill() -> Outcome {
    let mut wanted = 4;
    for round in 1..=30 {
        let folder = tempfile::tempdir()?;
        let flushed = killed(folder.path(), round * 2)?;
        let noted = noted(folder.path());
        let vectors = open(folder.path())?;
        let found = revs(&vectors).await?;
        assert_eq!(vectors.count().await?, found.len() as u64, "round {round}: every point once");
        // A batch may have been written and not flushed, and so on.
        let (least, most) = (after(flushed), after(flushed + 1));
        for n in 0..MEMORIES {
            let of = found.get(&n);
            assert!(
                of == least.get(&n) || of == most.get(&n),
                "round {round}: {n} is {of:?} instead of {:?}, {flushed} was flushed, {noted} bytes were noted",
                least.get(&n)
            );
            let mut held = holding(&vectors, n as u32 + 2_000_000).await?;
            held.dedup();
            assert_eq!(held, of.map(|of| (n, *of)).into_iter().collect::<Vec<_>>(), "round {round}: words of {n}");
        }
        wanted -= i32::from(noted > 0);
        if wanted == 0 {
            return Ok(());
        }
    }
    Err("hardly a kill met packing".into())
}

#[tokio::test]
async fn packing_that_fails_loses_nothing_that_was_written_beside_it() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    // A file where the library wants its folder.
    let obstacle = dir.path().join("shard").join("temp_segments");
    let mut state = State::new();
    for rev in 1..=120 {
        match rev {
            15 => {
                if obstacle.exists() {
                    std::fs::remove_dir_all(&obstacle)?;
                }
                std::fs::write(&obstacle, b"")?;
            }
            90 => std::fs::remove_file(&obstacle)?,
            _ => {}
        }
        vectors.write(ops(rev)).await?;
        apply(&mut state, rev);
        if rev % 5 == 0 {
            vectors.flush().await?;
            assert_eq!(revs(&vectors).await?, state, "at {rev}");
        }
    }
    drop(vectors);
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("collection.json"))?)?;
    assert!(manifest["opened"].as_u64() > Some(0), "no packing failed");
    assert_eq!(revs(&open(dir.path())?).await?, state);
    Ok(())
}

/// As a kill leaves them that comes when the new segment is in its place and the old ones are not yet removed.
#[tokio::test]
async fn points_that_a_kill_left_in_two_segments_are_there_once() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    let (mut state, mut rev) = (State::new(), 0);
    let segments = dir.path().join("shard").join("segments");
    let count = || std::fs::read_dir(&segments).map_or(0, Iterator::count);
    while count() < 2 || rev < 40 {
        rev += 1;
        vectors.write(ops(rev)).await?;
        apply(&mut state, rev);
    }
    vectors.flush().await?;
    drop(vectors);
    for segment in std::fs::read_dir(&segments)?.collect::<Result<Vec<_>, _>>()? {
        copy(&segment.path(), &segments.join(Uuid::from_u64_pair(7, count() as u64).to_string()))?;
    }
    std::fs::write(dir.path().join("packing"), [])?;
    let drafts = dir.path().join("shard").join("temp_segments");
    std::fs::create_dir_all(drafts.join("segment_builder_1"))?;

    let vectors = open(dir.path())?;
    assert_eq!(vectors.count().await?, state.len() as u64);
    assert_eq!(revs(&vectors).await?, state);
    let held = |rev: u64| state.values().filter(|of| **of == rev).count();
    for rev in 1..=rev {
        assert_eq!(holding(&vectors, rev as u32 + 1_000).await?.len(), held(rev), "{rev}");
    }
    assert!(!drafts.join("segment_builder_1").exists(), "what packing had begun to write is gone");
    assert!(!dir.path().join("packing").exists(), "nobody looks for copies again");
    drop(vectors);
    assert_eq!(open(dir.path())?.count().await?, state.len() as u64);
    Ok(())
}

#[tokio::test]
async fn an_index_that_is_made_anew_does_not_count_as_filled_because_an_older_one_was_being_packed() -> Outcome {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("packing"), [])?;
    let identity = Identity { name: "model".into(), revision: "1".into(), dims: DIMS };
    for _ in 0..2 {
        let (vectors, opened) = Vectors::open_packing(dir.path(), identity.clone(), PACKING)?;
        assert_eq!((opened, vectors.count().await?), (Opened::Fresh, 0));
        assert!(!dir.path().join("packing").exists());
    }
    Ok(())
}
