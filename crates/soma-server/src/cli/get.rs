//! `soma get`: shows one memory, or its history.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use soma_core::Result;
use soma_core::ids::MemoryId;

use super::client::{Call, Client};
use super::output::Output;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The memory's id.
    id: String,
    /// Show its events, oldest first.
    #[arg(long)]
    history: bool,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let id = MemoryId::parse(&flags.id)?;
    let history = if flags.history { "/history" } else { "" };
    let client = Client::connect(config)?;
    let answer = client.call(&Call::get(&format!("/v1/memories/{id}{history}")))?;
    client.close()?;
    out.result(&answer, || serde_json::to_string_pretty(&answer).unwrap_or_else(|_| Value::Null.to_string()));
    Ok(ExitCode::SUCCESS)
}
