//! `soma backup`: backs the data directory up, also while a server uses it.
//!
//! It reads the journal beside its owner, so it needs the directory itself: a server that is named
//! by its address only cannot be backed up from elsewhere.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::Result;

use super::client::data_dir;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wiring::offline::{self, Manifest};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Where to: a name that ends in .tar becomes one file, any other a folder.
    to: PathBuf,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let manifest = offline::back_up(data_dir(config, "a backup")?, &flags.to, &SystemClock::new())?;
    out.result(&shape(&flags.to, &manifest), || {
        format!(
            "{} holds {} records and {} dead letters, verified; `soma restore` brings them back",
            flags.to.display(),
            manifest.records,
            manifest.dead_letters
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// A backup, for programs.
pub(super) fn shape(path: &Path, manifest: &Manifest) -> Value {
    json!({
        "backup": path.display().to_string(),
        "created_at": manifest.created_at,
        "log": manifest.log,
        "records": manifest.records,
        "dead_letters": manifest.dead_letters,
        "bytes": manifest.files.values().map(|file| file.bytes).sum::<u64>(),
        "files": manifest.files.iter().map(|(name, file)| json!({
            "name": name, "bytes": file.bytes, "sha256": file.sha256,
        })).collect::<Vec<_>>(),
    })
}
