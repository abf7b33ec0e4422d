//! `soma verify`: compares both stores with the log.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::Result;

use super::client::{Call, Client};
use super::exit;
use super::output::{Output, text};
use crate::config::Config;

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Flags {
    /// Put records, histories, counts and points right, from the log.
    #[arg(long)]
    repair: bool,
}

pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    let client = Client::connect(config)?;
    let report = client.call(&Call::post("/v1/verify", json!({ "repair": flags.repair, "wait_ms": 30_000 })))?;
    client.close()?;
    let ok = report.get("ok").and_then(Value::as_bool).unwrap_or(false);
    out.result(&report, || words(&report, ok, flags.repair));
    Ok(if ok { ExitCode::SUCCESS } else { exit::FOUND.into() })
}

fn words(report: &Value, ok: bool, repairs: bool) -> String {
    let count = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut lines: Vec<String> = report
        .get("findings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|finding| {
            let whose = match (text(finding, "id"), text(finding, "place")) {
                ("", "") => String::new(),
                ("", place) => format!("{place}: "),
                (id, _) => format!("{id}: "),
            };
            let repaired = finding.get("repaired").and_then(Value::as_bool).unwrap_or(false);
            let repaired = match (repaired, text(finding, "remedy")) {
                (true, _) => " (repaired)".to_owned(),
                (false, "") => String::new(),
                (false, remedy) => format!(" (not repaired: {remedy})"),
            };
            let (part, what, detail) = (text(finding, "part"), text(finding, "what"), text(finding, "detail"));
            format!("{part}: {what}: {whose}{detail}{repaired}")
        })
        .collect();
    lines.push(format!(
        "{} events, {} memories, {} deleted, {} points, {} dead letters; {} differences, {} repaired",
        count("events"),
        count("memories"),
        count("deleted"),
        count("points"),
        count("dead_letters"),
        count("differences"),
        count("repaired"),
    ));
    lines.push(match (ok, count("left_out")) {
        (true, 0) => "both stores are what the log says".to_owned(),
        (true, left_out) => format!("both stores are what the log says; {left_out} memories were written meanwhile"),
        (false, _) if repairs => {
            "the stores are not what the log says, and not all of it could be mended: see what is \
                                  said of each"
                .to_owned()
        }
        (false, _) => "the stores are not what the log says: `soma verify --repair` puts them right".to_owned(),
    });
    lines.join("\n")
}
