//! `soma log renew`: begins a new generation of the log.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use soma_core::Result;
use soma_core::clock::Clock;

use super::client::runtime;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wiring::operating;

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Begin a new generation, after the topic was made anew or lost records: projectors read it from its beginning.
    Renew,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let Command::Renew = flags.command;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (log, generation) = runtime()?.block_on(operating::renew(config, &clock))?;
    out.result(&json!({ "log": log, "generation": generation }), || {
        format!("{log} is at generation {generation}; restart every soma process, so that it reads the log from its beginning")
    });
    Ok(ExitCode::SUCCESS)
}
