//! The record store on a PostgreSQL server, which `SOMA_TEST_POSTGRES_URL` names.
//!
//! Every test has a schema of its own, so that they run side by side. Without the variable they pass
//! without a test, and say so.

mod admission;
mod batches;
mod conformance;
mod fence;
mod full;
mod repair;
mod sessions;
mod start;
mod tls;
mod waits;

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use soma_cluster::postgres::{Records, Settings, SslMode};
use soma_core::clock::Clock;
use soma_core::error::Result;
use soma_core::event::{Event, EventType};
use soma_core::fold::{self, Change, Entry};
use soma_core::ids::{LogId, Offset, Place, Timestamp};
use soma_core::store::{Advance, Claim, LastEvent, Projecting, ProjectorName, Staging};
use soma_core::testing::{SeededClock, sample};
use tokio_postgres::{Client, NoTls};

/// What a variable of the test plan says.
fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the variables of the test plan are read where its tiers begin")]
    let value = std::env::var(name);
    value.ok().filter(|value| !value.is_empty())
}

/// Says that a test did not run. Beside the harness, which keeps to itself what passing tests print.
fn skipped(name: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {name} is not set");
}

/// One schema of the server under test.
#[derive(Clone)]
pub(crate) struct Schema {
    /// With the schema as its search path, and as the name of the application.
    url: String,
    schema: String,
    /// Without the schema.
    server: String,
}

/// An empty schema; `None` without a server.
pub(crate) async fn schema() -> Option<Schema> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    const NAME: &str = "SOMA_TEST_POSTGRES_URL";
    let Some(server) = variable(NAME) else {
        skipped(NAME);
        return None;
    };
    let schema = format!("soma_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let client = connect(&server).await;
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    client.batch_execute(&sql).await.expect("the user may make schemas");
    let sign = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{sign}options=-csearch_path%3D{schema}&application_name={schema}");
    Some(Schema { url, schema, server })
}

/// A connection of the test's own.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server of the test plan is there");
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(connection);
    client
}

fn settings(url: &str) -> Settings {
    let url = url.to_owned();
    Settings { url, ssl_mode: SslMode::Disable, ssl_root_cert: None, ssl_cert: None, ssl_key: None, pool_size: 4 }
}

impl Schema {
    async fn open(&self) -> Records {
        self.try_open().await.expect("the store opens")
    }

    /// The store for what runs in real time.
    pub(crate) async fn open_on(&self, clock: Arc<dyn Clock>) -> Records {
        Records::connect(&settings(&self.url), clock).await.expect("the store opens")
    }

    async fn try_open(&self) -> Result<Records> {
        Records::connect(&settings(&self.url), Arc::new(SeededClock::new(1))).await
    }

    /// A connection of the test's own into the schema.
    async fn client(&self) -> Client {
        let client = connect(&self.server).await;
        client.batch_execute(&format!("SET search_path = {}", self.schema)).await.expect("the schema is there");
        client
    }

    /// Ends every session of the store, except for those whose query is like this.
    async fn end_sessions(&self, like: &str) -> i64 {
        let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
                   WHERE application_name = $1 AND query LIKE $2";
        let row = self.client().await.query_one(sql, &[&self.schema, &like]).await;
        row.expect("the user may end its own sessions").get(0)
    }
}

fn log() -> LogId {
    LogId::new("log")
}

async fn claim_of(records: &Records, log: &str) -> (Claim, Offset) {
    let claimed = records.claim(&ProjectorName::memory(), &LogId::new(log), 0, Timestamp(1)).await.expect("claimed");
    (claimed.claim, claimed.next)
}

async fn claim(records: &Records) -> (Claim, Offset) {
    claim_of(records, "log").await
}

fn advance(next: Offset, last: Option<&Event>) -> Advance {
    let last = last.map(|event| LastEvent { offset: next - 1, event_id: event.event_id });
    Advance { next, last, now: Timestamp(77) }
}

fn created(memory: u64, event: u64, payload: Value) -> Event {
    sample::with_payload(EventType::Created, memory, event, payload)
}

/// Loads and folds events that lie in `log` from `from` on.
async fn folded(staging: &mut Box<dyn Staging>, log: &str, from: Offset, events: Vec<Event>) -> Result<Vec<Change>> {
    let place = |offset| Place { log: LogId::new(log), partition: 0, offset };
    let entries: Vec<Entry> =
        (from..).zip(events).map(|(offset, event)| Entry { event, place: place(offset) }).collect();
    let mut ids: Vec<_> = entries.iter().map(|entry| entry.event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let event_ids: Vec<_> = entries.iter().map(|entry| entry.event.event_id).collect();
    let loaded = staging.load(&ids, &event_ids).await?;
    let folded = match fold::batch(&loaded, &entries, &HashMap::new()) {
        Ok(folded) => folded,
        Err(missing) => {
            let stored = staging.entries(&missing).await?;
            fold::batch(&loaded, &entries, &stored).expect("everything is at hand")
        }
    };
    Ok(folded.changes)
}

/// Loads, folds and stages events.
async fn stage(staging: &mut Box<dyn Staging>, from: Offset, events: Vec<Event>) -> Result<u64> {
    let changes = folded(staging, "log", from, events).await?;
    staging.stage(&changes).await
}

/// Projects a batch as the projector does, under a claim of its own.
async fn project(records: &Records, events: Vec<Event>) -> u64 {
    let (claim, from) = claim(records).await;
    let mut staging = records.begin(&claim).await.expect("a transaction opens");
    let (count, last) = (events.len() as u64, events.last().cloned());
    let rev = stage(&mut staging, from, events).await.expect("the batch is staged");
    staging.commit(advance(from + count, last.as_ref())).await.expect("the batch commits");
    rev
}
