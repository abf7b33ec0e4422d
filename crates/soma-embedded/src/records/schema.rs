//! What the file holds.
//!
//! A memory or event has content exactly when its `payload` is not NULL (a JSON null is the text
//! `null`). Ids are 16 bytes, times microseconds since the epoch, embeddings doubles in little
//! endian. The large columns come last, so that reading the others does not touch their overflow
//! pages. `arrival` counts the events in the order in which they were staged.
//!
//! The indexes on live rows serve the orders of lists: the time index read forwards is `newest`,
//! read backwards `oldest` (SQLite then sorts each group of equal times by id, keys only).
//! `thread`, `seq`, `occurred_at` and `actor` are derived from the payload of a live turn of a thread
//! (see `thread`). `rewritten` holds which points a batch that ends before `next` rewrote beside those of
//! the memories that it named: ids of 16 bytes, one behind the other.
//!
//! `namespaces` and `totals` are kept in the transaction that changes the rows which they count.

use rusqlite::Transaction;
use soma_core::error::Result;

use crate::sqlite::{Database, Kind, Synchronous};

pub(super) static KIND: Kind = Kind {
    name: "record store",
    application_id: i32::from_be_bytes(*b"somr"),
    version: 2,
    schema: "
        CREATE TABLE memories (
            number INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            namespace TEXT,
            kind TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            event_id BLOB NOT NULL,
            version INTEGER NOT NULL,
            log TEXT NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            effective INTEGER NOT NULL,
            rev INTEGER NOT NULL,
            importance REAL,
            model_revision TEXT,
            thread TEXT,
            seq REAL,
            occurred_at INTEGER,
            actor TEXT,
            payload TEXT,
            embedding BLOB
        ) STRICT;
        CREATE INDEX memories_time ON memories (namespace, updated_at DESC, id) WHERE payload IS NOT NULL;
        CREATE INDEX memories_importance ON memories (namespace, importance DESC, id) WHERE payload IS NOT NULL;

        CREATE INDEX memories_thread ON memories (namespace, thread, seq, occurred_at, id)
            WHERE thread IS NOT NULL;
        CREATE INDEX memories_actor ON memories (namespace, actor) WHERE actor IS NOT NULL;

        CREATE TABLE memory_events (
            arrival INTEGER PRIMARY KEY,
            event_id BLOB NOT NULL UNIQUE,
            id BLOB NOT NULL,
            namespace TEXT,
            type TEXT NOT NULL,
            timestamp INTEGER NOT NULL,
            log TEXT NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            importance REAL,
            model_revision TEXT,
            payload TEXT,
            embedding BLOB
        ) STRICT;
        CREATE INDEX memory_events_memory ON memory_events (id);

        CREATE TABLE positions (
            projector TEXT NOT NULL,
            log TEXT NOT NULL,
            partition INTEGER NOT NULL,
            next INTEGER NOT NULL,
            indexed INTEGER NOT NULL,
            last_offset INTEGER,
            last_event_id BLOB,
            epoch INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            PRIMARY KEY (projector, log, partition)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE rewritten (
            projector TEXT NOT NULL,
            log TEXT NOT NULL,
            partition INTEGER NOT NULL,
            next INTEGER NOT NULL,
            ids BLOB NOT NULL,
            PRIMARY KEY (projector, log, partition, next)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE namespaces (
            namespace TEXT PRIMARY KEY,
            memories INTEGER NOT NULL CHECK (memories > 0)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE totals (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            rev INTEGER NOT NULL,
            memories INTEGER NOT NULL,
            deleted INTEGER NOT NULL,
            events INTEGER NOT NULL
        ) STRICT;
        INSERT INTO totals VALUES (1, 0, 0, 0, 0);
    ",
    synchronous: Synchronous::Normal,
    upgrade,
    remedy: "move it and the files beside it that begin with its name away: it is built again from the log",
};

/// Version 2 tells turns apart and has their points hold the words of neighbours: every point is made anew.
fn upgrade(database: &Database, transaction: &Transaction<'_>, from: i32) -> Result<()> {
    if from < 2 {
        let columns = "
            ALTER TABLE memories ADD COLUMN thread TEXT;
            ALTER TABLE memories ADD COLUMN seq REAL;
            ALTER TABLE memories ADD COLUMN occurred_at INTEGER;
            ALTER TABLE memories ADD COLUMN actor TEXT;";
        transaction.execute_batch(columns).map_err(database.failing("upgrade"))?;
        super::thread::fill(database, transaction)?;
        let rest = "
            CREATE INDEX memories_thread ON memories (namespace, thread, seq, occurred_at, id)
                WHERE thread IS NOT NULL;
            CREATE INDEX memories_actor ON memories (namespace, actor) WHERE actor IS NOT NULL;
            CREATE TABLE rewritten (
                projector TEXT NOT NULL,
                log TEXT NOT NULL,
                partition INTEGER NOT NULL,
                next INTEGER NOT NULL,
                ids BLOB NOT NULL,
                PRIMARY KEY (projector, log, partition, next)
            ) STRICT, WITHOUT ROWID;
            UPDATE positions SET indexed = 0;";
        transaction.execute_batch(rest).map_err(database.failing("upgrade"))?;
    }
    Ok(())
}
