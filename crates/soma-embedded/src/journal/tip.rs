//! How far the journal was acknowledged, kept outside of the journal.
//!
//! SQLite takes a damaged or missing WAL for the end of the log: commits would vanish without a
//! word. So after each commit, and before anybody hears of it, the writer notes the end of the log
//! in `journal.tip`. The note is not synced: it survives the end of the process, and after a power
//! failure an older note is merely a weaker witness. It is never ahead of what is durable, so a
//! journal that ends before its tip has lost acknowledged records.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use soma_core::error::{Code, Error, Result};
use soma_core::ids::Offset;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"somatip1";
const BYTES: usize = 48;

/// What the journal must at least hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) log_id: [u8; 16],
    pub(super) next: Offset,
    pub(super) changes: u64,
}

impl Tip {
    /// The tip beside the journal, if one was ever noted.
    ///
    /// # Errors
    /// `corrupt` when the file holds anything else; `unavailable`.
    pub(super) fn load(path: &Path) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(path, e)),
        }
        // A power failure may leave the file without its first content.
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        Self::decode(&bytes).map(Some).ok_or_else(|| {
            Error::new(Code::Corrupt, format!("{} cannot be read", path.display())).remedy(
                "move this file away and run `soma verify`: the file is made anew, and what the journal holds is \
                     compared with both stores; only records missing from its end would go unnoticed this once",
            )
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        if xxh3_64(content) != u64::from_le_bytes(*sum) {
            return None;
        }
        let content = content.strip_prefix(MAGIC.as_slice())?;
        let (log_id, content) = content.split_first_chunk::<16>()?;
        let (next, changes) = content.split_first_chunk::<8>()?;
        Some(Self {
            log_id: *log_id,
            next: u64::from_le_bytes(*next),
            changes: u64::from_le_bytes(changes.try_into().ok()?),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.log_id);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        bytes.extend_from_slice(&self.changes.to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }
}

/// The open file of the tip.
#[derive(Debug)]
pub(super) struct TipFile {
    path: PathBuf,
    file: File,
}

impl TipFile {
    /// Opens the file for writing, making it when it is missing.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        file.map(|file| Self { path: path.to_owned(), file }).map_err(|e| unreadable(path, e))
    }

    /// Makes the file with its first note, and waits until it is on disk.
    ///
    /// # Errors
    /// `unavailable`.
    pub(super) fn create(path: &Path, tip: &Tip) -> Result<()> {
        let made = File::create_new(path).and_then(|mut file| {
            file.write_all(&tip.encode())?;
            file.sync_all()
        });
        made.map_err(|e| unreadable(path, e))
    }

    /// Notes the tip. A failure leaves an older note, which is a weaker witness and nothing worse.
    pub(super) fn note(&mut self, tip: &Tip) {
        let noted = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&tip.encode()));
        if let Err(e) = noted {
            tracing::warn!(error = %e, file = %self.path.display(), "cannot note how far the journal was acknowledged");
        }
    }
}

fn unreadable(path: &Path, e: io::Error) -> Error {
    Error::new(Code::Unavailable, format!("cannot open {}: {e}", path.display()))
        .remedy("check the disk and the permissions of the data directory")
        .because(e)
}
