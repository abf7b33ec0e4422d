//! The data directory: who owns it, which version it has, and where things lie in it.
//!
//! One process owns a directory, by an exclusive lock of the operating system that ends with the
//! process, however it ends. The owner may publish where it listens; the file with the address is
//! itself locked while that holds, so one that was left behind is recognised, and asking never
//! stands in the way of an owner that starts.
//!
//! It never removes data, and never changes the permissions of a folder that was there before.

mod address;
mod facts;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use soma_core::error::{Code, Error, Result};

pub use address::{Published, Running, find_server};
pub use facts::{Facts, owner};

/// The version of the layout that this program writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

const LOCK: &str = "lock";
const FORMAT_FILE: &str = "format";
const JOURNAL: &str = "journal.db";
const RECORDS: &str = "records.db";
const VECTORS: &str = "vectors";

/// A data directory that this process owns. Clones share the ownership; the last one gives it up.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: Arc<Path>,
    _lock: Arc<File>,
}

impl DataDir {
    /// Makes the directory when it is missing (for its owner only), and takes it.
    ///
    /// # Errors
    /// `in_use` when another process has it, `bad_config` when it is no directory or cannot be
    /// written, `format_too_new`, `corrupt`, `storage_full`, `unavailable`.
    pub fn open(path: &Path) -> Result<Self> {
        create(path)?;
        let lock = take(path)?;
        let directory = Self { path: path.into(), _lock: Arc::new(lock) };
        directory.check_format()?;
        Ok(directory)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The record store's file.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.path.join(RECORDS)
    }

    /// The folder of the vector index.
    #[must_use]
    pub fn vectors(&self) -> PathBuf {
        self.path.join(VECTORS)
    }

    /// Tells other processes where the owner listens, until the returned value is dropped.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`.
    pub fn publish_address(&self, url: &str) -> Result<Published> {
        address::publish(self, url)
    }

    fn check_format(&self) -> Result<()> {
        match read_format(&self.path) {
            Err(e) if e.code == Code::NotFound => self.write_format(),
            read => read.map(drop),
        }
    }

    fn write_format(&self) -> Result<()> {
        let file = self.path.join(FORMAT_FILE);
        if let Some(data) = [self.journal(), self.records()].into_iter().find(|data| data.exists()) {
            let found = format!("{} is missing, but {} is there", file.display(), data.display());
            return Err(Error::new(Code::Corrupt, found)
                .remedy(format!("restore it from a backup; version {FORMAT} is the text `{FORMAT}`")));
        }
        replace(&file, format!("{FORMAT}\n").as_bytes(), |_| Ok(())).map(drop).map_err(|e| failed("write", &file, e))
    }
}

/// The version of the layout of a directory, whoever owns it.
///
/// # Errors
/// `not_found` when there is no data directory, `format_too_new`, `corrupt`, `unavailable`.
pub fn read_format(path: &Path) -> Result<u32> {
    let file = path.join(FORMAT_FILE);
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(Error::new(Code::NotFound, format!("{} is not a data directory", path.display()))
                .remedy("name another one with --data-dir, or make one with `soma up`"));
        }
        Err(e) => return Err(failed("read", &file, e)),
    };
    let version = str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<u32>().ok());
    match version {
        Some(version) if version > FORMAT => {
            let found =
                format!("{} says version {version}, this program knows versions up to {FORMAT}", file.display());
            Err(Error::new(Code::FormatTooNew, found)
                .remedy("use the newer program that wrote the data directory, or another directory"))
        }
        Some(version @ 1..=FORMAT) => Ok(version),
        Some(_) | None => Err(Error::new(Code::Corrupt, format!("{} holds no version number", file.display()))
            .remedy(format!("restore it from a backup; version {FORMAT} is the text `{FORMAT}`"))),
    }
}

/// Makes the directory when it is missing and takes it, if it holds nothing.
///
/// # Errors
/// `bad_request` when it holds anything; `in_use`, `bad_config`, `unavailable`.
pub(crate) fn take_empty(path: &Path) -> Result<File> {
    create(path)?;
    let held = fs::read_dir(path).map_err(|e| failed("read", path, e))?;
    for entry in held {
        let entry = entry.map_err(|e| failed("read", path, e))?;
        if entry.file_name() != LOCK {
            let what = format!("{} is not empty: it holds {}", path.display(), entry.file_name().display());
            return Err(Error::new(Code::BadRequest, what)
                .remedy("name a directory that is empty or not there with --data-dir"));
        }
    }
    take(path)
}

fn create(path: &Path) -> Result<()> {
    if let Ok(found) = fs::metadata(path) {
        if found.is_dir() {
            return Ok(());
        }
        return Err(Error::new(Code::BadConfig, format!("the data directory {} is not a directory", path.display()))
            .remedy("name a directory in SOMA_DATA_DIR"));
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| failed("make the data directory", path, e))
}

fn take(path: &Path) -> Result<File> {
    let file = path.join(LOCK);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
    let mut lock = opened.map_err(|e| failed("open", &file, e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(path)),
        Err(TryLockError::Error(e)) => return Err(failed("lock", &file, e)),
    }
    // For people and for messages; the lock itself does not depend on it.
    let named = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
    named.map_err(|e| failed("write", &file, e))?;
    Ok(lock)
}

fn in_use(path: &Path) -> Error {
    let pid = fs::read_to_string(path.join(LOCK)).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let mut message = format!("the data directory {} is in use", path.display());
    if let Some(pid) = pid {
        message.push_str(&format!(" by process {pid}"));
    }
    let remedy = match find_server(path) {
        Some(Running { url, .. }) => {
            message.push_str(&format!(", which listens on {url}"));
            "send requests to that address, stop that process, or choose another SOMA_DATA_DIR"
        }
        None => "wait until that process has ended, stop it, or choose another SOMA_DATA_DIR",
    };
    Error::new(Code::InUse, message).remedy(remedy)
}

/// Replaces a file as a whole: readers see the old content or the new. `prepare` sees the new file
/// before anybody else does.
fn replace(file: &Path, content: &[u8], prepare: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    let fresh = file.with_extension("new");
    let mut opened = File::create(&fresh)?;
    opened.write_all(content)?;
    opened.sync_all()?;
    prepare(&opened)?;
    fs::rename(&fresh, file)?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(opened)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow: the rest is alike to us")]
fn failed(doing: &str, path: &Path, e: io::Error) -> Error {
    let (code, remedy) = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Code::StorageFull, "free space on its file system, or name another directory in SOMA_DATA_DIR")
        }
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename => (Code::BadConfig, "name a directory that you can write in SOMA_DATA_DIR"),
        _ => (Code::Unavailable, "check the disk, or name another directory in SOMA_DATA_DIR"),
    };
    Error::new(code, format!("cannot {doing} {}: {e}", path.display())).remedy(remedy).because(e)
}
