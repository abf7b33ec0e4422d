//! A backup as one file: a tar archive, so that other programs can open it too.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Component, Path};

use soma_core::error::Result;
use tar::{Archive, Builder, Header};

use super::manifest::{NAME, damaged};
use super::{FILES, failing, not_there, private};

/// Writes the files of a folder into one, and waits until it is on disk.
pub(super) fn pack(folder: &Path, to: &Path) -> Result<()> {
    let write = || {
        let mut archive = Builder::new(BufWriter::new(File::create_new(to)?));
        private(to)?;
        for name in [NAME].into_iter().chain(FILES) {
            let file = File::open(folder.join(name))?;
            // Names and lengths only: who made it on which machine is nobody's business.
            let mut header = Header::new_gnu();
            header.set_size(file.metadata()?.len());
            header.set_mode(0o600);
            archive.append_data(&mut header, name, BufReader::new(file))?;
        }
        let mut file = archive.into_inner()?;
        file.flush()?;
        file.get_ref().sync_all()
    };
    write().map_err(failing("write", to))
}

/// Writes the files of a backup into a folder. Names that are not of a backup are refused.
pub(super) fn unpack(from: &Path, folder: &Path) -> Result<()> {
    if !from.is_file() {
        return Err(not_there(from));
    }
    let shown = from.display().to_string();
    let file = File::open(from).map_err(failing("read", from))?;
    let mut archive = Archive::new(BufReader::new(file));
    let broken = |e: std::io::Error| damaged(&shown, "it is not a whole tar archive").because(e);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().ok().and_then(|path| plain(&path));
        let Some(name) = name.filter(|_| entry.header().entry_type().is_file()) else {
            return Err(damaged(&shown, "it holds something that is not a file of a backup"));
        };
        let target = folder.join(name);
        let mut out = File::create_new(&target).map_err(failing("write", &target))?;
        std::io::copy(&mut entry, &mut out).map_err(broken)?;
    }
    Ok(())
}

/// The name, if it is one of a backup; `tar` itself writes `./name`.
fn plain(path: &Path) -> Option<&'static str> {
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else { return None };
    [NAME].into_iter().chain(FILES).find(|known| name.to_str() == Some(*known))
}
