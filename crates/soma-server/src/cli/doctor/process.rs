//! What surrounds the data: settings, limits of the operating system, the clock, the server.

use serde_json::Value;
use soma_core::Result;
use soma_core::clock::Clock as _;
use soma_core::ids::Timestamp;

use super::super::client::{Call, Client};
use super::super::output::text;
use super::finding::Finding;
use super::{Subject, judged};
use crate::clock::SystemClock;
use crate::wiring::offline;

/// Below this many open files a server soon fails.
const FILES_MIN: u64 = 256;
/// Below this many a busy one may.
const FILES_LOW: u64 = 1_024;
/// No event was written before this: 2024-01-01.
const EARLIEST: Timestamp = Timestamp(1_704_067_200_000_000);
/// How far the clock may be behind the journal, in microseconds.
const BEHIND_MAX: i64 = 1_000_000;

/// What looks like a mistake in the settings.
pub(super) fn configuration(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let warnings = &subject.config.warnings;
    if warnings.is_empty() {
        return vec![Finding::ok(CHECK, "no contradictions")];
    }
    let finding = |warning: &String| Finding::warning(CHECK, warning.clone(), "look at `soma config`");
    warnings.iter().map(finding).collect()
}

/// How many files the server, or else this process, may open.
pub(super) fn files(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "open files";
    let server = subject.directory().and_then(offline::server).map(|server| server.pid);
    let Some(limit) = offline::open_files_max(server) else { return Vec::new() };
    let whose = server.map_or("this process".to_owned(), |pid| format!("process {pid}"));
    let measured = format!("{whose} may open {limit}");
    let remedy = "raise the limit before starting soma: ulimit -n 4096, or LimitNOFILE= of its service";
    vec![match limit {
        ..FILES_MIN => Finding::failed(CHECK, measured, remedy),
        FILES_MIN..FILES_LOW => Finding::warning(CHECK, measured, remedy),
        FILES_LOW.. => Finding::ok(CHECK, measured),
    }]
}

/// Whether the clock is sane, by what the journal has seen.
pub(super) fn clock(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "clock";
    let now = SystemClock::new().now();
    let remedy = "set the clock of this machine, and keep it by NTP";
    if now < EARLIEST {
        return vec![Finding::failed(CHECK, format!("it is {now} here"), remedy)];
    }
    let last = subject.data().and_then(|directory| offline::journal(directory).ok()?.last_timestamp().ok()?);
    vec![match last {
        Some(last) if last.0 - now.0 > BEHIND_MAX => {
            let behind = (last.0 - now.0) / 1_000_000;
            Finding::failed(CHECK, format!("{now}, {behind} s behind the journal's last record"), remedy)
        }
        _ => Finding::ok(CHECK, now.to_string()),
    }]
}

/// Whether a server runs and can do its work.
pub(super) fn server(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "server";
    let Some(server) = Client::server(subject.config) else {
        return vec![Finding::ok(CHECK, "none runs on the data directory")];
    };
    let ask = || -> Result<Finding> {
        let reply = server.call(&Call::get("/readyz"))?;
        let measured = format!("{} is {}", server.url(), text(&reply.body, "status"));
        if reply.status != 200 {
            return Ok(Finding::failed(CHECK, measured, "look at its log, and at `soma status`"));
        }
        let status = server.call(&Call::get("/v1/status"))?.body;
        let partitions = status.get("partitions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let lag: u64 = partitions.iter().filter_map(|partition| partition.get("lag")?.as_u64()).sum();
        Ok(Finding::ok(CHECK, format!("{measured}, {lag} events behind the log")))
    };
    judged(CHECK, ask())
}
