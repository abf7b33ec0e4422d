//! `soma topics`: whether the topics are as they should be; with `--apply`, makes them so.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use soma_core::Result;
use soma_core::clock::Clock;

use super::client::runtime;
use super::exit;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wiring::operating::{self, Apply};

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Flags {
    /// Create what is missing and set what differs; the number of partitions is never changed.
    #[arg(long)]
    apply: bool,
}

pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    let apply = if flags.apply { Apply::Everything } else { Apply::Nothing };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let planned = runtime()?.block_on(operating::topics(config, apply, &clock))?;
    let shown = json!({
        "plan": planned.lines, "notes": planned.notes, "done": planned.done, "as_planned": planned.is_done,
    });
    out.result(&shown, || {
        let notes = planned.notes.iter().map(|note| format!("note: {note}"));
        let done = planned.done.iter().map(|done| format!("done: {done}"));
        planned.lines.iter().cloned().chain(notes).chain(done).collect::<Vec<_>>().join("\n")
    });
    Ok(if planned.is_done { ExitCode::SUCCESS } else { exit::FOUND.into() })
}
