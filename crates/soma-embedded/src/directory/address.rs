//! Where the owner of a data directory listens.
//!
//! The file is locked by the process that published it before it appears under its name, and stays
//! locked until that process ends. A reader that can lock it knows that its owner is gone.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use soma_core::error::Result;

use super::{DataDir, failed, replace};

const ADDRESS: &str = "address";
/// Longer than any address file of ours.
const ADDRESS_BYTES_MAX: u64 = 4_096;

/// A server that owns a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it listens: `http://127.0.0.1:9595`.
    pub url: String,
    /// Its process id.
    pub pid: u32,
}

/// An address that others can find; dropping it withdraws it.
#[derive(Debug)]
pub struct Published {
    file: PathBuf,
    _lock: File,
    _directory: DataDir,
}

impl Drop for Published {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.file) {
            tracing::warn!(error = %e, file = %self.file.display(), "cannot withdraw the address");
        }
    }
}

pub(super) fn publish(directory: &DataDir, url: &str) -> Result<Published> {
    let file = directory.path().join(ADDRESS);
    let running = Running { url: url.to_owned(), pid: std::process::id() };
    let content = serde_json::to_vec(&running).expect("a text and a number can be written as JSON");
    let lock = replace(&file, &content, File::lock).map_err(|e| failed("write", &file, e))?;
    Ok(Published { file, _lock: lock, _directory: directory.clone() })
}

/// The server that owns the directory at this moment and has published its address.
#[must_use]
pub fn find_server(directory: &Path) -> Option<Running> {
    let mut file = File::open(directory.join(ADDRESS)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        // Nobody holds it: its owner ended without withdrawing it.
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let mut content = Vec::new();
    file.by_ref().take(ADDRESS_BYTES_MAX).read_to_end(&mut content).ok()?;
    serde_json::from_slice(&content).ok()
}
