//! What a log does while its cluster fails, on a mock cluster that fails when it is told to.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaApiKey as Api;
use rdkafka::types::RDKafkaRespErr as Answer;
use soma_cluster::kafka::{Log, Settings, diagnose};
use soma_core::error::{Code, Kind};
use soma_core::ids::Offset;
use soma_core::log::{Appended, EventLog, ReadLimit};
use soma_core::testing::sample::{created, record};

use super::world::{RealClock, connect, mock, topic, within};

const ALL: ReadLimit = ReadLimit { records: 10_000, bytes: 64 << 20 };

async fn append(log: &Log, events: std::ops::Range<u64>) -> Vec<Offset> {
    let records = events.map(|n| record(&created(n % 7, n, "text"))).collect();
    let appended = log.append(records).await.expect("the broker is there");
    let offset = |appended: &Appended| match appended {
        Appended::New(place) => place.offset,
        Appended::Existing(record) => panic!("{} was known", record.place),
    };
    appended.iter().map(offset).collect()
}

async fn offsets(log: &Log, from: Offset, limit: ReadLimit) -> Vec<Offset> {
    let read = log.read(0, from, limit).await.expect("the broker is there");
    read.iter().map(|record| record.place.offset).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_to_a_broker_that_is_gone_is_refused_and_works_when_it_is_back() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    append(&log, 0..3).await;
    mock.broker_down(-1).expect("the mock obeys");
    let refused = within("the append", log.append(vec![record(&created(1, 3, "text"))])).await;
    let error = refused.expect_err("nobody acknowledged it");
    assert_eq!(error.code, Code::Unavailable, "{error}");
    assert!(error.remedy.is_some(), "{error}");
    mock.broker_up(-1).expect("the mock obeys");
    let again = append(&log, 4..6).await;
    let read = within("the read", offsets(&log, 0, ALL)).await;
    assert!(again.iter().all(|offset| read.contains(offset)), "{again:?} are not among {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_from_a_broker_that_is_gone_fails_and_goes_on_when_it_is_back() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    append(&log, 0..20).await;
    let ten = ReadLimit { records: 10, ..ALL };
    assert_eq!(offsets(&log, 0, ten).await, (0..10).collect::<Vec<_>>());
    mock.broker_down(-1).expect("the mock obeys");
    // Elsewhere than what is in memory already.
    let error = within("the read", log.read(0, 3, ten)).await.expect_err("the broker is gone");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    let error = within("the bounds", log.bounds()).await.expect_err("the broker is gone");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    mock.broker_up(-1).expect("the mock obeys");
    assert_eq!(within("the read", offsets(&log, 3, ALL)).await, (3..20).collect::<Vec<_>>());
    assert_eq!(within("the read", offsets(&log, 10, ALL)).await, (10..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_an_outage() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    append(&log, 0..2).await;
    log.wait(0, 1).await.expect("it is there");
    let (waited, ()) = tokio::join!(within("the wait", log.wait(0, 2)), async {
        mock.broker_down(-1).expect("the mock obeys");
        let error = log.append(vec![record(&created(1, 2, "text"))]).await.expect_err("the broker is gone");
        assert_eq!(error.code, Code::Unavailable);
        mock.broker_up(-1).expect("the mock obeys");
        append(&log, 3..4).await;
    });
    waited.expect("the record came");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_pass_lose_nothing_and_double_nothing() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    let passing = [
        (Api::Produce, Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        (Api::Produce, Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS),
        (Api::Produce, Answer::RD_KAFKA_RESP_ERR__TRANSPORT),
        (Api::Fetch, Answer::RD_KAFKA_RESP_ERR__TRANSPORT),
        (Api::Fetch, Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        (Api::Fetch, Answer::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE),
        (Api::ListOffsets, Answer::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE),
    ];
    let mut expected: Vec<Offset> = Vec::new();
    for (round, (api, answer)) in (0_u64..).zip(passing) {
        mock.request_errors(api, &[answer, answer]);
        let appended = within("the append", append(&log, round * 5..round * 5 + 5)).await;
        expected.extend(appended);
        let from = expected[usize::try_from(round * 5).expect("a small number")];
        let read = within("the read", offsets(&log, from, ALL)).await;
        assert_eq!(read, expected[expected.len() - 5..], "after {answer:?} to {api:?}");
        mock.clear_request_errors(api);
    }
    assert_eq!(within("the read", offsets(&log, 0, ALL)).await, (0..35).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_told_from_an_outage() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    for (answer, code) in [
        (Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Code::TooLarge),
        (Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Code::Unavailable),
    ] {
        mock.request_errors(Api::Produce, &[answer]);
        let refused = within("the append", log.append(vec![record(&created(1, 1, "text"))])).await;
        assert_eq!(refused.expect_err("it is refused").code, code, "{answer:?}");
    }
    append(&log, 10..12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_read_in_order_while_others_read_elsewhere() {
    const EVENTS: u64 = 9_000;
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    append(&log, 0..EVENTS).await;
    let limit = ReadLimit { records: 500, ..ALL };
    let mut next = 0;
    while next < EVENTS {
        let read = offsets(&log, next, limit).await;
        assert_eq!(read, (next..(next + 500).min(EVENTS)).collect::<Vec<_>>());
        next += 500;
        let elsewhere = (next * 7) % EVENTS;
        let one = ReadLimit { records: 3, ..ALL };
        assert_eq!(offsets(&log, elsewhere, one).await, (elsewhere..(elsewhere + 3).min(EVENTS)).collect::<Vec<_>>());
    }
    assert_eq!(offsets(&log, EVENTS, limit).await, Vec::<Offset>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_is_named_with_a_remedy() {
    let mock = mock();
    let mut settings = topic(&mock, 1);
    mock.topic_error("missing", Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).expect("the mock obeys");
    settings.topic = "missing".to_owned();
    let refused = within("connecting", diagnose::diagnose(&settings, &RealClock::shared())).await;
    let error = refused.expect_err("there is no such topic");
    assert_eq!(error.code, Code::Unavailable, "{error}");
    assert!(error.to_string().contains("soma topics --apply"), "{error}");
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<RDKafkaErrorCode>());
    assert!(source.is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_named_with_a_remedy() {
    let mock = mock();
    let settings = topic(&mock, 1);
    mock.broker_down(-1).expect("the mock obeys");
    // Nobody listens on the first; the name of the second does not resolve.
    for bootstrap in [settings.bootstrap.as_str(), "127.0.0.1:1", "no-such-host.invalid:9092"] {
        let settings = Settings { bootstrap: bootstrap.to_owned(), ..settings.clone() };
        let refused = within("connecting", diagnose::diagnose(&settings, &RealClock::shared())).await;
        let error = refused.expect_err("nobody is there");
        assert_eq!(error.code, Code::Unavailable, "{error}");
        assert!(error.to_string().contains("KAFKA_BOOTSTRAP_SERVERS"), "{error}");
        assert!(error.message.contains(bootstrap), "{error}");
    }
}

/// Answers to several questions at once come in any order: an older one is no sign of another log.
#[tokio::test(flavor = "multi_thread")]
async fn questions_at_once_while_the_log_grows_are_no_sign_of_another_log() {
    let mock = mock();
    let log = connect(&topic(&mock, 1)).await;
    let grow = async {
        for n in 0..150 {
            append(&log, n..n + 1).await;
        }
    };
    let ask = || async {
        for _ in 0..150 {
            log.bounds().await.expect("it is the same log");
        }
    };
    within("growing", async { tokio::join!(grow, ask(), ask(), ask(), ask()) }).await;
    assert_eq!(offsets(&log, 0, ALL).await.len(), 150);
}
