//! What a server's answer means for the caller. The only place where it is decided.
//!
//! A refusal of the request during a write is about one of its points: the projector finds it by
//! bisection. Everything that could be an outage, a wrong key or an overload is waited for, so that it
//! never empties the log into the dead letters.

use soma_core::error::{Code, Error};
use tonic::{Code as Grpc, Status};

use crate::tls;

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
    if let Some(fault) = tls::fault(&status) {
        let message = format!("{what} cannot be reached: {}", tls::reason(fault));
        return Error::new(Code::Unavailable, message).remedy(tls_remedy(fault)).because(status);
    }
    let said = &said(&status);
    let new = |code, text: String| Error::new(code, text);
    let error = match status.code() {
        Grpc::Unavailable | Grpc::Unknown => away(what, said),
        Grpc::Internal if is_garbled(said) => away(what, said),
        // Of a call that waited for a connection which was closed at once, by a port that wants TLS for instance.
        Grpc::Cancelled if said.contains("connection closed") => away(what, said),
        Grpc::Cancelled | Grpc::DeadlineExceeded => {
            new(Code::Unavailable, format!("{what} did not answer in time: {said}"))
        }
        Grpc::ResourceExhausted => new(Code::Unavailable, format!("{what} is asked for more than it can do: {said}")),
        Grpc::Aborted | Grpc::FailedPrecondition => new(Code::Unavailable, format!("{what} is not ready: {said}")),
        Grpc::Unauthenticated | Grpc::PermissionDenied => {
            new(Code::Unavailable, format!("{what} refuses the API key: {said}"))
                .remedy("set QDRANT_API_KEY, or QDRANT_API_KEY_FILE, to a key that may read and write this collection")
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

fn away(what: &str, said: &str) -> Error {
    Error::new(Code::Unavailable, format!("{what} cannot be reached: {said}")).remedy(
        "check that the server runs, that QDRANT_URL names its gRPC port, and that it begins with https if the server \
         has TLS; writing goes on by itself",
    )
}

/// What mends a handshake that failed.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list of rustls is open, and one remedy serves for the rest")]
fn tls_remedy(fault: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match fault {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "name the authority that signed the server's certificate in QDRANT_CA_LOCATION"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "use a host in QDRANT_URL that the certificate names"
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "renew the server's certificate; if it is not over, set the clock of this machine"
        }
        rustls::Error::InvalidMessage(_) => "begin QDRANT_URL with http, or switch TLS on at the server",
        _ => "check QDRANT_CA_LOCATION and the host in QDRANT_URL",
    }
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

/// Whoever is there does not speak the protocol: a server with TLS answers so to a client without.
fn is_garbled(said: &str) -> bool {
    said.contains("h2 protocol error")
}

/// The system's reason arrives only as text.
fn is_full(said: &str) -> bool {
    ["No space left", "os error 28", "available disk space", "Disk quota"].iter().any(|part| said.contains(part))
}

#[cfg(test)]
mod tests;
