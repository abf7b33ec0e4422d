//! A server that is away, slow, overloaded, or does half of what it was asked.

use std::time::Duration;

use soma_cluster::qdrant::Vectors;
use soma_core::error::{Code, Error};
use soma_core::index::{Op, Query, Search, Sparse, VectorIndex};
use soma_core::projector::verdict::{self, Verdict};
use soma_testkit::qdrant::{Fault, StandIn};
use tonic::Code as Grpc;

use super::{Outcome, connect, id, identity, impatient, point, revs, upsert};

fn words() -> Search {
    let query = Query::Sparse(Sparse { indices: vec![7], values: vec![1.0] });
    Search { query, namespaces: None, filter: None, ids: None, limit: 10 }
}

/// What every call of the port answers while the server fails, all made at once.
async fn errors(vectors: &Vectors) -> Vec<(&'static str, Option<Error>)> {
    let (ids, search) = ([id(1)], words());
    let (write, many, delete, found, scan, count, purge, facts) = futures::join!(
        vectors.write(vec![upsert(1, 1)]),
        vectors.write((0..2_000).map(|n| upsert(n, 1)).collect()),
        vectors.write(vec![Op::Delete { id: id(1), rev: 9 }]),
        vectors.search(&search),
        vectors.scan(None, 10),
        vectors.count(),
        vectors.purge(&ids),
        vectors.facts(),
    );
    vec![
        ("write", write.err()),
        ("write of many", many.err()),
        ("delete", delete.err()),
        ("search", found.err()),
        ("scan", scan.err()),
        ("count", count.err()),
        ("purge", purge.err()),
        ("facts", facts.err()),
    ]
}

fn assert_waited_for(errors: Vec<(&'static str, Option<Error>)>) -> Outcome {
    for (call, error) in errors {
        let error = error.ok_or_else(|| format!("{call} went through"))?;
        assert_eq!(error.code, Code::Unavailable, "{call}: {error}");
        assert_eq!(verdict::of(&error), Verdict::Retry, "{call}: {error}");
        assert!(error.message.contains("memories"), "{call} names the collection: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_the_connection_comes_back_by_itself() -> Outcome {
    let mut stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    vectors.write(vec![upsert(1, 1)]).await?;
    stand_in.flush()?;
    stand_in.kill()?;
    assert_waited_for(errors(&vectors).await)?;
    let refused = connect(&stand_in).await.err().ok_or("connected to nobody")?;
    assert_eq!(refused.code, Code::Unavailable);
    stand_in.start_again()?;
    assert_eq!(revs(&vectors).await?, [(id(1), 1)]);
    Ok(())
}

#[tokio::test]
async fn overload_and_failures_of_the_server_are_waited_for() -> Outcome {
    let stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    for code in [Grpc::Unavailable, Grpc::ResourceExhausted, Grpc::DeadlineExceeded, Grpc::Internal, Grpc::Aborted] {
        stand_in.fail(Fault::Refuse(code, "by the test".into()));
        assert_waited_for(errors(&vectors).await)?;
    }
    stand_in.recover();
    vectors.write(vec![upsert(1, 1)]).await?;
    assert_eq!(vectors.count().await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_at_the_deadline() -> Outcome {
    let stand_in = StandIn::start()?;
    let (patient, _) = connect(&stand_in).await?;
    let (vectors, _) = Vectors::connect(&impatient(stand_in.url()), identity()).await?;
    stand_in.fail(Fault::Slow(Duration::from_secs(3_600)));
    // A write of many requests ends with the others: one deadline bounds all of them.
    assert_waited_for(errors(&vectors).await)?;
    stand_in.recover();
    patient.write(vec![upsert(1, 1)]).await?;
    Ok(())
}

#[tokio::test]
async fn a_write_that_was_applied_in_part_ends_whole_when_it_is_repeated() -> Outcome {
    let stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    let first: Vec<Op> = (0..400).map(|n| upsert(n, 1)).collect();
    for applied in [0, 1, 40, 127] {
        stand_in.fail(Fault::Partial(applied));
        let error = vectors.write(first.clone()).await.err().ok_or("it went through")?;
        assert_eq!(error.code, Code::Unavailable);
    }
    vectors.write(first).await?;
    let mut second: Vec<Op> = (0..400).filter(|n| n % 3 != 0).map(|n| upsert(n, 2)).collect();
    second.extend((0..400).filter(|n| n % 3 == 0).map(|n| Op::Delete { id: id(n), rev: 2 }));
    for applied in [0, 30] {
        stand_in.fail(Fault::Partial(applied));
        assert!(vectors.write(second.clone()).await.is_err(), "it went through");
    }
    vectors.write(second.clone()).await?;
    vectors.write(second).await?;
    let mut expected: Vec<_> = (0..400).filter(|n| n % 3 != 0).map(|n| (id(n), 2)).collect();
    expected.sort_unstable();
    assert_eq!(revs(&vectors).await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_writer_that_was_replaced_does_not_overwrite_its_successor() -> Outcome {
    let stand_in = StandIn::start()?;
    let (old, _) = connect(&stand_in).await?;
    let (new, _) = connect(&stand_in).await?;
    old.write((0..200).map(|n| upsert(n, 5)).collect()).await?;
    new.write((0..200).map(|n| upsert(n, 7)).collect()).await?;
    let late = (0..200).map(|n| if n % 2 == 0 { upsert(n, 6) } else { Op::Delete { id: id(n), rev: 6 } });
    old.write(late.collect()).await?;
    assert!(revs(&new).await?.iter().all(|(_, rev)| *rev == 7));
    assert_eq!(new.count().await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_refused_point_is_named_as_such_so_that_it_alone_becomes_a_dead_letter() -> Outcome {
    let stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    stand_in.fail(Fault::Refuse(Grpc::InvalidArgument, "Wrong input: by the test".into()));
    let error = vectors.write(vec![upsert(1, 1)]).await.err().ok_or("it went through")?;
    assert_eq!((error.code, verdict::of(&error)), (Code::StoreRejected, Verdict::DeadLetter));
    stand_in.recover();
    for bad in [
        soma_core::index::Point { dense: vec![1.0; 3], ..point(1, 1) },
        soma_core::index::Point { dense: vec![0.0; super::DIMS], ..point(1, 1) },
        soma_core::index::Point { sparse: Sparse { indices: vec![2, 1], values: vec![1.0, 1.0] }, ..point(1, 1) },
    ] {
        let ops = vec![upsert(2, 1), Op::Upsert(Box::new(bad))];
        let error = vectors.write(ops).await.err().ok_or("it went through")?;
        assert_eq!(error.code, Code::StoreRejected);
    }
    assert_eq!(vectors.count().await?, 0, "nothing of a batch with a bad point is written");
    Ok(())
}

#[tokio::test]
async fn a_collection_that_vanishes_stops_the_projector_instead_of_emptying_the_log() -> Outcome {
    let stand_in = StandIn::start()?;
    let (vectors, _) = connect(&stand_in).await?;
    super::remove(&stand_in.url(), "memories").await?;
    let error = vectors.write(vec![upsert(1, 1)]).await.err().ok_or("it went through")?;
    assert_eq!((error.code, verdict::of(&error)), (Code::Corrupt, Verdict::Halt));
    assert!(error.remedy.is_some(), "{error}");
    connect(&stand_in).await?;
    Ok(())
}
