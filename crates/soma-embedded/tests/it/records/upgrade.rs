//! Files of older versions.

use serde_json::json;
use soma_core::ids::Timestamp;
use soma_core::store::{Progress, Projecting, ProjectorName, Reading};
use soma_core::thread::{Thread, TurnKey};
use soma_embedded::records::{Beside, Records};

use super::{created, deleted, folder, log, memory_id, namespace, open, project};

/// A directory whose record store is of version 1.
fn old() -> tempfile::TempDir {
    let folder = folder();
    drop(open(folder.path()));
    let path = folder.path().join("records.db");
    for beside in ["", "-wal", "-shm"] {
        // The files beside it go with the last connection, or here.
        let _ = std::fs::remove_file(folder.path().join(format!("records.db{beside}")));
    }
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection.execute_batch("PRAGMA journal_mode = WAL").expect("a pragma");
    connection.execute_batch(include_str!("version_1.sql")).expect("an old file");
    folder
}

async fn talk(records: &Records) -> Vec<u128> {
    let thread = Thread { namespace: namespace("tests"), name: "talk".to_owned() };
    let around = TurnKey { seq: None, occurred_at: Timestamp(0), id: memory_id(0) };
    let turns = records.turns(&thread, &[around], 10).await.expect("turns");
    turns.iter().map(|state| state.id.0.as_u128()).collect()
}

#[tokio::test]
async fn a_store_of_version_1_opens_with_its_turns_known_and_its_points_to_be_made_anew() {
    let folder = old();
    let beside = Beside::open(&folder.path().join("records.db")).expect("an old file can be read");
    assert_eq!(beside.counts().expect("counts").memories, 4);
    drop(beside);
    for _ in 0..2 {
        let records = open(folder.path());
        assert_eq!(talk(&records).await, [2, 1, 3]);
        assert_eq!(records.actors(&[namespace("tests")], 9).await.expect("actors"), ["Ada", "Mia"]);
        let position = records.positions().await.expect("positions").remove(0);
        assert_eq!((position.next, position.indexed), (5, 0));
        records.check().await.expect("the file is sound");
    }
    let records = open(folder.path());
    project(&records, vec![created(20, 20, json!({"thread": "talk", "seq": 1.5})), deleted(21, 1)]).await;
    assert_eq!(talk(&records).await, [2, 20, 3]);
    let claimed = records.claim(&ProjectorName::memory(), &log(), 0, Timestamp(1)).await.expect("claimed");
    assert_eq!(claimed.rewritten, []);
}
