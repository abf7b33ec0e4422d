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
    -- The place of a live turn in its conversation; NULL for everything else. A turn without a place of
    -- its own has an infinite one, so that places compare as rows do.
    thread text COLLATE "C",
    seq double precision,
    occurred_at timestamptz,
    actor text COLLATE "C"
);
CREATE INDEX memories_time ON memories (namespace, updated_at DESC, id) WHERE payload IS NOT NULL;
CREATE INDEX memories_importance ON memories (namespace, importance DESC NULLS LAST, id) WHERE payload IS NOT NULL;
CREATE INDEX memories_thread ON memories (namespace, thread, seq, occurred_at, id) WHERE thread IS NOT NULL;
CREATE INDEX memories_actor ON memories (namespace, actor) WHERE actor IS NOT NULL;

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

-- The points that a batch rewrote beside those of the memories that it names, until the index is durable
-- up to the end of that batch.
CREATE TABLE rewritten (
    projector text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    partition bigint NOT NULL,
    next bigint NOT NULL,
    ids uuid[] NOT NULL,
    PRIMARY KEY (projector, log, partition, next)
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

-- Takes a partition over in one transaction that no client can pause. The session that holds the
-- partition's lock is ended first: it may hold rows, and it may stand between moving its position and its
-- COMMIT. What it asks afterwards waits for claim_lock, and so sees the epoch that is drawn here.
CREATE FUNCTION soma_claim(
    claim_lock bigint, partition_lock bigint, rev_lock bigint,
    of_projector text, of_log text, of_partition bigint, at_time timestamptz, rev_min bigint
) RETURNS SETOF positions LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
DECLARE
    session record;
BEGIN
    PERFORM pg_advisory_xact_lock(claim_lock);
    FOR session IN
        SELECT l.pid FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
            AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            AND (l.classid::bigint << 32) | l.objid::bigint = partition_lock
    LOOP
        BEGIN
            PERFORM pg_terminate_backend(session.pid, 5000);
        EXCEPTION WHEN insufficient_privilege THEN
            -- Its locks then last until its idle timeout; the epoch fences it all the same.
            RAISE WARNING 'GRANT pg_signal_backend to %, or let all projectors be one user', current_user;
        END;
    END LOOP;
    RETURN QUERY
        INSERT INTO positions AS p (projector, log, partition, next, indexed, epoch, updated_at)
        VALUES (of_projector, of_log, of_partition, 0, 0, 1, at_time)
        ON CONFLICT ON CONSTRAINT positions_pkey DO UPDATE SET epoch = p.epoch + 1
        RETURNING p.*;
    -- Nobody draws meanwhile: reading the sequence and setting it are two steps.
    PERFORM pg_advisory_xact_lock(rev_lock);
    IF (SELECT last_value FROM memory_rev) < rev_min THEN
        PERFORM setval('memory_rev', rev_min);
    END IF;
END $$;
