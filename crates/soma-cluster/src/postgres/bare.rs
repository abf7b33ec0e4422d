//! The server alone: what a benchmark puts beside the record store, and the schemas that it measures in.
//!
//! Rows are kept as a plain sink keeps them: one table of states and one of events, a primary key each,
//! one statement a batch, the later offset wins. No position and no claim, so no promise.

use soma_core::error::{Code, Error, Result};
use soma_core::ids::{EventId, MemoryId, Timestamp};
use uuid::Uuid;

use super::link::{Lease, Link};
use super::row::{Jsonb, Moment, integer};
use super::settings::Settings;

const MAKE: &str = "CREATE TABLE memories (
        id uuid PRIMARY KEY, namespace text NOT NULL, updated_at timestamptz NOT NULL, event_id uuid NOT NULL,
        \"offset\" bigint NOT NULL, payload jsonb NOT NULL);
    CREATE TABLE memory_events (
        event_id uuid PRIMARY KEY, id uuid NOT NULL, namespace text NOT NULL, timestamp timestamptz NOT NULL,
        \"offset\" bigint NOT NULL, payload jsonb NOT NULL)";

const WRITE: &str = "WITH u AS MATERIALIZED (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::jsonb[])
            AS u(id, event_id, namespace, moment, at, payload)),
    kept AS (INSERT INTO memory_events (event_id, id, namespace, timestamp, \"offset\", payload)
        SELECT u.event_id, u.id, u.namespace, u.moment, u.at, u.payload FROM u ON CONFLICT DO NOTHING)
    INSERT INTO memories AS m (id, namespace, updated_at, event_id, \"offset\", payload)
        SELECT u.id, u.namespace, u.moment, u.event_id, u.at, u.payload FROM u
        ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, event_id = excluded.event_id,
            \"offset\" = excluded.\"offset\", payload = excluded.payload WHERE m.\"offset\" < excluded.\"offset\"";

/// One event as a plain sink would keep it; a memory has at most one in a batch.
#[derive(Clone, Debug)]
pub struct Row {
    /// The memory.
    pub id: MemoryId,
    /// The event.
    pub event_id: EventId,
    /// Whose memory.
    pub namespace: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its place in the log.
    pub offset: u64,
    /// The payload as JSON.
    pub payload: String,
}

/// Two plain tables in the schema of the settings.
pub struct Table(Link);

impl Table {
    /// Connects and makes the tables, which must not be there.
    ///
    /// # Errors
    /// `bad_config`, `unavailable`.
    pub async fn make(settings: &Settings) -> Result<Self> {
        let link = Link::open(settings).await?;
        link.reader().await?.batch("make the bare tables", MAKE).await?;
        Ok(Self(link))
    }

    /// Commits a batch; several may be written at once.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `store_rejected`.
    pub async fn write(&self, rows: &[Row]) -> Result<()> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
        let event_ids: Vec<Uuid> = rows.iter().map(|row| row.event_id.0).collect();
        let namespaces: Vec<&str> = rows.iter().map(|row| row.namespace.as_str()).collect();
        let moments: Vec<Moment> = rows.iter().map(|row| Moment(row.timestamp)).collect();
        let offsets = rows.iter().map(|row| integer(row.offset)).collect::<Result<Vec<i64>>>()?;
        let payloads: Vec<Jsonb<'_>> = rows.iter().map(|row| Jsonb(&row.payload)).collect();
        let lease = self.0.writer().await?;
        let parameters: super::link::Params<'_> = &[&ids, &event_ids, &namespaces, &moments, &offsets, &payloads];
        lease.execute("write the bare rows", WRITE, parameters).await?;
        Ok(())
    }
}

/// Makes a schema, which must not be there.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub async fn make_schema(settings: &Settings, name: &str) -> Result<()> {
    run(settings, "make a schema", format!("CREATE SCHEMA {}", identifier(name)?)).await
}

/// Removes a schema with all that is in it; one that is not there is no failure.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub async fn drop_schema(settings: &Settings, name: &str) -> Result<()> {
    run(settings, "remove a schema", format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(name)?)).await
}

async fn run(settings: &Settings, what: &str, sql: String) -> Result<()> {
    let link = Link::open(settings).await?;
    let lease: Lease = link.reader().await?;
    Ok(lease.batch(what, &sql).await?)
}

/// A name that needs no quotes.
fn identifier(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) {
        return Ok(name);
    }
    Err(Error::new(Code::Internal, format!("{name:?} is no name for a schema")))
}
