//! What the doctor asks about the server.

use soma_core::error::{Code, Error, Result};
use soma_core::ids::Timestamp;

use soma_core::clock::Clock;

use super::link::{Lease, Link};
use super::row::Moment;
use super::schema::Schema;
use super::settings::Settings;
use super::{Records, migrate};

/// The server and our place on it, as found at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// As the server spells it (`15.14 (Debian …)`).
    pub server_version: String,
    /// Whether commits survive a power failure.
    pub fsync: bool,
    /// As the setting is spelled; with `off` the last commits do not survive a crash of the server.
    pub synchronous_commit: String,
    /// The schema in which the tables are.
    pub schema: String,
    /// The version of the tables, 0 where there are none yet, and the one that this program makes.
    pub tables: (i32, i32),
    /// The tables that our user may not read and write as it needs to.
    pub closed: Vec<String>,
    /// Whether our user may make tables in the schema: a newer program needs it.
    pub may_create: bool,
    /// Whether our user may end the sessions of other users. Those of its own it always may.
    pub may_end_sessions: bool,
    /// Whether the server is a standby: then nothing can be written.
    pub in_recovery: bool,
    /// The TLS version of our connection, if it is encrypted.
    pub tls: Option<String>,
    /// By how much the server's clock is ahead of ours, in milliseconds.
    pub clock_skew_ms: i64,
    /// Connections that the server admits, and those that are open.
    pub connections: (i32, i64),
}

/// The tables that are read and written.
const TABLES: &str = "'memories', 'memory_events', 'positions', 'rewritten', 'memory_counts', 'log_generations'";

impl Records {
    /// Asks the server about itself.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn facts(&self) -> Result<Facts> {
        let lease = self.shared.link.reader().await?;
        ask(&lease, &self.shared.schema, &*self.shared.clock).await
    }
}

/// Asks a server about itself, and changes nothing: tables of another version, or none, are told as they are.
///
/// # Errors
/// As [`Records::connect`], except for `format_too_new`.
pub async fn facts(settings: &Settings, clock: &dyn Clock) -> Result<Facts> {
    let link = Link::open(settings).await?;
    let lease = link.reader().await?;
    let schema = migrate::look(&lease).await?;
    ask(&lease, &schema, clock).await
}

async fn ask(lease: &Lease, schema: &Schema, clock: &dyn Clock) -> Result<Facts> {
    let sql = format!(
        "SELECT current_setting('server_version'), current_setting('fsync')::bool,
                current_setting('synchronous_commit'), has_schema_privilege(current_schema(), 'CREATE'),
                pg_has_role('pg_signal_backend', 'MEMBER') OR current_setting('is_superuser')::bool,
                pg_is_in_recovery(), (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
                current_setting('max_connections')::int,
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                ARRAY(SELECT relname::text FROM pg_class
                      WHERE relnamespace = {}::oid AND relkind = 'r' AND relname IN ({TABLES})
                        AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                                 AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
                      ORDER BY relname)",
        schema.oid
    );
    let rows = lease.rows("tell about itself", &sql, &[]).await?;
    let version = migrate::found(lease).await?;
    // Prepared before it is timed.
    let time = "SELECT clock_timestamp()";
    lease.rows("tell the time", time, &[]).await?;
    let before = clock.now();
    let told = lease.rows("tell the time", time, &[]).await?;
    let after = clock.now();
    let odd = |e| Error::new(Code::Internal, "PostgreSQL tells about itself in another form").because(e);
    let nothing = || Error::new(Code::Internal, "PostgreSQL tells nothing about itself");
    let row = rows.first().ok_or_else(nothing)?;
    let theirs: Moment = told.first().ok_or_else(nothing)?.try_get(0).map_err(odd)?;
    Ok(Facts {
        server_version: row.try_get(0).map_err(odd)?,
        fsync: row.try_get(1).map_err(odd)?,
        synchronous_commit: row.try_get(2).map_err(odd)?,
        schema: schema.name.clone(),
        tables: (version, migrate::newest()),
        closed: row.try_get(9).map_err(odd)?,
        may_create: row.try_get(3).map_err(odd)?,
        may_end_sessions: row.try_get(4).map_err(odd)?,
        in_recovery: row.try_get(5).map_err(odd)?,
        tls: row.try_get(6).map_err(odd)?,
        clock_skew_ms: skew_ms(theirs.0, before, after),
        connections: (row.try_get(7).map_err(odd)?, row.try_get(8).map_err(odd)?),
    })
}

/// The server read its clock somewhere between `before` and `after`: most likely in the middle.
fn skew_ms(theirs: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let middle = before.0 + (after.0 - before.0) / 2;
    (theirs.0 - middle) / 1_000
}
