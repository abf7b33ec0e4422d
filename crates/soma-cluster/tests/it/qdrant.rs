//! The vector index on a Qdrant server: against the stand-in always, against a real server when
//! `SOMA_TEST_QDRANT_URL` names one.

mod conformance;
mod faults;
mod filters;
mod opening;
mod parity;
mod security;

use std::time::Duration;

use qdrant_client::qdrant::DeleteCollection;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use serde_json::json;
use soma_cluster::qdrant::{Opened, Settings, TIMEOUT_DEFAULT, Vectors};
use soma_core::embed::Identity;
use soma_core::event::EventType;
use soma_core::ids::{EventId, MemoryId, Namespace, Timestamp};
use soma_core::index::{Op, Point, Sparse, VectorIndex};
use soma_testkit::qdrant::StandIn;
use uuid::Uuid;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DIMS: usize = 8;

fn identity() -> Identity {
    Identity { name: "hash".into(), revision: "1".into(), dims: DIMS }
}

fn settings(url: String) -> Settings {
    Settings { url, api_key: None, collection: "memories".into(), ca_location: None, timeout: TIMEOUT_DEFAULT }
}

/// Impatient, for tests in which the server does not answer.
fn impatient(url: String) -> Settings {
    Settings { timeout: Duration::from_secs(3), ..settings(url) }
}

async fn connect(stand_in: &StandIn) -> Result<(Vectors, Opened), soma_core::Error> {
    Vectors::connect(&settings(stand_in.url()), identity()).await
}

fn id(n: u64) -> MemoryId {
    MemoryId(Uuid::from_u64_pair(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n))
}

fn point(n: u64, rev: u64) -> Point {
    let mut dense = vec![0.0; DIMS];
    dense[n as usize % DIMS] = 1.0;
    Point {
        id: id(n),
        rev,
        event_id: EventId(Uuid::from_u64_pair(rev, n)),
        kind: EventType::Created,
        namespace: Namespace::parse("demo").expect("a valid name"),
        created_at: Timestamp(1_700_000_000_000_000),
        updated_at: Timestamp(1_700_000_000_000_001),
        importance: None,
        model_revision: None,
        thread: None,
        payload: json!({"n": n}),
        dense,
        sparse: Sparse { indices: vec![7, 1_000 + n as u32], values: vec![1.0, 2.0] },
    }
}

fn upsert(n: u64, rev: u64) -> Op {
    Op::Upsert(Box::new(point(n, rev)))
}

/// Every point with its `rev`, by id.
async fn revs(index: &dyn VectorIndex) -> Result<Vec<(MemoryId, u64)>, soma_core::Error> {
    Ok(index.scan(None, 100_000).await?.into_iter().map(|point| (point.id, point.rev)).collect())
}

/// The real server, if there is one; says so when there is none.
#[expect(clippy::disallowed_methods, reason = "which servers there are for tests is said in the environment")]
#[expect(clippy::print_stderr, reason = "a tier that is skipped has to be seen")]
fn real_server(test: &str) -> Option<String> {
    let url = std::env::var("SOMA_TEST_QDRANT_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("SKIPPED: {test}: SOMA_TEST_QDRANT_URL names no Qdrant server");
    }
    url
}

/// A collection's name that nobody has.
fn fresh_name() -> Result<String, std::io::Error> {
    let folder = tempfile::Builder::new().prefix("soma-test-").rand_bytes(12).tempdir()?;
    Ok(folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Removes a collection.
async fn remove(url: &str, collection: &str) -> Outcome {
    let url = url.replace(":6333", ":6334");
    let mut client = CollectionsClient::connect(url).await?;
    client.delete(DeleteCollection { collection_name: collection.to_owned(), timeout: None }).await?;
    Ok(())
}
