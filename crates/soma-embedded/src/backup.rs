//! Backups of a data directory: the journal, from which everything else is built.
//!
//! ```text
//! <backup>/                     or one file, <backup>.tar, of the same four
//!   journal.db    the journal as it was at one moment
//!   journal.tip   where it ended then
//!   format        the version of the layout
//!   backup.json   when it was made, what it holds, and the SHA-256 of the others
//! ```
//!
//! Invariants:
//!
//! - A backup is taken of a directory in use as of one at rest, and holds every write that was
//!   acknowledged before it began.
//! - It appears under its name when it is complete, on disk and verified; until then its name ends
//!   in `.part`.
//! - Nothing is restored that does not match its checksums, and nothing into a directory that holds
//!   anything.
//!
//! Records and vectors are not in it: whoever opens the restored directory builds them anew.

mod manifest;
mod pack;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use soma_core::error::{Code, Error, Result};
use soma_core::ids::Timestamp;

pub use manifest::{Kept, Manifest};

use crate::directory::{self, DataDir};
use crate::journal::Beside;

const JOURNAL: &str = "journal.db";
const TIP: &str = "journal.tip";
const FORMAT: &str = "format";
/// What a backup holds beside its manifest. The format comes last: a directory is not taken for a
/// complete one without it.
const FILES: [&str; 3] = [JOURNAL, TIP, FORMAT];

/// Backs a data directory up to `to`: one file when the name ends in `.tar`, else a folder.
///
/// # Errors
/// `not_found` when there is no journal, `bad_request` when `to` exists or cannot be written,
/// `corrupt` when the journal or what was written of it is damaged, `storage_full`, `unavailable`.
pub fn create(data_dir: &Path, to: &Path, now: Timestamp) -> Result<Manifest> {
    refuse_existing(to)?;
    directory::read_format(data_dir)?;
    let journal = Beside::open(&data_dir.join(JOURNAL))?;
    let part = Part::new(to)?;
    journal.copy_to(&part.folder.join(JOURNAL))?;
    let format = part.folder.join(FORMAT);
    fs::copy(data_dir.join(FORMAT), &format).and_then(|_| sync(&format)).map_err(failing("write", &format))?;
    let manifest = Manifest::of(&part.folder, now)?;
    manifest.write(&part.folder)?;
    sync(&part.folder).map_err(failing("write", &part.folder))?;
    check_folder(&part.folder)?;
    part.appear(to)?;
    if is_packed(to) {
        check(to)?;
    }
    Ok(manifest)
}

/// Verifies a backup: its checksums, and every record in its journal.
///
/// # Errors
/// `not_found`, `corrupt`, `format_too_new`, `unavailable`.
pub fn check(backup: &Path) -> Result<Manifest> {
    if !is_packed(backup) {
        return check_folder(backup);
    }
    let unpacked = Part::new(backup)?;
    pack::unpack(backup, &unpacked.folder)?;
    check_folder(&unpacked.folder)
}

/// Restores a backup into a directory that is empty or not there.
///
/// # Errors
/// `bad_request` when the directory holds anything, `in_use` when a process owns it; as [`check`];
/// `storage_full`.
pub fn restore(backup: &Path, data_dir: &Path) -> Result<Manifest> {
    if !backup.exists() {
        return Err(not_there(backup));
    }
    let lock = directory::take_empty(data_dir)?;
    let unpacked = if is_packed(backup) { Some(Part::inside(data_dir)?) } else { None };
    let folder = match &unpacked {
        Some(part) => {
            pack::unpack(backup, &part.folder)?;
            part.folder.as_path()
        }
        None => backup,
    };
    let manifest = check_folder(folder)?;
    for name in FILES {
        let target = data_dir.join(name);
        fs::copy(folder.join(name), &target).and_then(|_| private(&target)).map_err(failing("write", &target))?;
        sync(&target).map_err(failing("write", &target))?;
    }
    sync(data_dir).map_err(failing("write", data_dir))?;
    drop(unpacked);
    drop(lock);
    // Opened once, so that what is refused at a start is refused here.
    DataDir::open(data_dir)?;
    Ok(manifest)
}

fn check_folder(folder: &Path) -> Result<Manifest> {
    let manifest = Manifest::read(folder)?;
    manifest.verify(folder)?;
    directory::read_format(folder)?;
    let mut journal = Beside::open_copy(&folder.join(JOURNAL))?;
    journal.compare_tip()?;
    let checked = journal.check()?;
    manifest.compare(journal.id(), &checked)?;
    Ok(manifest)
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"))
}

fn refuse_existing(to: &Path) -> Result<()> {
    if to.exists() {
        return Err(Error::new(Code::BadRequest, format!("{} is there already", to.display()))
            .remedy("name a file or folder that is not there; a backup never replaces another"));
    }
    Ok(())
}

/// A folder that is removed again unless it becomes the backup.
struct Part {
    folder: PathBuf,
}

impl Part {
    /// Beside the backup of that name.
    fn new(to: &Path) -> Result<Self> {
        let mut name = to.file_name().map(OsString::from).unwrap_or_default();
        name.push(".part");
        Self::make(to.with_file_name(name))
    }

    fn inside(folder: &Path) -> Result<Self> {
        Self::make(folder.join("restore.part"))
    }

    fn make(folder: PathBuf) -> Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::new(Code::InUse, format!("{} is there already", folder.display()))
                    .remedy("wait until the other backup has ended, or remove what an interrupted one left behind"))
            }
            Err(e) => Err(failing("make", &folder)(e)),
        }
    }

    /// Gives the backup its name.
    fn appear(self, to: &Path) -> Result<()> {
        if is_packed(to) {
            let fresh = self.folder.join("packed");
            pack::pack(&self.folder, &fresh)?;
            fs::rename(&fresh, to).map_err(failing("write", to))?;
        } else {
            fs::rename(&self.folder, to).map_err(failing("write", to))?;
        }
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(parent).map_err(failing("write", parent))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.folder) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => tracing::warn!(error = %e, folder = %self.folder.display(), "cannot remove a part of a backup"),
        }
    }
}

/// Waits until a file or folder is on disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a file readable for its owner only.
fn private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn not_there(backup: &Path) -> Error {
    Error::new(Code::NotFound, format!("there is no backup {}", backup.display()))
        .remedy("name a folder or .tar file that `soma backup` has written")
}

/// What failed on a file of a backup, for its reader.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow: the rest is alike to us")]
fn failing<'a>(doing: &'a str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |e| {
        let (code, remedy) = match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (Code::StorageFull, "free space on its file system, or choose another place")
            }
            io::ErrorKind::NotFound => (Code::NotFound, "check the path"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => {
                (Code::BadRequest, "choose a place that you can write")
            }
            _ => (Code::Unavailable, "check the disk, or choose another place"),
        };
        Error::new(code, format!("cannot {doing} {}: {e}", path.display())).remedy(remedy).because(e)
    }
}
