//! Journal, records, vectors: whether they are whole and belong together.

use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::{Error, Result, limits};

use super::super::client::{Call, Client};
use super::finding::Finding;
use super::{Depth, Subject, judged};
use crate::wiring::offline;

/// Whether the journal can be read; in full, every record of it.
pub(super) fn journal(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "journal";
    let Some(directory) = subject.data() else { return Vec::new() };
    if !directory.join("journal.db").exists() {
        let what = "journal.db is not there, and what was made from it is";
        let remedy = "put the journal back, or restore a backup into an empty directory";
        return vec![Finding::failed(CHECK, what, remedy)];
    }
    let look = || -> Result<Finding> {
        let mut journal = offline::journal(directory)?;
        Ok(match subject.depth {
            Depth::Quick => {
                let records = journal.check_quickly()?;
                Finding::ok(CHECK, format!("{records} records; its pages and both ends are whole"))
            }
            Depth::Full => {
                let checked = journal.check()?;
                Finding::ok(
                    CHECK,
                    format!("{} records, {} dead letters, each verified", checked.records, checked.dead_letters),
                )
            }
        })
    };
    judged(CHECK, look())
}

/// Whether the journal holds what was acknowledged.
pub(super) fn tip(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "journal.tip";
    let Some(directory) = subject.data() else { return Vec::new() };
    let look = || -> Result<Finding> {
        Ok(match offline::journal(directory)?.compare_tip()? {
            Some(next) => Finding::ok(CHECK, format!("{next} records were acknowledged, and are there")),
            None => Finding::warning(CHECK, "it is not there", "start soma once: it is made anew"),
        })
    };
    judged(CHECK, look())
}

/// Whether the records can be read and were made from this journal.
pub(super) fn records(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "records";
    let Some(directory) = subject.data() else { return Vec::new() };
    if !directory.join("records.db").exists() {
        return vec![Finding::warning(
            CHECK,
            "records.db is not there",
            "start soma: it is built again from the journal",
        )];
    }
    let look = || -> Result<Finding> {
        let (records, journal) = (offline::records(directory)?, offline::journal(directory)?);
        match subject.depth {
            Depth::Quick => records.check_quickly()?,
            Depth::Full => records.check()?,
        }
        let positions = records.positions()?;
        let foreign = positions.iter().find(|row| row.log != *journal.id());
        if let Some(foreign) = foreign.filter(|_| positions.iter().all(|row| row.log != *journal.id())) {
            let what = format!("they were made from the log {}, the journal is {}", foreign.log, journal.id());
            return Err(Error::new(Code::LogReplaced, what)
                .remedy("put the journal back that belongs to them, or move records.db away and keep it"));
        }
        let counts = records.counts()?;
        let end = journal.end()?;
        let next = positions.iter().filter(|row| row.log == *journal.id()).map(|row| row.next).max().unwrap_or(0);
        let behind = end.saturating_sub(next);
        Ok(Finding::ok(CHECK, format!("{} memories, {behind} events behind the journal", counts.memories)))
    };
    judged(CHECK, look())
}

/// Whether the index can be opened and has as many points as there are memories.
pub(super) fn index(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "index";
    let Some(directory) = subject.data() else { return Vec::new() };
    let remedy = "start soma: it is built again from the records";
    let look = || -> Result<Finding> {
        let Some(found) = offline::collection(directory)? else {
            return Ok(Finding::warning(CHECK, "it is not there", remedy));
        };
        let Some(server) = Client::server(subject.config) else {
            return Ok(Finding::ok(CHECK, format!("{} dimensions; not opened (--full does)", found.dims)));
        };
        let reply = server.call(&Call::get("/v1/stats"))?;
        let count = |name: &str| reply.body.get(name).and_then(Value::as_u64);
        let (Some(points), Some(memories)) = (count("points"), count("memories")) else {
            return Ok(Finding::warning(CHECK, "the server does not say", "look at its log"));
        };
        let measured = format!("{points} points for {memories} memories");
        Ok(if points == memories {
            Finding::ok(CHECK, measured)
        } else {
            Finding::warning(CHECK, measured, "if that stays so while nothing is written: soma verify --repair")
        })
    };
    judged(CHECK, look())
}

/// Whether the configured embedder filled the index.
pub(super) fn embedder(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "embedder";
    let wanted = match offline::identity(subject.config) {
        Ok(wanted) => wanted,
        Err(error) => return judged(CHECK, Err(error)),
    };
    let Some(directory) = subject.data() else { return Vec::new() };
    let look = || -> Result<Option<Finding>> {
        let Some(found) = offline::collection(directory)? else { return Ok(None) };
        let show = |of: &offline::Identity| format!("{} {} with {} dimensions", of.name, of.revision, of.dims);
        Ok(Some(if found == wanted {
            Finding::ok(CHECK, show(&found))
        } else {
            let remedy = "configure the embedder that filled it, or move the folder `vectors` away: it is built again";
            Finding::failed(
                CHECK,
                format!("{} filled the index, {} is configured", show(&found), show(&wanted)),
                remedy,
            )
        }))
    };
    match look() {
        Ok(finding) => finding.into_iter().collect(),
        // That the index cannot be read is said where the index is looked at.
        Err(_) => Vec::new(),
    }
}

/// Whether somebody has dealt with what was refused.
pub(super) fn dead_letters(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "dead letters";
    let Some(directory) = subject.data() else { return Vec::new() };
    let look = || -> Result<Finding> {
        let journal = offline::journal(directory)?;
        let (mut open, mut all, mut after) = (0_u64, 0_u64, None);
        loop {
            let page = journal.dead_letters(after.as_ref(), limits::PAGE_DEFAULT)?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.place.clone());
            all += page.len() as u64;
            open += page.iter().filter(|letter| letter.redriven_to().is_none()).count() as u64;
        }
        Ok(match (open, all) {
            (0, 0) => Finding::ok(CHECK, "none"),
            (0, all) => Finding::ok(CHECK, format!("{all}, all of them redriven")),
            (open, _) => {
                Finding::warning(CHECK, format!("{open} that nobody has redriven"), "look at them: soma dlq list")
            }
        })
    };
    judged(CHECK, look())
}

/// In full: whether both stores are what the log says.
pub(super) fn agreement(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "stores and log";
    if subject.depth == Depth::Quick || (subject.config.client.url.is_none() && subject.data().is_none()) {
        return Vec::new();
    }
    let look = || -> Result<Finding> {
        let client = Client::connect(subject.config)?;
        let report = client.call(&Call::post("/v1/verify", json!({ "repair": false, "wait_ms": 30_000 })))?;
        client.close()?;
        let count = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        let measured =
            format!("{} events, {} points, {} differences", count("events"), count("points"), count("differences"));
        Ok(match report.get("ok").and_then(Value::as_bool) {
            Some(true) => Finding::ok(CHECK, measured),
            _ => Finding::failed(CHECK, measured, "look at them: soma verify, then soma verify --repair"),
        })
    };
    judged(CHECK, look())
}
