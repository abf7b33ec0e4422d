//! What can be seen of a data directory from outside.

use std::fs;
use std::path::Path;

use soma_core::error::Result;

use super::{LOCK, failed};

/// A data directory as the file system shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether others than its owner can enter it.
    pub open_to_others: bool,
    /// Whether this process may write in it.
    pub writable: bool,
    /// Bytes that may still be written to its file system.
    pub free_bytes: u64,
    /// Bytes that its own files hold.
    pub used_bytes: u64,
}

impl Facts {
    /// Looks at a directory.
    ///
    /// # Errors
    /// `bad_config` when it cannot be looked at; `unavailable`.
    pub fn of(path: &Path) -> Result<Self> {
        let failing = |e| failed("look at", path, e);
        let metadata = fs::metadata(path).map_err(failing)?;
        let system = rustix::fs::statvfs(path).map_err(|e| failing(e.into()))?;
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
        Ok(Self {
            open_to_others: mode & 0o077 != 0,
            writable: rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok(),
            free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
            used_bytes: used(path),
        })
    }
}

/// Bytes of the files below a folder; what cannot be read counts nothing.
fn used(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => used(&entry.path()),
        // Files of the index are sparse: what they take is what counts.
        Ok(found) => std::os::unix::fs::MetadataExt::blocks(&found) * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The process that owns a directory, where the system tells (Linux does).
#[must_use]
pub fn owner(path: &Path) -> Option<u32> {
    let lock = fs::metadata(path.join(LOCK)).ok()?;
    let inode = std::os::unix::fs::MetadataExt::ino(&lock).to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 fd:00:123456 0 EOF`
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (kind, pid, file) = (fields.get(1)?, fields.get(4)?, fields.get(5)?);
        (*kind == "FLOCK" && file.rsplit(':').next() == Some(&inode)).then(|| pid.parse().ok())?
    })
}
