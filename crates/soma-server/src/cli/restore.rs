//! `soma restore`: restores a backup into an empty data directory, and builds records and vectors
//! from it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use soma_core::Result;

use super::backup::shape;
use super::client::{Call, Client};
use super::output::Output;
use crate::config::Config;
use crate::wiring::offline;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The folder or .tar file that `soma backup` wrote.
    from: PathBuf,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let data_dir = &config.embedded.data_dir;
    let manifest = offline::restore(&flags.from, data_dir)?;
    let client = Client::here(config)?;
    let stats = client.call(&Call::get("/v1/stats"))?;
    client.close()?;
    let memories = stats.get("memories").and_then(Value::as_u64).unwrap_or(0);
    let mut answer = shape(&flags.from, &manifest);
    answer["data_dir"] = data_dir.display().to_string().into();
    answer["memories"] = memories.into();
    out.result(&answer, || {
        format!("{} holds {memories} memories again, from {} records", data_dir.display(), manifest.records)
    });
    Ok(ExitCode::SUCCESS)
}
