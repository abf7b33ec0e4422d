//! PostgreSQL and Qdrant.

use std::sync::Arc;

use soma_cluster::postgres::Facts;
use soma_cluster::{postgres, qdrant};
use soma_core::clock::Clock;
use soma_core::embed::Identity;

use super::Seen;
use crate::config::Config;
use crate::wiring::cluster::{postgres_settings, qdrant_settings};

/// Clocks that differ by more than this order events of several writers wrongly.
const SKEW_MS_MAX: i64 = 5_000;

/// The server, its tables, what our user may do, what survives a crash, and its clock.
pub(super) async fn records(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    const CHECK: &str = "postgres";
    let Some(settings) = &config.postgres else { return Vec::new() };
    let facts = async { postgres::facts(&postgres_settings(settings)?, &**clock).await };
    let facts = match facts.await {
        Ok(facts) => facts,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let tls = facts.tls.as_deref().unwrap_or("no TLS");
    let what = format!("PostgreSQL {}, schema {}, {tls}", facts.server_version, facts.schema);
    let mut seen = vec![match facts.in_recovery {
        false => Seen::ok(CHECK, what),
        true => {
            let remedy = "name the primary in POSTGRES_URL";
            Seen::failed(CHECK, format!("{what}; it is a standby, which takes no writes"), remedy)
        }
    }];
    seen.extend([tables(&facts), permissions(&facts), durability(&facts), connections(&facts)]);
    let skew = facts.clock_skew_ms;
    seen.push(match skew.abs() > SKEW_MS_MAX {
        true => Seen::odd("clock skew", format!("{skew} ms against PostgreSQL"), "let both follow a time server"),
        false => Seen::ok("clock skew", format!("{skew} ms against PostgreSQL")),
    });
    seen
}

fn tables(facts: &Facts) -> Seen {
    const CHECK: &str = "tables";
    let (found, ours) = facts.tables;
    let what = format!("version {found} in schema {}, this program makes {ours}", facts.schema);
    match found {
        0 => Seen::odd(CHECK, format!("none yet in schema {}", facts.schema), "run `soma migrate`, or start soma"),
        _ if found > ours => Seen::failed(CHECK, what, "use the newer program"),
        _ if found < ours => Seen::odd(CHECK, what, "run `soma migrate`, or start soma: both bring them up to date"),
        _ => Seen::ok(CHECK, what),
    }
}

fn permissions(facts: &Facts) -> Seen {
    const CHECK: &str = "permissions";
    if !facts.closed.is_empty() {
        let what = format!("this user may not read and write {}", facts.closed.join(", "));
        return Seen::failed(CHECK, what, "GRANT SELECT, INSERT, UPDATE, DELETE on them to this user");
    }
    match (facts.may_create, facts.tables.0) {
        (true, _) => Seen::ok(CHECK, "this user may make, read and write tables"),
        (false, 0) => {
            let remedy = "GRANT CREATE on the schema to this user, or run `soma migrate` as one who may";
            Seen::failed(CHECK, "this user may not make tables, and there are none", remedy)
        }
        (false, _) => Seen::odd(CHECK, "this user may not make tables", "grant CREATE on the schema before an upgrade"),
    }
}

fn durability(facts: &Facts) -> Seen {
    const CHECK: &str = "durability";
    let fsync = if facts.fsync { "on" } else { "off" };
    let what = format!("fsync {fsync}, synchronous_commit {}", facts.synchronous_commit);
    if facts.fsync && facts.synchronous_commit != "off" {
        return Seen::ok(CHECK, what);
    }
    let remedy = "switch both on: what a crash of the server takes is projected again, but nothing says so";
    Seen::odd(CHECK, what, remedy)
}

fn connections(facts: &Facts) -> Seen {
    const CHECK: &str = "connections";
    let (most, open) = facts.connections;
    let what = format!("{open} of {most} are open");
    match open * 10 >= i64::from(most) * 9 {
        true => Seen::odd(CHECK, what, "raise max_connections, or lower POSTGRES_POOL_SIZE"),
        false => Seen::ok(CHECK, what),
    }
}

/// The server, its collection, and who filled it.
pub(super) async fn points(config: &Config, identity: &Identity) -> Vec<Seen> {
    const CHECK: &str = "qdrant";
    const COLLECTION: &str = "collection";
    let Some(settings) = &config.qdrant else { return Vec::new() };
    let facts = match qdrant::facts(&qdrant_settings(settings)).await {
        Ok(facts) => facts,
        Err(error) => return vec![Seen::of_error(CHECK, &error)],
    };
    let what = format!("Qdrant {} at {}", facts.version, facts.url);
    if !facts.supported {
        let remedy = "upgrade it to 1.17 or later: an older one ignores conditions of writes";
        return vec![Seen::failed(CHECK, what, remedy)];
    }
    let mut seen = vec![Seen::ok(CHECK, what)];
    let Some(collection) = facts.collection else {
        let what = format!("{} is not there", settings.collection);
        seen.push(Seen::odd(COLLECTION, what, "start soma, or run `soma migrate`: it is made and filled"));
        return seen;
    };
    let what = format!("{}: {}, {} points", collection.name, collection.status, collection.points);
    seen.push(match (&collection.embedder, &collection.failure) {
        (_, Some(failure)) => Seen::failed(COLLECTION, format!("{what}; {failure}"), "look at the server's log"),
        (Some(found), None) if found != identity => {
            let what = format!("{what}; filled by {found}, configured is {identity}");
            Seen::failed(COLLECTION, what, "set SOMA_EMBEDDER as it was, or name another QDRANT_COLLECTION")
        }
        (None, None) => {
            Seen::failed(COLLECTION, format!("{what}; it is not one of ours"), "name another QDRANT_COLLECTION")
        }
        (Some(found), None) => Seen::ok(COLLECTION, format!("{what}, {found}")),
    });
    seen
}
