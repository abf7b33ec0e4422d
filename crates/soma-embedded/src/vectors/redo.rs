//! What was flushed while points were packed: `<dir>/redo`.
//!
//! The library cannot flush then, and a join takes seconds. So a flush that meets packing appends the changes
//! since the last one to this file and syncs it; they are applied again when the folder is opened, and the file
//! is emptied once the library itself has them durable.
//!
//! ```text
//! record   length of the body (u32), xxh3 of the body (u64), body
//! body     kind (1 upserts, 2 deletes, 3 purge), rev (u64), number of points (u32), the points
//! point    id (16 bytes); of an upsert also: payload (length, JSON), dense vector (length, f32 …),
//!          words (length, terms, weights)
//! ```
//!
//! Numbers are little-endian, lengths u32. A record that was cut short was never acknowledged, and ends the
//! file. As in the library's own files, of a memory's words only digests stand here.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use qdrant_edge::{Payload, PointId, PointStructPersisted};
use soma_core::index::Sparse;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::point;
use super::writes::Run;

const FILE: &str = "redo";
const UPSERTS: u8 = 1;
const DELETES: u8 = 2;
const PURGE: u8 = 3;

/// The open file.
pub(super) struct Redo {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Something may stand behind `bytes` that was never acknowledged.
    torn: bool,
}

impl Redo {
    /// Opens the file, or makes it.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(FILE);
        let new = !path.exists();
        let file = File::options().create(true).append(true).open(&path)?;
        if new {
            #[cfg(unix)]
            File::open(dir)?.sync_all()?;
        }
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, torn: false })
    }

    /// Whether there is nothing to apply.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// How many bytes there are.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes changes durable, if they leave `room` of the space that there is. Of changes that could not be
    /// written nothing is left.
    pub(super) fn append(&mut self, runs: &[Run], room: Option<u64>) -> io::Result<()> {
        let mut records = Vec::new();
        for run in runs {
            let body = encode(run)?;
            records.extend_from_slice(&length(body.len())?);
            records.extend_from_slice(&xxh3_64(&body).to_le_bytes());
            records.extend_from_slice(&body);
        }
        if room.is_some_and(|room| room < records.len() as u64) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.torn {
            self.file.set_len(self.bytes)?;
        }
        self.torn = true;
        if let Err(error) = self.file.write_all(&records).and_then(|()| self.file.sync_data()) {
            self.file.set_len(self.bytes)?;
            self.torn = false;
            return Err(error);
        }
        (self.torn, self.bytes) = (false, self.bytes + records.len() as u64);
        Ok(())
    }

    /// Forgets all changes, durably: later ones must never be followed by these.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.bytes > 0 || self.torn {
            self.file.set_len(0)?;
            self.file.sync_data()?;
            (self.torn, self.bytes) = (false, 0);
        }
        Ok(())
    }

    /// Hands out the changes in their order.
    ///
    /// # Errors
    /// Those of `apply`; those of the file go through `failed`.
    pub(super) fn replay<E>(
        &self,
        failed: impl FnOnce(io::Error) -> E,
        mut apply: impl FnMut(Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut file = match File::open(&self.path) {
            Ok(file) => BufReader::new(file),
            Err(error) => return Err(failed(error)),
        };
        let mut left = self.bytes;
        loop {
            match next(&mut file, &mut left) {
                Ok(Some(run)) => apply(run)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// Removes the file beside an index that is made anew.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The next whole record.
fn next(file: &mut impl Read, left: &mut u64) -> io::Result<Option<Run>> {
    const HEAD: u64 = 12;
    if *left < HEAD {
        return Ok(None);
    }
    let (mut length, mut sum) = ([0; 4], [0; 8]);
    file.read_exact(&mut length)?;
    file.read_exact(&mut sum)?;
    let length = u32::from_le_bytes(length);
    if *left - HEAD < u64::from(length) {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    file.read_exact(&mut body)?;
    *left -= HEAD + u64::from(length);
    if xxh3_64(&body) != u64::from_le_bytes(sum) {
        return Ok(None);
    }
    decode(&mut Bytes(&body))
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a record of ours"))
}

fn length(n: usize) -> io::Result<[u8; 4]> {
    u32::try_from(n).map(u32::to_le_bytes).map_err(io::Error::other)
}

fn encode(run: &Run) -> io::Result<Vec<u8>> {
    let (kind, rev, count) = match run {
        Run::Upserts(rev, points) => (UPSERTS, *rev, points.len()),
        Run::Deletes(rev, ids) => (DELETES, *rev, ids.len()),
        Run::Purge(ids) => (PURGE, 0, ids.len()),
    };
    let mut body = vec![kind];
    body.extend_from_slice(&rev.to_le_bytes());
    body.extend_from_slice(&length(count)?);
    match run {
        Run::Upserts(_, points) => points.iter().try_for_each(|point| put(&mut body, point))?,
        Run::Deletes(_, ids) | Run::Purge(ids) => {
            ids.iter().for_each(|id| body.extend_from_slice(point::id(*id).0.as_bytes()));
        }
    }
    Ok(body)
}

fn put(body: &mut Vec<u8>, point: &PointStructPersisted) -> io::Result<()> {
    body.extend_from_slice(point::id(point.id).0.as_bytes());
    let payload = serde_json::to_vec(&point.payload.as_ref().map(|payload| &payload.0))?;
    let (dense, Sparse { indices, values }) = point::persisted(&point.vector);
    body.extend_from_slice(&length(payload.len())?);
    body.extend_from_slice(&payload);
    body.extend_from_slice(&length(dense.len())?);
    dense.iter().for_each(|n| body.extend_from_slice(&n.to_le_bytes()));
    body.extend_from_slice(&length(indices.len())?);
    indices.iter().for_each(|term| body.extend_from_slice(&term.to_le_bytes()));
    values.iter().for_each(|n| body.extend_from_slice(&n.to_le_bytes()));
    Ok(())
}

/// What is left of a body.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk::<N>()?;
        self.0 = left;
        Some(*taken)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn length(&mut self) -> Option<usize> {
        self.take().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn words<T>(&mut self, count: usize, read: impl Fn([u8; 4]) -> T) -> Option<Vec<T>> {
        let (words, _) = self.slice(count.checked_mul(4)?)?.as_chunks::<4>();
        Some(words.iter().map(|word| read(*word)).collect())
    }

    fn id(&mut self) -> Option<PointId> {
        self.take().map(|bytes| PointId::Uuid(Uuid::from_bytes(bytes)))
    }
}

fn decode(bytes: &mut Bytes<'_>) -> Option<Run> {
    let [kind] = bytes.take()?;
    let rev = u64::from_le_bytes(bytes.take()?);
    let count = bytes.length()?;
    let run = match kind {
        UPSERTS => Run::Upserts(rev, (0..count).map(|_| point(bytes)).collect::<Option<_>>()?),
        DELETES => Run::Deletes(rev, (0..count).map(|_| bytes.id()).collect::<Option<_>>()?),
        PURGE => Run::Purge((0..count).map(|_| bytes.id()).collect::<Option<_>>()?),
        _ => return None,
    };
    bytes.0.is_empty().then_some(run)
}

fn point(bytes: &mut Bytes<'_>) -> Option<PointStructPersisted> {
    let id = bytes.id()?;
    let payload = bytes.length()?;
    let payload: Option<_> = serde_json::from_slice(bytes.slice(payload)?).ok()?;
    let dense = bytes.length()?;
    let dense = bytes.words(dense, f32::from_le_bytes)?;
    let terms = bytes.length()?;
    let (indices, values) = (bytes.words(terms, u32::from_le_bytes)?, bytes.words(terms, f32::from_le_bytes)?);
    Some(PointStructPersisted {
        id,
        vector: point::named(dense, Sparse { indices, values }),
        payload: payload.map(Payload),
    })
}

#[cfg(test)]
mod tests;
