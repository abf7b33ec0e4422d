//! What an error of SQLite means to its reader.

use rusqlite::{ErrorCode, ffi};
use soma_core::error::{Code, Error};

use super::Database;

/// Names the file, says what could not be done and what helps.
pub(super) fn classify(database: &Database, doing: &str, error: rusqlite::Error) -> Error {
    let (name, path) = (database.kind.name, database.path.display());
    let code = code_of(&error);
    if code == Code::Corrupt {
        return database.corrupt(reason(&error)).because(error);
    }
    let (why, remedy) = if code == Code::StorageFull {
        ("there is no space left".to_owned(), "free space on the file system of the data directory, then try again")
    } else if code == Code::StoreRejected {
        (reason(&error), "correct the input")
    } else if code == Code::Internal {
        (reason(&error), "report this as a defect")
    } else {
        (reason(&error), "check the disk and the permissions of the data directory, then try again")
    };
    Error::new(code, format!("cannot {doing} the {name} {path}: {why}")).remedy(remedy).because(error)
}

fn reason(error: &rusqlite::Error) -> String {
    let rusqlite::Error::SqliteFailure(failure, text) = error else { return error.to_string() };
    let text = text.clone().unwrap_or_else(|| failure.to_string());
    format!("{text} (SQLite error {})", failure.extended_code)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow: the rest is alike to us")]
fn code_of(error: &rusqlite::Error) -> Code {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => code_of_failure(failure),
        // A column holds another type than the schema gave it: somebody else wrote it.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::InvalidColumnType(..) => Code::Corrupt,
        rusqlite::Error::ToSqlConversionFailure(_) | rusqlite::Error::NulError(_) => Code::StoreRejected,
        _ => Code::Internal,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow: the rest is alike to us")]
fn code_of_failure(failure: &ffi::Error) -> Code {
    match failure.code {
        ErrorCode::DiskFull => Code::StorageFull,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Code::Corrupt,
        ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch => Code::StoreRejected,
        ErrorCode::SystemIoFailure => match failure.extended_code {
            // Growing the shared memory file fails for no other reason.
            ffi::SQLITE_IOERR_SHMSIZE => Code::StorageFull,
            ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA => Code::Corrupt,
            _ => Code::Unavailable,
        },
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OutOfMemory
        | ErrorCode::ReadOnly
        | ErrorCode::OperationInterrupted
        | ErrorCode::CannotOpen
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::PermissionDenied => Code::Unavailable,
        _ => Code::Internal,
    }
}
