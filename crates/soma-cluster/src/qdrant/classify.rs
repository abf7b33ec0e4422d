//! What a server's answer means for the caller. The only place where it is decided.
//!
//! A refusal of the request during a write is about one of its points: the projector finds it by
//! bisection. Everything that could be an outage, a wrong key or an overload is waited for, so that it
//! never empties the log into the dead letters.

use soma_core::error::{Code, Error};
use tonic::{Code as Grpc, Status};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Opening the collection.
    Setup,
    /// Changing points.
    Write,
    /// Reading.
    Read,
}

/// The error of an answer; `what` names server and collection.
pub(super) fn error(status: Status, what: &str, asked: Asked) -> Error {
    let said = &said(&status);
    let new = |code, text: String| Error::new(code, text);
    let error = match status.code() {
        Grpc::Unavailable | Grpc::Unknown => new(Code::Unavailable, format!("{what} cannot be reached: {said}"))
            .remedy("check that the server runs and that QDRANT_URL names its gRPC port; writing goes on by itself"),
        Grpc::Cancelled | Grpc::DeadlineExceeded => {
            new(Code::Unavailable, format!("{what} did not answer in time: {said}"))
        }
        Grpc::ResourceExhausted => new(Code::Unavailable, format!("{what} is asked for more than it can do: {said}")),
        Grpc::Aborted | Grpc::FailedPrecondition => new(Code::Unavailable, format!("{what} is not ready: {said}")),
        Grpc::Unauthenticated | Grpc::PermissionDenied => {
            new(Code::Unavailable, format!("{what} refuses the API key: {said}"))
                .remedy("set QDRANT_API_KEY to a key that may read and write this collection")
        }
        Grpc::NotFound => gone(what, said),
        Grpc::InvalidArgument | Grpc::OutOfRange => refused(what, said, asked),
        Grpc::Unimplemented => new(Code::BadConfig, format!("{what} does not know the request: {said}"))
            .remedy("see that the URL names the gRPC port of a Qdrant server"),
        Grpc::Internal if is_full(said) => new(Code::StorageFull, format!("{what} has no space left: {said}"))
            .remedy("free some space on the server; writing goes on by itself"),
        Grpc::Internal => new(Code::Unavailable, format!("{what} failed: {said}"))
            .remedy("look into the server's own log; the same is tried again"),
        Grpc::DataLoss => {
            new(Code::Corrupt, format!("{what} has lost data: {said}")).remedy("look into the server's own log")
        }
        Grpc::Ok | Grpc::AlreadyExists => new(Code::Internal, format!("{what} answers what was not asked: {said}")),
    };
    error.because(status)
}

/// What the server says, and of a broken connection also why: that stands at the end of the chain.
fn said(status: &Status) -> String {
    let mut cause = None;
    let mut next = std::error::Error::source(status);
    while let Some(inner) = next {
        cause = Some(inner.to_string());
        next = inner.source();
    }
    let said = status.message();
    match cause {
        Some(cause) if !said.contains(&cause) => format!("{said}: {cause}"),
        Some(_) | None => said.to_owned(),
    }
}

fn gone(what: &str, said: &str) -> Error {
    Error::new(Code::Corrupt, format!("{what} is gone: {said}"))
        .remedy("start again: the start makes the collection anew and fills it from the records")
}

fn refused(what: &str, said: &str, asked: Asked) -> Error {
    // Points are checked before they are sent, so these are about the collection, not about a point.
    let another = ["ot existing vector name", "ector dimension error", "Conversion between"];
    if another.iter().any(|part| said.contains(part)) {
        return Error::new(Code::Corrupt, format!("{what} has other vectors than it was opened with: {said}"))
            .remedy("see who else uses the collection, or name another one");
    }
    match asked {
        Asked::Write => Error::new(Code::StoreRejected, format!("{what} refuses a point: {said}")),
        Asked::Setup => Error::new(Code::BadConfig, format!("{what} cannot be opened: {said}"))
            .remedy("see the server's limits and the name of the collection"),
        Asked::Read => Error::new(Code::Internal, format!("{what} refuses a question: {said}")),
    }
}

/// The system's reason arrives only as text.
fn is_full(said: &str) -> bool {
    ["No space left", "os error 28", "available disk space", "Disk quota"].iter().any(|part| said.contains(part))
}

#[cfg(test)]
mod tests;
