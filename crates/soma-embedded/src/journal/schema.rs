//! What the journal's file holds.
//!
//! `records`: `memory` is the key when that is a UUID, in 16 bytes and indexed, so that erasing finds
//! the records of one memory; `key` holds a key in any other spelling. Both are NULL for a record
//! without a key. `checksum` covers everything else in the row. The large columns come last, so
//! that reading the others does not touch their overflow pages.

use crate::sqlite::{Kind, Synchronous};

pub(super) static KIND: Kind = Kind {
    name: "journal",
    application_id: i32::from_be_bytes(*b"somj"),
    version: 1,
    schema: "
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            log_id TEXT NOT NULL,
            -- Commits that changed something else than the end of the log; see the tip.
            changes INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE records (
            offset INTEGER PRIMARY KEY,
            timestamp INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            event_id BLOB,
            memory BLOB,
            key BLOB,
            headers BLOB,
            value BLOB
        ) STRICT;
        CREATE UNIQUE INDEX records_event ON records (event_id) WHERE event_id IS NOT NULL;
        CREATE INDEX records_memory ON records (memory) WHERE memory IS NOT NULL;

        CREATE TABLE dead_letters (
            log TEXT NOT NULL,
            partition INTEGER NOT NULL,
            offset INTEGER NOT NULL,
            timestamp INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            reason TEXT NOT NULL,
            component TEXT NOT NULL,
            event_id BLOB,
            first_seen INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            redrives INTEGER NOT NULL,
            memory BLOB,
            key BLOB,
            error TEXT NOT NULL,
            headers BLOB,
            value BLOB,
            PRIMARY KEY (log, partition, offset)
        ) STRICT;
        CREATE INDEX dead_letters_memory ON dead_letters (memory) WHERE memory IS NOT NULL;
    ",
    upgrade: |_, _, _| Ok(()),
    synchronous: Synchronous::Full,
    remedy: "move the data directory away and import what can still be read from it",
};
