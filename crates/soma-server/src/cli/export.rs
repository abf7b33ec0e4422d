//! `soma export`: memories, or the events of the log, as lines of JSON that `soma import` reads.
//!
//! A memory is exported as the API shows it; importing it brings back its id, its namespace, its
//! importance and its times. Events are exported as the schema says, in the order in which they
//! count, without what was refused and what a delete erased.

mod events;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use soma_core::Result;

use super::client::Client;
use super::output::Output;
use super::select::{Pages, Select};
use super::sink::Sink;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The file, which appears when it is complete; standard output without it or for `-`.
    file: Option<PathBuf>,
    #[command(flatten)]
    select: Select,
    /// Export the events of the log instead of memories.
    #[arg(long, conflicts_with = "filter")]
    events: bool,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let mut sink = Sink::open(flags.file.as_deref())?;
    let left_out = if flags.events {
        events::export(config, flags.select.namespace.as_deref(), &mut sink)?
    } else {
        memories(config, &flags.select, &mut sink)?;
        0
    };
    let Some(lines) = sink.finish()? else { return Ok(ExitCode::SUCCESS) };
    let file = flags.file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    out.result(&json!({ "file": file, "lines": lines, "left_out": left_out }), || {
        let what = if flags.events { "events" } else { "memories" };
        let left_out = if left_out > 0 { format!("; {left_out} tombstones are left out") } else { String::new() };
        format!("{lines} {what} are in {file}{left_out}")
    });
    Ok(ExitCode::SUCCESS)
}

fn memories(config: &Config, select: &Select, sink: &mut Sink) -> Result<()> {
    let everywhere = if select.namespace.is_none() { "&namespace_prefix=" } else { "" };
    let client = Client::connect(config)?;
    let target = format!("/v1/memories?order=oldest{everywhere}{}", select.query()?);
    let mut pages = Pages::of(&client, target, usize::MAX);
    while let Some(page) = pages.next()? {
        page.iter().try_for_each(|memory| sink.line(&memory.to_string()))?;
        if !sink.is_wanted() {
            break;
        }
    }
    client.close()
}
