//! The vector index on real files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{FoundList, Op, Point, Query, Search, Sparse, VectorIndex};
use soma_core::testing::conformance::vector_index;
use soma_embedded::vectors::{Opened, Vectors};
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 8;

fn identity() -> Identity {
    Identity { name: "hash".into(), revision: "1".into(), dims: DIMS }
}

fn open(dir: &Path) -> Result<(Vectors, Opened), soma_core::Error> {
    Vectors::open(dir, identity())
}

fn id(n: u128) -> MemoryId {
    MemoryId(Uuid::from_u128(n))
}

fn point(n: u128, rev: u64, terms: &[(u32, f32)]) -> Point {
    let mut dense = vec![0.0; DIMS];
    dense[n as usize % DIMS] = 1.0;
    let (indices, values) = terms.iter().copied().unzip();
    Point {
        id: id(n),
        rev,
        event_id: EventId(Uuid::from_u128(u128::from(rev) << 64 | n)),
        kind: EventType::Created,
        namespace: Namespace::parse("demo").expect("a valid name"),
        created_at: Timestamp(1_700_000_000_000_000),
        updated_at: Timestamp(1_700_000_000_000_001),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({"n": n as u64}),
        dense,
        sparse: Sparse { indices, values },
    }
}

fn upsert(n: u128, rev: u64, terms: &[(u32, f32)]) -> Op {
    Op::Upsert(Box::new(point(n, rev, terms)))
}

fn words(terms: &[u32]) -> Search {
    let query = Sparse { indices: terms.to_vec(), values: vec![1.0; terms.len()] };
    Search { query: Query::Sparse(query), namespaces: None, filter: None, ids: None, limit: 10 }
}

fn ids(list: &FoundList) -> Vec<u128> {
    list.found.iter().map(|found| found.id.0.as_u128()).collect()
}

async fn revs(vectors: &Vectors) -> Result<Vec<(u128, u64)>, soma_core::Error> {
    let points = vectors.scan(None, 1_000).await?;
    Ok(points.into_iter().map(|point| (point.id.0.as_u128(), point.rev)).collect())
}

/// What a kill leaves behind: the files as they are, without a flush.
pub(super) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            std::fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

#[tokio::test]
async fn it_is_a_vector_index() -> Outcome {
    let dir = tempfile::tempdir()?;
    let made = AtomicUsize::new(0);
    vector_index(async || {
        let name = format!("index {}", made.fetch_add(1, Ordering::Relaxed));
        let (vectors, _) = open(&dir.path().join(name)).expect("a new index");
        Arc::new(vectors) as Arc<dyn VectorIndex>
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_point_is_replaced_only_under_a_rev_that_is_not_lower() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, opened) = open(dir.path())?;
    assert_eq!(opened, Opened::Fresh);
    vectors.write(vec![upsert(1, 5, &[(1, 1.0)])]).await?;
    vectors.write(vec![upsert(1, 4, &[(2, 1.0)])]).await?;
    assert_eq!(revs(&vectors).await?, [(1, 5)]);
    vectors.write(vec![upsert(1, 5, &[(3, 1.0)])]).await?;
    assert_eq!(ids(&vectors.search(&words(&[3])).await?), [1]);
    vectors.write(vec![upsert(1, 6, &[(4, 1.0)])]).await?;
    assert_eq!(revs(&vectors).await?, [(1, 6)]);
    assert_eq!(ids(&vectors.search(&words(&[1, 2, 3])).await?), [0; 0]);
    assert_eq!(ids(&vectors.search(&words(&[4])).await?), [1]);
    Ok(())
}

#[tokio::test]
async fn a_point_is_removed_only_under_a_rev_that_is_not_lower() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    vectors.write(vec![upsert(1, 5, &[(1, 1.0)]), upsert(2, 5, &[(1, 1.0)])]).await?;
    vectors.write(vec![Op::Delete { id: id(1), rev: 4 }, Op::Delete { id: id(2), rev: 5 }]).await?;
    assert_eq!(revs(&vectors).await?, [(1, 5)]);
    vectors.purge(&[id(1), id(7)]).await?;
    assert_eq!(vectors.count().await?, 0);
    vectors.write(vec![upsert(2, 3, &[(1, 1.0)])]).await?;
    assert_eq!(revs(&vectors).await?, [(2, 3)], "a missing point is inserted under any rev");
    Ok(())
}

#[tokio::test]
async fn the_later_of_two_changes_in_one_batch_wins() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    let batch = vec![upsert(1, 5, &[(1, 1.0)]), upsert(2, 5, &[(1, 1.0)]), upsert(1, 5, &[(2, 1.0)])];
    vectors.write(batch).await?;
    assert_eq!(ids(&vectors.search(&words(&[2])).await?), [1]);
    assert_eq!(ids(&vectors.search(&words(&[1])).await?), [2]);
    let batch = vec![upsert(3, 6, &[(3, 1.0)]), Op::Delete { id: id(3), rev: 6 }, upsert(4, 6, &[(3, 1.0)])];
    vectors.write(batch).await?;
    assert_eq!(ids(&vectors.search(&words(&[3])).await?), [4]);
    Ok(())
}

#[tokio::test]
async fn what_was_flushed_survives_a_kill_and_what_was_not_can_be_written_again() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let (vectors, _) = open(&live)?;
    let flushed: Vec<Op> = (0..500).map(|n| upsert(n, 5, &[(n as u32, 1.0)])).collect();
    vectors.write(flushed).await?;
    vectors.flush().await?;
    vectors.write((500..900).map(|n| upsert(n, 6, &[(n as u32, 1.0)])).collect()).await?;
    vectors.write(vec![upsert(7, 7, &[(9_999, 1.0)]), Op::Delete { id: id(8), rev: 7 }]).await?;
    copy(&live, &killed)?;

    let (after, opened) = open(&killed)?;
    assert_eq!(opened, Opened::Existing);
    let found = revs(&after).await?;
    assert!((9..500).all(|n| found.contains(&(n, 5))), "a flushed point is missing");
    // The projector writes again what it knows not to be durable, under the revs of the records.
    after.write((500..900).map(|n| upsert(n, 6, &[(n as u32, 1.0)])).collect()).await?;
    after.write(vec![upsert(7, 7, &[(9_999, 1.0)]), Op::Delete { id: id(8), rev: 7 }]).await?;
    let again = after.scan(None, 10_000).await?;
    assert_eq!(again, vectors.scan(None, 10_000).await?);
    assert_eq!(after.search(&words(&[7, 8, 600, 9_999])).await?, vectors.search(&words(&[7, 8, 600, 9_999])).await?);
    Ok(())
}

#[tokio::test]
async fn changes_after_every_reopening_take_effect() -> Outcome {
    let dir = tempfile::tempdir()?;
    for round in 0..5u64 {
        let (vectors, _) = open(dir.path())?;
        vectors.write(vec![upsert(1, round + 1, &[(round as u32, 1.0)])]).await?;
        assert_eq!(ids(&vectors.search(&words(&[round as u32])).await?), [1]);
        vectors.flush().await?;
    }
    let (vectors, opened) = open(dir.path())?;
    assert_eq!((opened, revs(&vectors).await?), (Opened::Existing, vec![(1, 5)]));
    Ok(())
}

#[tokio::test]
async fn a_folder_that_was_never_flushed_is_made_anew() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let (vectors, _) = open(&live)?;
    vectors.write(vec![upsert(1, 5, &[(1, 1.0)])]).await?;
    copy(&live, &killed)?;
    let (after, opened) = open(&killed)?;
    assert_eq!((opened, after.count().await?), (Opened::Fresh, 0));
    drop(after);
    std::fs::remove_dir_all(killed.join("shard").join("segments"))?;
    let (after, opened) = open(&killed)?;
    assert_eq!((opened, after.count().await?), (Opened::Fresh, 0));
    Ok(())
}

#[tokio::test]
async fn another_embedder_is_refused_by_name() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    vectors.flush().await?;
    drop(vectors);
    let other = Identity { name: "minilm".into(), revision: "2".into(), dims: DIMS };
    let Err(error) = Vectors::open(dir.path(), other) else { return Err("the mix was accepted".into()) };
    assert_eq!(error.code, Code::BadConfig);
    let text = error.to_string();
    assert!(text.contains("hash:1") && text.contains("minilm:2") && text.contains("remove "), "{text}");
    assert!(open(dir.path()).is_ok());
    Ok(())
}

#[tokio::test]
async fn a_folder_is_opened_once_at_a_time() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    assert_eq!(open(dir.path()).err().map(|error| error.code), Some(Code::InUse));
    drop(vectors);
    assert!(open(dir.path()).is_ok());
    Ok(())
}

#[tokio::test]
async fn damaged_files_are_an_error_that_names_the_folder() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    vectors.write((0..50).map(|n| upsert(n, 5, &[(1, 1.0)])).collect()).await?;
    vectors.flush().await?;
    drop(vectors);
    for entry in std::fs::read_dir(dir.path().join("shard").join("segments"))? {
        let state = entry?.path().join("segment.json");
        if state.exists() {
            std::fs::write(state, b"{")?;
        }
    }
    let error = open(dir.path()).err().ok_or("the damage was not noticed")?;
    assert_eq!(error.code, Code::Corrupt);
    assert!(error.to_string().contains(&format!("remove {}", dir.path().display())), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_failed_flush_is_an_error_and_the_next_change_brings_back_what_it_lost() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    vectors.write((0..50).map(|n| upsert(n, 5, &[(1, 1.0)])).collect()).await?;
    vectors.flush().await?;
    vectors.write((50..80).map(|n| upsert(n, 6, &[(1, 1.0)])).collect()).await?;
    vectors.write(vec![Op::Delete { id: id(3), rev: 6 }]).await?;
    let (there, away) = (dir.path().join("shard").join("segments"), dir.path().join("away"));
    std::fs::rename(&there, &away)?;
    assert!(vectors.flush().await.is_err(), "the flush did not notice that its files are gone");
    std::fs::rename(&away, &there)?;
    vectors.write(vec![upsert(99, 7, &[(1, 1.0)])]).await?;
    vectors.flush().await?;
    drop(vectors);
    let (vectors, _) = open(dir.path())?;
    let found: Vec<u128> = revs(&vectors).await?.into_iter().map(|(n, _)| n).collect();
    let wanted: Vec<u128> = (0..80).filter(|n| *n != 3).chain([99]).collect();
    assert_eq!(found, wanted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_run_beside_writes_and_flushes_and_see_whole_points() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = Arc::new(open(dir.path())?.0);
    vectors.write((0..200).map(|n| upsert(n, 1, &[(1, 1.0)])).collect()).await?;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..4 {
        let (vectors, done) = (Arc::clone(&vectors), Arc::clone(&done));
        readers.spawn(async move {
            let mut reads = 0;
            while reads < 20 || !done.load(Ordering::Relaxed) {
                let search = Search { limit: 500, ..words(&[1]) };
                let found = vectors.search(&search).await?.found;
                assert_eq!(found.len(), 200, "reader {reader} misses points");
                for point in vectors.scan(None, 300).await? {
                    let event = point.event_id.0.as_u128();
                    assert_eq!((event >> 64) as u64, point.rev, "reader {reader} sees half a point");
                }
                reads += 1;
            }
            Ok::<_, soma_core::Error>(())
        });
    }
    for rev in 2..60 {
        vectors.write((0..200).map(|n| upsert(n, rev, &[(1, 1.0), (rev as u32, 0.5)])).collect()).await?;
        if rev % 3 == 0 {
            vectors.flush().await?;
        }
    }
    done.store(true, Ordering::Relaxed);
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    assert!(revs(&vectors).await?.iter().all(|(_, rev)| *rev == 59));
    Ok(())
}

#[tokio::test]
async fn a_point_that_cannot_be_held_is_refused_and_nothing_of_its_batch_written() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (vectors, _) = open(dir.path())?;
    let mut short = point(2, 5, &[]);
    short.dense.pop();
    let mut unordered = point(2, 5, &[(2, 1.0), (1, 1.0)]);
    unordered.payload = Value::Null;
    for bad in [short, unordered] {
        let refused = vectors.write(vec![upsert(1, 5, &[]), Op::Upsert(Box::new(bad))]).await;
        assert_eq!(refused.err().map(|error| error.code), Some(Code::StoreRejected));
    }
    assert_eq!(vectors.count().await?, 0);
    Ok(())
}
