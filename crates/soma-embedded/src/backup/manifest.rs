//! What a backup says about itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use soma_core::error::{Code, Error, Result};
use soma_core::ids::{LogId, Timestamp};

use super::{FILES, JOURNAL, failing, not_there, sync};
use crate::journal::{Beside, Checked};

pub(super) const NAME: &str = "backup.json";
/// The version of this file.
const VERSION: u32 = 1;
/// Larger than any manifest of ours.
const BYTES_MAX: u64 = 1 << 16;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// When it was made: RFC 3339, in UTC.
    pub created_at: String,
    /// The log's name.
    pub log: String,
    /// How many records of the log: offsets 0 to one less.
    pub records: u64,
    /// How many dead letters.
    pub dead_letters: u64,
    /// Its files.
    pub files: BTreeMap<String, Kept>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Of the files in a folder, each record of the journal verified.
    pub(super) fn of(folder: &Path, now: Timestamp) -> Result<Self> {
        let mut journal = Beside::open_copy(&folder.join(JOURNAL))?;
        let Checked { records, dead_letters } = journal.check()?;
        let kept = |name: &str| Ok((name.to_owned(), Kept::of(&folder.join(name))?));
        Ok(Self {
            version: VERSION,
            created_at: now.to_string(),
            log: journal.id().as_str().to_owned(),
            records,
            dead_letters,
            files: FILES.into_iter().map(kept).collect::<Result<_>>()?,
        })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let text = serde_json::to_string_pretty(self).expect("texts and numbers can be written as JSON");
        let write = || {
            File::create_new(&path)?.write_all(text.as_bytes())?;
            sync(&path)
        };
        write().map_err(failing("write", &path))
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        if !path.is_file() {
            return Err(not_there(folder));
        }
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
        read.map_err(failing("read", &path))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|e| damaged(&path.display().to_string(), "it is not a description of a backup").because(e))?;
        if manifest.version > VERSION {
            let what = format!("{} says version {}, this program knows {VERSION}", path.display(), manifest.version);
            return Err(Error::new(Code::FormatTooNew, what).remedy("use the newer program that wrote it"));
        }
        Ok(manifest)
    }

    /// Compares every file with its checksum.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        for name in FILES {
            let path = folder.join(name);
            let Some(expected) = self.files.get(name) else {
                return Err(damaged(&path.display().to_string(), "the description does not name it"));
            };
            let found = Kept::of(&path)?;
            if found != *expected {
                let what = format!(
                    "it has {} bytes with SHA-256 {}, and should have {} with {}",
                    found.bytes, found.sha256, expected.bytes, expected.sha256
                );
                return Err(damaged(&path.display().to_string(), &what));
            }
        }
        Ok(())
    }

    /// Whether the journal is the one that is described.
    pub(super) fn compare(&self, log: &LogId, checked: &Checked) -> Result<()> {
        if (self.log.as_str(), self.records, self.dead_letters) == (log.as_str(), checked.records, checked.dead_letters)
        {
            return Ok(());
        }
        Err(damaged(JOURNAL, "it holds another log, or another number of records, than the description says"))
    }
}

impl Kept {
    fn of(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(failing("read", path))?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut Hashing(&mut hash)).map_err(failing("read", path))?;
        let sha256 = hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        });
        Ok(Self { bytes, sha256 })
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn damaged(path: &str, what: &str) -> Error {
    Error::new(Code::Corrupt, format!("the backup is damaged: {path}: {what}")).remedy("use another backup")
}
