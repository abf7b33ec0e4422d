use rusqlite::ffi;
use soma_core::error::Code;

use super::{Database, Kind, Readers, Synchronous};

static KIND: Kind = Kind {
    name: "sample",
    application_id: 0x1234,
    version: 3,
    schema: "CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB NOT NULL) STRICT",
    upgrade: |database, transaction, from| {
        let column = format!("ALTER TABLE t ADD COLUMN since_{from} INTEGER");
        transaction.execute_batch(&column).map_err(database.failing("upgrade"))
    },
    synchronous: Synchronous::Normal,
    remedy: "start over",
};

fn sample() -> (tempfile::TempDir, Database, rusqlite::Connection) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (database, connection) = Database::open(folder.path().join("sample.db"), &KIND).expect("it opens");
    (folder, database, connection)
}

#[test]
fn every_connection_has_the_settings_that_the_promises_need() {
    let (_folder, database, connection) = sample();
    let reader = database.connect_reader().expect("a reader opens");
    for connection in [&connection, &reader] {
        let setting = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        assert_eq!(setting("secure_delete"), Ok(1));
        assert_eq!(setting("cell_size_check"), Ok(1));
        assert_eq!(setting("synchronous"), Ok(1));
        let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(mode.as_deref(), Ok("wal"));
    }
    assert!(reader.execute("INSERT INTO t (v) VALUES (x'00')", []).is_err(), "a reader cannot write");
}

#[test]
fn a_file_that_can_only_be_read_is_refused_by_name() {
    let (folder, _, connection) = sample();
    connection.close().expect("it closes");
    let file = folder.path().join("sample.db");
    // A write version that SQLite does not know makes it read only, also for a user who may write anything.
    let mut bytes = std::fs::read(&file).expect("the file can be read");
    bytes[18] = 3;
    std::fs::write(&file, bytes).expect("the file can be written");
    let error = Database::open(&file, &KIND).map(drop).expect_err("it cannot be written");
    assert_eq!(error.code, Code::BadConfig, "{error}");
    assert!(error.message.contains("sample.db can only be read") && error.remedy.is_some(), "{error}");
}

#[test]
fn an_error_of_sqlite_becomes_the_code_that_says_what_to_do() {
    let (folder, database, _) = sample();
    let cases = [
        (ffi::SQLITE_FULL, Code::StorageFull),
        (ffi::SQLITE_IOERR_SHMSIZE, Code::StorageFull),
        (ffi::SQLITE_CORRUPT, Code::Corrupt),
        (ffi::SQLITE_CORRUPT_INDEX, Code::Corrupt),
        (ffi::SQLITE_NOTADB, Code::Corrupt),
        (ffi::SQLITE_IOERR_SHORT_READ, Code::Corrupt),
        (ffi::SQLITE_BUSY, Code::Unavailable),
        (ffi::SQLITE_LOCKED, Code::Unavailable),
        (ffi::SQLITE_IOERR_WRITE, Code::Unavailable),
        (ffi::SQLITE_IOERR_FSYNC, Code::Unavailable),
        (ffi::SQLITE_CANTOPEN, Code::Unavailable),
        (ffi::SQLITE_READONLY, Code::Unavailable),
        (ffi::SQLITE_CONSTRAINT_UNIQUE, Code::StoreRejected),
        (ffi::SQLITE_TOOBIG, Code::StoreRejected),
        (ffi::SQLITE_MISMATCH, Code::StoreRejected),
        (ffi::SQLITE_MISUSE, Code::Internal),
    ];
    for (code, expected) in cases {
        let error = database.error("write", rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert_eq!(error.code, expected, "{code}");
        assert!(error.message.contains(&folder.path().display().to_string()), "{error}");
        assert!(error.remedy.is_some(), "{error}");
    }
}

#[test]
fn a_column_of_the_wrong_type_is_damage() {
    let (_folder, database, connection) = sample();
    let read = connection.query_row("SELECT 'text'", [], |row| row.get::<_, i64>(0));
    assert_eq!(database.error("read", read.expect_err("a text is no number")).code, Code::Corrupt);
}

#[tokio::test]
async fn a_read_that_failed_does_not_spoil_the_next() {
    let (_folder, database, _connection) = sample();
    let readers = Readers::new(database.clone());
    let count = |sql: &'static str| {
        let database = database.clone();
        readers.run(move |c| c.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(database.failing("read")))
    };
    assert_eq!(count("SELECT count(*) FROM missing").await.expect_err("no such table").code, Code::Internal);
    assert_eq!(count("SELECT count(*) FROM t").await.expect("the table is there"), 0);
    readers.close();
    assert_eq!(count("SELECT count(*) FROM t").await.expect_err("it is closed").code, Code::ShuttingDown);
}

#[test]
fn a_file_of_an_older_version_is_upgraded_once() {
    let (folder, _, connection) = sample();
    connection.execute_batch("INSERT INTO t VALUES (1, x'00'); PRAGMA user_version = 2").expect("an older file");
    drop(connection);
    for _ in 0..2 {
        let (_, connection) = Database::open(folder.path().join("sample.db"), &KIND).expect("it opens");
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
        assert_eq!(version, Ok(3));
        let kept = connection.query_row("SELECT count(*) FROM t WHERE since_2 IS NULL", [], |row| row.get::<_, i64>(0));
        assert_eq!(kept, Ok(1));
    }
}
