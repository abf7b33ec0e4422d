//! `soma doctor`: looks at everything that soma depends on and names the remedy for what is wrong.
//!
//! Each check is a function from the [`Subject`] to its findings, and stands in [`CHECKS`]: another
//! profile adds its own. Checks read beside a running server and change nothing; `--full` also reads
//! every record, and compares both stores with the log as `soma verify` does. No finding shows a
//! secret or a payload.

mod directory;
mod finding;
mod process;
mod servers;
mod stores;

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::{Error, Result};

use super::exit;
use super::output::Output;
use crate::config::Config;
use finding::{Finding, State};

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Flags {
    /// Also read every record, and compare both stores with the log.
    #[arg(long)]
    full: bool,
}

/// What is looked at.
struct Subject<'a> {
    config: &'a Config,
    depth: Depth,
}

impl Subject<'_> {
    /// The data directory, if it is this process's business and there.
    fn directory(&self) -> Option<&Path> {
        let directory = self.config.embedded.data_dir.as_path();
        (self.config.client.url.is_none() && directory.is_dir()).then_some(directory)
    }

    /// The same, once it holds anything of ours.
    fn data(&self) -> Option<&Path> {
        let ours = ["journal.db", "journal.tip", "records.db", "vectors"];
        self.directory().filter(|directory| ours.iter().any(|name| directory.join(name).exists()))
    }
}

/// How closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// In a moment.
    Quick,
    /// Everything; takes as long as reading it.
    Full,
}

type Check = fn(&Subject<'_>) -> Vec<Finding>;

/// All checks, in the order in which they are shown.
const CHECKS: &[Check] = &[
    process::configuration,
    directory::place,
    directory::format,
    directory::lock,
    directory::disk,
    process::files,
    process::clock,
    stores::journal,
    stores::tip,
    stores::records,
    stores::index,
    stores::embedder,
    stores::dead_letters,
    servers::all,
    process::server,
    stores::agreement,
];

/// Runs every check that the configuration allows: one that cannot be read is a finding itself.
pub(super) fn run(config: Result<Config>, flags: Flags, out: &Output) -> Result<ExitCode> {
    let findings: Vec<Finding> = match config {
        Ok(config) => {
            let depth = if flags.full { Depth::Full } else { Depth::Quick };
            let subject = Subject { config: &config, depth };
            CHECKS.iter().flat_map(|check| check(&subject)).collect()
        }
        Err(error) => vec![Finding::of_error("configuration", &error)],
    };
    let healthy = findings.iter().all(|finding| finding.state != State::Failed);
    let checks: Vec<Value> = findings.iter().map(Finding::shape).collect();
    out.result(&json!({ "ok": healthy, "checks": checks }), || table(&findings));
    Ok(if healthy { ExitCode::SUCCESS } else { exit::FOUND.into() })
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = findings.iter().map(|finding| finding.line(width)).collect();
    let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    lines.push(match (count(State::Failed), count(State::Warning)) {
        (0, 0) => "everything is in order".to_owned(),
        (0, warnings) => format!("it works; warnings: {warnings}"),
        (failed, warnings) => format!("failed: {failed}; warnings: {warnings}"),
    });
    lines.join("\n")
}

/// A number of bytes as people read it.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, name)| {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

/// One finding of a check that either succeeds with what it measured or fails with an error.
fn judged(check: &'static str, result: Result<Finding, Error>) -> Vec<Finding> {
    vec![result.unwrap_or_else(|error| Finding::of_error(check, &error))]
}
