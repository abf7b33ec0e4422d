//! Whether the journal's files are still the ones that are open.
//!
//! A file that is removed or replaced under a running process stays open: SQLite goes on writing into it,
//! `fsync` succeeds, and all of it is gone when the process ends. So after each commit, before anybody
//! hears of it, what lies under the names is compared with what was opened. The owner looks at the same
//! when nobody writes, through [`soma_core::log::EventLog::bounds`].

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use soma_core::error::{Code, Error, Result};

/// Tells a file from every other one that exists at the same time.
type Identity = (u64, u64);

/// The files as they were opened.
#[derive(Debug)]
pub(super) struct Files {
    opened: Vec<(PathBuf, Identity)>,
}

impl Files {
    /// Remembers the journal and its WAL, both of which are open.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn of(journal: &Path) -> Result<Self> {
        let mut opened = Vec::new();
        for path in [journal.to_owned(), super::wal_path(journal)] {
            match path.metadata() {
                Ok(found) => opened.push((path, identity(&found))),
                // Nothing was written since it was written back and removed.
                Err(e) if e.kind() == io::ErrorKind::NotFound && path != journal => {}
                Err(e) => return Err(lost(&path, &e.to_string())),
            }
        }
        Ok(Self { opened })
    }

    /// Refuses to go on with a file that is not under its name any more. Putting it back mends that.
    ///
    /// # Errors
    /// `unavailable`, naming the file.
    pub(super) fn check(&self) -> Result<()> {
        for (path, opened) in &self.opened {
            match path.metadata() {
                Ok(found) if identity(&found) == *opened => {}
                Ok(_) => return Err(lost(path, "another file has its name")),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(lost(path, "there is no such file")),
                Err(e) => return Err(lost(path, &e.to_string())),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn identity(_found: &Metadata) -> Identity {
    (0, 0)
}

fn lost(path: &Path, why: &str) -> Error {
    let message = format!("the journal's file {} was removed or replaced while it is in use: {why}", path.display());
    let pid = std::process::id();
    Error::new(Code::Unavailable, message).remedy(format!(
        "put that very file back, and writing goes on; where it was deleted, its content lasts as long as process {pid}: \
         before you stop it, copy it and its -wal from /proc/{pid}/fd (Linux), or else restore a backup"
    ))
}
