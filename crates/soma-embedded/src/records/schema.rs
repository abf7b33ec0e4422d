//! What the file holds.
//!
//! A memory or event has content exactly when its `payload` is not NULL (a JSON null is the text
//! `null`). Ids are 16 bytes, times microseconds since the epoch, embeddings doubles in little
//! endian. The large columns come last, so that reading the others does not touch their overflow
//! pages. `arrival` counts the events in the order in which they were staged.
//!
//! The indexes on live rows serve the orders of lists: the time index read forwards is `newest`,
//! read backwards `oldest` (SQLite then sorts each group of equal times by id, keys only).
//! `namespaces` and `totals` are kept in the transaction that changes the rows which they count.

use crate::sqlite::{Kind, Synchronous};

pub(super) static KIND: Kind = Kind {
    name: "record store",
    application_id: i32::from_be_bytes(*b"somr"),
    version: 1,
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
            payload TEXT,
            embedding BLOB
        ) STRICT;
        CREATE INDEX memories_time ON memories (namespace, updated_at DESC, id) WHERE payload IS NOT NULL;
        CREATE INDEX memories_importance ON memories (namespace, importance DESC, id) WHERE payload IS NOT NULL;

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
    remedy: "move it and the files beside it that begin with its name away: it is built again from the log",
};
