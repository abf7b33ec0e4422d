//! Every answer and what it means.

use soma_core::error::{Code, Kind};
use soma_core::projector::verdict::{self, Verdict};
use tonic::{Code as Grpc, Status};

use super::{Asked, error};

fn code(grpc: Grpc, said: &str, asked: Asked) -> Code {
    error(Status::new(grpc, said), "collection c", asked).code
}

#[test]
fn what_may_pass_is_waited_for() {
    for grpc in [
        Grpc::Unavailable,
        Grpc::Unknown,
        Grpc::Cancelled,
        Grpc::DeadlineExceeded,
        Grpc::ResourceExhausted,
        Grpc::Aborted,
        Grpc::FailedPrecondition,
        Grpc::Internal,
        Grpc::Unauthenticated,
        Grpc::PermissionDenied,
    ] {
        let error = error(Status::new(grpc, "why"), "collection c", Asked::Write);
        assert_eq!(error.kind(), Kind::Unavailable, "{grpc:?}");
        assert_eq!(verdict::of(&error), Verdict::Retry, "{grpc:?}");
        assert!(error.message.contains("why") && error.message.contains("collection c"), "{error}");
    }
    assert_eq!(code(Grpc::Internal, "No space left on device (os error 28)", Asked::Write), Code::StorageFull);
}

#[test]
fn only_a_refused_write_is_about_one_point() {
    assert_eq!(code(Grpc::InvalidArgument, "bad", Asked::Write), Code::StoreRejected);
    assert_eq!(code(Grpc::OutOfRange, "decoded message length too large", Asked::Write), Code::StoreRejected);
    assert_eq!(code(Grpc::InvalidArgument, "bad", Asked::Read), Code::Internal);
    assert_eq!(code(Grpc::InvalidArgument, "bad", Asked::Setup), Code::BadConfig);
}

#[test]
fn a_collection_that_was_removed_or_replaced_stops_the_projector_and_loses_no_event() {
    for (grpc, said) in [
        (Grpc::NotFound, "Collection `c` doesn't exist!"),
        (Grpc::InvalidArgument, "Wrong input: Not existing vector name error: dense"),
        (Grpc::InvalidArgument, "Wrong input: Vector dimension error: expected dim: 4, got 8"),
    ] {
        let error = error(Status::new(grpc, said), "collection c", Asked::Write);
        assert_eq!((error.code, verdict::of(&error)), (Code::Corrupt, Verdict::Halt), "{said}");
        assert!(error.remedy.is_some(), "{said}");
    }
}

#[test]
fn a_server_that_does_not_speak_the_protocol_is_away_and_not_at_fault() {
    let said = "h2 protocol error: http2 error: connection error detected: frame with invalid size";
    let error = error(Status::new(Grpc::Internal, said), "collection c", Asked::Read);
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("QDRANT_URL") && remedy.contains("https")));
}

#[test]
fn a_broken_connection_says_why() {
    let status = Status::from_error(Box::new(std::io::Error::other("invalid peer certificate")));
    let error = error(status, "collection c", Asked::Read);
    assert!(error.message.contains("invalid peer certificate"), "{error}");
}
