//! What can be done with a data directory without owning it, while a server does or nobody.

use std::path::Path;

use soma_core::Result;
use soma_core::clock::Clock;
use soma_core::embed::language;
use soma_embedded::{backup, directory, vectors};

pub(crate) use soma_core::embed::Identity;
pub(crate) use soma_embedded::backup::Manifest;
pub(crate) use soma_embedded::directory::{Facts, Running};
pub(crate) use soma_embedded::journal::Beside as Journal;
pub(crate) use soma_embedded::records::Beside as Records;

use super::embedding;
use crate::config::Config;

/// Backs a data directory up to a folder, or to one file when the name ends in `.tar`.
///
/// # Errors
/// `not_found`, `bad_request`, `corrupt`, `storage_full`, `unavailable`.
pub(crate) fn back_up(data_dir: &Path, to: &Path, clock: &dyn Clock) -> Result<Manifest> {
    backup::create(data_dir, to, clock.now())
}

/// Restores a backup into a directory that is empty or not there.
///
/// # Errors
/// `not_found`, `bad_request`, `in_use`, `corrupt`, `format_too_new`, `storage_full`, `unavailable`.
pub(crate) fn restore(from: &Path, data_dir: &Path) -> Result<Manifest> {
    backup::restore(from, data_dir)
}

/// The journal, read beside its owner.
///
/// # Errors
/// `not_found`, `corrupt`, `format_too_new`, `unavailable`.
pub(crate) fn journal(data_dir: &Path) -> Result<Journal> {
    Journal::open(&data_dir.join("journal.db"))
}

/// The record store, read beside its owner.
///
/// # Errors
/// As [`journal`].
pub(crate) fn records(data_dir: &Path) -> Result<Records> {
    Records::open(&data_dir.join("records.db"))
}

/// Which embedder filled the index, if one did.
///
/// # Errors
/// `corrupt`, `unavailable`.
pub(crate) fn collection(data_dir: &Path) -> Result<Option<Identity>> {
    vectors::identity_of(&data_dir.join("vectors"))
}

/// Which embedder is configured.
///
/// # Errors
/// `bad_config`.
pub(crate) fn identity(config: &Config) -> Result<Identity> {
    Ok(language::identity(embedding::identity(&config.embedder)?, config.language))
}

/// The directory as the file system shows it.
///
/// # Errors
/// `bad_config`, `unavailable`.
pub(crate) fn facts(data_dir: &Path) -> Result<Facts> {
    Facts::of(data_dir)
}

/// The version of its layout.
///
/// # Errors
/// `not_found`, `format_too_new`, `corrupt`.
pub(crate) fn format(data_dir: &Path) -> Result<u32> {
    directory::read_format(data_dir)
}

/// The process that owns it, where the system tells.
pub(crate) fn owner(data_dir: &Path) -> Option<u32> {
    directory::owner(data_dir)
}

/// The server that owns it, if one has published its address.
pub(crate) fn server(data_dir: &Path) -> Option<Running> {
    directory::find_server(data_dir)
}

/// How many files a process, or else this one, may open, where the system tells (Linux does).
pub(crate) fn open_files_max(pid: Option<u32>) -> Option<u64> {
    let process = pid.map_or("self".to_owned(), |pid| pid.to_string());
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}
