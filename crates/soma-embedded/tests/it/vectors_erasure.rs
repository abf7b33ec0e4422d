//! What the files of the vector index keep of a memory's words: nothing.

use std::path::{Path, PathBuf};

use serde_json::json;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::event::EventType;
use soma_core::filter::Filter;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Query, Search, Sparse, VectorIndex};
use soma_embedded::vectors::Vectors;
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const MARKER: &str = "heliotrope";
const POINTS: u128 = 40;
const NOWHERE: [PathBuf; 0] = [];

fn open(dir: &Path) -> Result<Vectors, soma_core::Error> {
    Vectors::open(dir, Identity { name: "hash".into(), revision: "1".into(), dims: 2 }).map(|(vectors, _)| vectors)
}

/// A point with the marker in the values, the keys, the thread and the revision, and in the namespace
/// a word that is kept, by which the test sees that it looks in the right place.
fn point(n: u128, rev: u64) -> Op {
    let payload = json!({
        "text": MARKER,
        "short": [format!("{MARKER} {n}"), [format!("a {MARKER}")]],
        "long": format!("{MARKER} ").repeat(100),
        MARKER: {MARKER: MARKER, "n": n as u64},
        "deep": [{MARKER: [true, null, {MARKER: 1}]}],
    });
    Op::Upsert(Box::new(Point {
        id: MemoryId(Uuid::from_u128(n)),
        rev,
        event_id: EventId(Uuid::from_u128(n)),
        kind: EventType::Created,
        namespace: Namespace::parse("celadon").expect("a valid name"),
        created_at: Timestamp(1_700_000_000_000_000),
        updated_at: Timestamp(1_700_000_000_000_001),
        importance: None,
        model_revision: Some(MARKER.into()),
        thread: Some(MARKER.into()),
        payload,
        dense: vec![1.0, 0.0],
        sparse: Sparse { indices: vec![1], values: vec![1.0] },
    }))
}

/// The files below a folder that hold a word, in their content or their name.
fn holding(dir: &Path, word: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(&path, word)?);
        } else if std::fs::read(&path)?.windows(word.len()).any(|bytes| bytes == word.as_bytes()) {
            found.push(path);
        }
    }
    Ok(found)
}

async fn count(vectors: &Vectors, filter: serde_json::Value) -> Result<usize, soma_core::Error> {
    let filter = Some(Filter::parse(&filter)?);
    let query = Query::Dense(vec![1.0, 0.0]);
    let found = vectors.search(&Search { query, namespaces: None, filter, ids: None, limit: 1_000 }).await?;
    assert!(found.exact);
    Ok(found.found.len())
}

#[tokio::test]
async fn no_file_holds_a_word_of_a_memory_before_or_after_its_removal() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    vectors.write((0..POINTS).map(|n| point(n, 5)).collect()).await?;
    assert_eq!(holding(dir.path(), MARKER)?, NOWHERE);
    vectors.flush().await?;
    assert_eq!(holding(dir.path(), MARKER)?, NOWHERE);
    let kept = holding(dir.path(), "celadon")?;
    for part in ["payload_storage", "wal"] {
        assert!(kept.iter().any(|path| path.components().any(|step| step.as_os_str() == part)), "{part}: {kept:?}");
    }

    // The words are still there to be found by.
    for filter in [
        json!({"field": "payload.text", "eq": MARKER}),
        json!({"field": format!("payload.{MARKER}.{MARKER}"), "eq": MARKER}),
        json!({"field": format!("payload.deep.{MARKER}.{MARKER}"), "eq": 1}),
        json!({"field": "model_revision", "in": [MARKER]}),
    ] {
        assert_eq!(count(&vectors, filter.clone()).await? as u128, POINTS, "{filter}");
    }
    assert_eq!(count(&vectors, json!({"field": "payload.short", "eq": format!("{MARKER} 7")})).await?, 1);

    vectors.write((0..POINTS / 2).map(|n| Op::Delete { id: MemoryId(Uuid::from_u128(n)), rev: 6 }).collect()).await?;
    vectors.purge(&(POINTS / 2..POINTS).map(|n| MemoryId(Uuid::from_u128(n))).collect::<Vec<_>>()).await?;
    vectors.flush().await?;
    assert_eq!(vectors.count().await?, 0);
    assert_eq!(holding(dir.path(), MARKER)?, NOWHERE);
    drop(vectors);
    drop(open(dir.path())?);
    assert_eq!(holding(dir.path(), MARKER)?, NOWHERE);
    Ok(())
}

#[tokio::test]
async fn a_folder_of_an_older_layout_is_refused_with_the_way_to_rebuild_it() -> Outcome {
    let dir = tempfile::tempdir()?;
    let vectors = open(dir.path())?;
    vectors.flush().await?;
    drop(vectors);
    let path = dir.path().join("collection.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    assert_eq!(manifest["format"], 5);
    manifest["format"] = 3.into();
    std::fs::write(&path, serde_json::to_vec(&manifest)?)?;
    let error = open(dir.path()).err().ok_or("the older layout was accepted")?;
    assert_eq!(error.code, Code::BadConfig);
    assert!(error.to_string().contains(&format!("remove {}", dir.path().display())), "{error}");
    Ok(())
}
