//! What a failure of qdrant-edge means for the caller.
//!
//! The library answers most failures with an error and some with a panic (a failed flush, a file
//! shorter than its header says). Both become errors here; neither ends the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qdrant_edge::{OperationError, OperationResult};
use soma_core::error::{Code, Error, Result};

/// Runs one call into the library.
pub(super) fn contain<T>(dir: &Path, call: impl FnOnce() -> OperationResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(dir, error)),
        Err(panic) => Err(named(dir, said(panic.as_ref()))),
    }
}

fn classify(dir: &Path, error: OperationError) -> Error {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum: what is not about one point is about the files"
    )]
    match error {
        OperationError::ValidationError { description } => {
            Error::new(Code::StoreRejected, format!("the vector index refuses a point: {description}"))
        }
        OperationError::WrongVectorDimension { .. } | OperationError::WrongSparse | OperationError::WrongMulti => {
            Error::new(Code::StoreRejected, format!("the vector index refuses a point: {error}"))
        }
        OperationError::Cancelled { .. } | OperationError::Timeout { .. } | OperationError::OutOfMemory { .. } => {
            Error::new(Code::Unavailable, format!("the vector index in {} did not answer: {error}", dir.display()))
        }
        OperationError::ServiceError { description, .. } => named(dir, description),
        other => named(dir, other.to_string()),
    }
}

/// The system's reasons arrive only as text.
fn named(dir: &Path, what: String) -> Error {
    let has = |parts: &[&str]| parts.iter().any(|part| what.contains(part));
    let full_parts = [
        "No space left",
        "Not enough space",
        "os error 28",
        "StorageFull",
        "Disk quota",
        "File too large",
        "os error 27",
    ];
    if has(&full_parts) {
        return full(dir).because(what);
    }
    if has(&["Too many open files", "os error 24", "Resource temporarily unavailable", "os error 11)"]) {
        return Error::new(Code::Unavailable, format!("the vector index in {} cannot open its files", dir.display()))
            .remedy("raise the limit of open files, and see that no other process uses the folder")
            .because(what);
    }
    Error::new(Code::Corrupt, format!("the vector index in {} failed: {what}", dir.display())).remedy(format!(
        "start again; if it fails again, remove {}: the next start rebuilds it from the records",
        dir.display()
    ))
}

/// There is no space left for the index.
pub(super) fn full(dir: &Path) -> Error {
    Error::new(Code::StorageFull, format!("no space is left for the vector index in {}", dir.display()))
        .remedy("free some space on its file system; writing goes on by itself")
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}
