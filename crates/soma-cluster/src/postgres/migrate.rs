//! Brings the tables to this version, once, whoever comes first.

use soma_core::error::{Code, Error, Result};

use super::link::{Lease, Link};
use super::schema::Schema;

/// What each version added, from version 1 on. Texts that were shipped are never changed.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql")];

/// The oldest server that has what is used here.
const SERVER_MIN: i32 = 15;

/// The version that this program makes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Checks the server, makes what is missing and names the schema.
pub(super) async fn run(link: &Link) -> Result<Schema> {
    let lease = link.reader().await?;
    let schema = look(&lease).await.map_err(at_start)?;
    if version(&lease).await.map_err(at_start)? != newest() {
        migrate(&lease, &schema).await.map_err(at_start)?;
    }
    Ok(schema)
}

/// At the start a missing privilege is a fault of the settings.
fn at_start(error: Error) -> Error {
    let denied = error.code == Code::Unavailable && error.message.contains("SQLSTATE 42501");
    if denied { Error { code: Code::BadConfig, ..error } } else { error }
}

/// What the server is, and the schema of this connection.
pub(super) async fn look(lease: &Lease) -> Result<Schema> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
                   current_schema()::text, to_regnamespace(quote_ident(current_schema()))::oid,
                   current_setting('server_version')";
    let rows = lease.rows("tell its version", sql, &[]).await?;
    let row = rows.first().ok_or_else(|| Error::new(Code::Internal, "PostgreSQL tells no version"))?;
    let odd = |e| Error::new(Code::Internal, "PostgreSQL tells its version in another form").because(e);
    let number: i32 = row.try_get(0).map_err(odd)?;
    let encoding: String = row.try_get(1).map_err(odd)?;
    let name: Option<String> = row.try_get(2).map_err(odd)?;
    let oid: Option<u32> = row.try_get(3).map_err(odd)?;
    let shown: String = row.try_get(4).map_err(odd)?;
    if number / 10_000 < SERVER_MIN {
        return Err(Error::new(Code::BadConfig, format!("PostgreSQL {shown} is too old"))
            .remedy(format!("use PostgreSQL {SERVER_MIN} or newer")));
    }
    if encoding != "UTF8" {
        return Err(Error::new(Code::BadConfig, format!("the database keeps text as {encoding}"))
            .remedy("create the database with ENCODING 'UTF8'"));
    }
    match (name, oid) {
        (Some(name), Some(oid)) => Ok(Schema { oid, name }),
        _ => Err(Error::new(Code::BadConfig, "the search_path of the connection names no schema that exists")
            .remedy("create the schema, or set search_path for the user or in the URL (options=-c search_path=…)")),
    }
}

/// The version of the tables, whatever this program knows; 0 before anything was made.
pub(super) async fn found(lease: &Lease) -> Result<i32> {
    let rows = lease.rows("look for its tables", "SELECT to_regclass('soma_migrations') IS NOT NULL", &[]).await?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Ok(0);
    }
    newest_applied(lease).await
}

async fn newest_applied(lease: &Lease) -> Result<i32> {
    let sql = "SELECT coalesce(max(version), 0) FROM soma_migrations";
    let rows = lease.rows("read the version of its tables", sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// As [`found`], and not newer than this program.
async fn version(lease: &Lease) -> Result<i32> {
    known(found(lease).await?)
}

async fn applied(lease: &Lease) -> Result<i32> {
    known(newest_applied(lease).await?)
}

fn known(version: i32) -> Result<i32> {
    if version > newest() {
        let message = format!("the tables have version {version}, this program knows {}", newest());
        return Err(Error::new(Code::FormatTooNew, message).remedy("use the newer program"));
    }
    Ok(version)
}

async fn migrate(lease: &Lease, schema: &Schema) -> Result<()> {
    let what = "make its tables";
    // Others wait for the lock and then find the work done.
    let begin = format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'; SELECT pg_advisory_xact_lock({})",
        schema.migration_lock(),
    );
    lease.begin(what, &begin).await?;
    // Not looked for: this session may remember that the table was missing before it waited.
    let create = "CREATE TABLE IF NOT EXISTS soma_migrations (version integer PRIMARY KEY, \
                  applied_at timestamptz NOT NULL DEFAULT now())";
    lease.batch(what, create).await?;
    let done = usize::try_from(applied(lease).await?).unwrap_or(0);
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        lease.batch(what, sql).await?;
        lease.batch(what, &format!("INSERT INTO soma_migrations (version) VALUES ({})", number + 1)).await?;
        tracing::info!(postgres.schema = %schema.name, postgres.version = number + 1, "the tables were brought to this version");
    }
    Ok(lease.commit(what).await?)
}
