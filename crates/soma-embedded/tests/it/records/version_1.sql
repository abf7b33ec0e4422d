-- A record store as version 1 of the file held it: three turns of a thread, a plain fact and a deleted memory.

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

INSERT INTO memories VALUES (1, x'00000000000000000000000000000001', 'tests', 'created', 1000000, 1000000, x'00000000000000000000000000000065', 1, 'log', 0, 0, 1000000, 1, NULL, NULL, '{"actor":"Mia","seq":2,"text":"two","thread":"talk"}', NULL);
INSERT INTO memory_events VALUES (1, x'00000000000000000000000000000065', x'00000000000000000000000000000001', 'tests', 'created', 1000000, 'log', 0, 0, NULL, NULL, '{"actor":"Mia","seq":2,"text":"two","thread":"talk"}', NULL);
INSERT INTO memories VALUES (2, x'00000000000000000000000000000002', 'tests', 'created', 2000000, 2000000, x'00000000000000000000000000000066', 1, 'log', 0, 1, 2000000, 2, NULL, NULL, '{"actor":"Ada","seq":1,"text":"one","thread":"talk"}', NULL);
INSERT INTO memory_events VALUES (2, x'00000000000000000000000000000066', x'00000000000000000000000000000002', 'tests', 'created', 2000000, 'log', 0, 1, NULL, NULL, '{"actor":"Ada","seq":1,"text":"one","thread":"talk"}', NULL);
INSERT INTO memories VALUES (3, x'00000000000000000000000000000003', 'tests', 'created', 3000000, 3000000, x'00000000000000000000000000000067', 1, 'log', 0, 2, 3000000, 3, NULL, NULL, '{"actor":"Ada","text":"last","thread":"talk"}', NULL);
INSERT INTO memory_events VALUES (3, x'00000000000000000000000000000067', x'00000000000000000000000000000003', 'tests', 'created', 3000000, 'log', 0, 2, NULL, NULL, '{"actor":"Ada","text":"last","thread":"talk"}', NULL);
INSERT INTO memories VALUES (4, x'00000000000000000000000000000004', 'tests', 'created', 4000000, 4000000, x'00000000000000000000000000000068', 1, 'log', 0, 3, 4000000, 4, NULL, NULL, '{"text":"a plain fact"}', NULL);
INSERT INTO memory_events VALUES (4, x'00000000000000000000000000000068', x'00000000000000000000000000000004', 'tests', 'created', 4000000, 'log', 0, 3, NULL, NULL, '{"text":"a plain fact"}', NULL);
INSERT INTO memories VALUES (5, x'00000000000000000000000000000005', 'tests', 'deleted', 5000000, 5000000, x'00000000000000000000000000000069', 1, 'log', 0, 4, 5000000, 5, NULL, NULL, NULL, NULL);
INSERT INTO memory_events VALUES (5, x'00000000000000000000000000000069', x'00000000000000000000000000000005', 'tests', 'deleted', 5000000, 'log', 0, 4, NULL, NULL, NULL, NULL);
INSERT INTO positions VALUES ('memory', 'log', 0, 5, 5, 4, x'00000000000000000000000000000069', 1, 77);
INSERT INTO namespaces VALUES ('tests', 4);
UPDATE totals SET rev = 5, memories = 4, deleted = 1, events = 5;
PRAGMA application_id = 1936682354;
PRAGMA user_version = 1;
