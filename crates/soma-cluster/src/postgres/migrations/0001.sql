-- A memory or event has content exactly when its payload is not NULL (a JSON null is the value 'null').
-- Text that is ordered or compared with the program's own order is of the collation "C": by code point.

-- Drawn once for every batch; never goes back, not even with a transaction.
CREATE SEQUENCE memory_rev AS bigint;

CREATE TABLE memories (
    id uuid PRIMARY KEY,
    -- NULL while only tombstones have named the memory.
    namespace text COLLATE "C",
    -- What the shown event did.
    kind text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    version bigint NOT NULL,
    -- Where the last event of the total order lies, and its effective time.
    log text COLLATE "C" NOT NULL,
    partition bigint NOT NULL,
    "offset" bigint NOT NULL,
    effective timestamptz NOT NULL,
    rev bigint NOT NULL,
    importance double precision,
    model_revision text COLLATE "C",
    payload jsonb,
    embedding double precision[],
    -- What the payload says about itself, for live memories. Names of any length are found by their hashes.
    thread text COLLATE "C",
    thread_hash bigint,
    seq double precision,
    occurred_at timestamptz,
    actor text COLLATE "C",
    actor_hash bigint
);
CREATE INDEX memories_time ON memories (namespace, updated_at DESC, id) WHERE payload IS NOT NULL;
CREATE INDEX memories_importance ON memories (namespace, importance DESC NULLS LAST, id) WHERE payload IS NOT NULL;
CREATE INDEX memories_thread ON memories (namespace, thread_hash, seq, occurred_at, id) WHERE thread IS NOT NULL;
CREATE INDEX memories_actor ON memories (namespace, actor_hash) WHERE actor IS NOT NULL;

CREATE TABLE memory_events (
    event_id uuid PRIMARY KEY,
    id uuid NOT NULL,
    namespace text COLLATE "C",
    type text COLLATE "C" NOT NULL,
    timestamp timestamptz NOT NULL,
    payload jsonb,
    importance double precision,
    model_revision text COLLATE "C",
    embedding double precision[],
    log text COLLATE "C" NOT NULL,
    partition bigint NOT NULL,
    "offset" bigint NOT NULL,
    -- Counts the events in the order in which they were staged.
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    -- Whether it is the first that was staged of its memory.
    first boolean NOT NULL
);
CREATE INDEX memory_events_memory ON memory_events (id, arrival);
-- Two transactions that both find a memory missing meet here.
CREATE UNIQUE INDEX memory_events_first ON memory_events (id) WHERE first;

CREATE TABLE positions (
    projector text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    partition bigint NOT NULL,
    next bigint NOT NULL,
    indexed bigint NOT NULL,
    last_offset bigint,
    last_event_id uuid,
    epoch bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (projector, log, partition)
);

-- What each partition has added to the counts: so no two projectors wait for each other. The sums are
-- the counts; a single row may be negative. The namespace '' stands for none.
CREATE TABLE memory_counts (
    namespace text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    partition bigint NOT NULL,
    memories bigint NOT NULL,
    deleted bigint NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (namespace, log, partition)
);

-- Which life of a topic is read: a log is named <cluster id>/<topic>#<generation>.
CREATE TABLE log_generations (
    log_base text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL,
    renewed_at timestamptz NOT NULL
);
