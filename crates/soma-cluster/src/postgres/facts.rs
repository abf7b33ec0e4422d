//! What the doctor asks about the server.

use soma_core::error::{Code, Error, Result};
use soma_core::ids::Timestamp;

use super::row::Moment;
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
    /// The version of the tables, and the one that this program makes.
    pub tables: (i32, i32),
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

impl Records {
    /// Asks the server about itself.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn facts(&self) -> Result<Facts> {
        let lease = self.shared.link.reader().await?;
        let sql = "SELECT current_setting('server_version'), current_setting('fsync')::bool,
                       current_setting('synchronous_commit'), (SELECT coalesce(max(version), 0) FROM soma_migrations),
                       has_schema_privilege(current_schema(), 'CREATE'),
                       pg_has_role('pg_signal_backend', 'MEMBER') OR current_setting('is_superuser')::bool,
                       pg_is_in_recovery(), (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl),
                       current_setting('max_connections')::int,
                       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')";
        let rows = lease.rows("tell about itself", sql, &[]).await?;
        // Prepared before it is timed.
        let clock = "SELECT clock_timestamp()";
        lease.rows("tell the time", clock, &[]).await?;
        let before = self.shared.clock.now();
        let time = lease.rows("tell the time", clock, &[]).await?;
        let after = self.shared.clock.now();
        let odd = |e| Error::new(Code::Internal, "PostgreSQL tells about itself in another form").because(e);
        let nothing = || Error::new(Code::Internal, "PostgreSQL tells nothing about itself");
        let row = rows.first().ok_or_else(nothing)?;
        let theirs: Moment = time.first().ok_or_else(nothing)?.try_get(0).map_err(odd)?;
        Ok(Facts {
            server_version: row.try_get(0).map_err(odd)?,
            fsync: row.try_get(1).map_err(odd)?,
            synchronous_commit: row.try_get(2).map_err(odd)?,
            schema: self.shared.schema.name.clone(),
            tables: (row.try_get(3).map_err(odd)?, migrate::newest()),
            may_create: row.try_get(4).map_err(odd)?,
            may_end_sessions: row.try_get(5).map_err(odd)?,
            in_recovery: row.try_get(6).map_err(odd)?,
            tls: row.try_get(7).map_err(odd)?,
            clock_skew_ms: skew_ms(theirs.0, before, after),
            connections: (row.try_get(8).map_err(odd)?, row.try_get(9).map_err(odd)?),
        })
    }
}

/// The server read its clock somewhere between `before` and `after`: most likely in the middle.
fn skew_ms(theirs: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let middle = before.0 + (after.0 - before.0) / 2;
    (theirs.0 - middle) / 1_000
}
