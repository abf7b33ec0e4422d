//! Memory and disk: what a server holds after the measurements, and what each memory takes on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use soma_core::Result;

use super::lab::{Bare, Lab};
use super::report::Figure;
use super::server::Resident;
use super::stats::Samples;

/// Resident memory of the server, which was asked many questions.
pub(super) fn memory(lab: &Lab, resident: Resident, memories: u64, size: u64) -> Vec<Figure> {
    let vectors = (vector_bytes(lab) * memories) as f64 / f64::from(1 << 20);
    vec![
        Figure::new("memory_anonymous", size, Samples::one(resident.anonymous), vec![Samples::one(vectors)]),
        Figure::new("memory_files", size, Samples::one(resident.files), vec![Samples::one(vectors)]),
    ]
}

/// Bytes on the disk for each memory, by store, after an orderly end.
///
/// # Errors
/// Those of the bare table.
pub(super) fn disk(lab: &Lab, bare: &Bare, memories: u64, size: u64) -> Result<Vec<Figure>> {
    let each = |bytes: u64, count: u64| Samples::one(bytes as f64 / count.max(1) as f64);
    let table = each(used(bare.path(), "table."), bare.table.count()?);
    let vector = Samples::one(vector_bytes(lab) as f64);
    let data = lab.folder.data();
    let figure = |name: &str, files: &str, bare: &Samples| {
        Figure::new(name, size, each(used(&data, files), memories), vec![bare.clone()])
    };
    Ok(vec![
        figure("disk_journal", "journal.", &table),
        figure("disk_records", "records.", &table),
        figure("disk_vectors", "vectors", &vector),
    ])
}

/// Bytes of one dense vector.
fn vector_bytes(lab: &Lab) -> u64 {
    (lab.embedder.identity().dims * size_of::<f32>()) as u64
}

/// Bytes that files take whose names begin so, and everything below folders of such names. Files of the
/// index are sparse: what they take is what counts.
fn used(folder: &Path, start: &str) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    let bytes = named.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => used(&entry.path(), ""),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    });
    bytes.sum()
}
