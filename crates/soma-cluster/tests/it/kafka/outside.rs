//! Records that other programs write: gaps, transactions, headers of any kind.

use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use soma_cluster::kafka::topics;
use soma_core::error::Code;
use soma_core::ids::Offset;
use soma_core::log::{EventLog, ReadLimit};
use soma_core::testing::sample::{created, record};

use super::world::{RealClock, connect, mock, on, real, topic, unique, within};

const ALL: ReadLimit = ReadLimit { records: 1_000, bytes: 1 << 20 };

fn producer(bootstrap: &str, transactional: bool) -> FutureProducer<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    if transactional {
        config.set("transactional.id", unique("tx"));
    }
    config.create().expect("a client")
}

async fn send(producer: &FutureProducer<DefaultClientContext>, topic: &str, key: &str) -> Offset {
    let record = FutureRecord::to(topic).partition(0).key(key).payload("value");
    let sent = producer.send(record, std::time::Duration::from_secs(10)).await.map_err(|(error, _)| error);
    Offset::try_from(sent.expect("the broker is there").offset).expect("an offset")
}

/// Transactions leave offsets without records, in between and at the end.
async fn reads_over_transactions(settings: &soma_cluster::kafka::Settings) {
    let log = connect(settings).await;
    let other = producer(&settings.bootstrap, true);
    let timeout = std::time::Duration::from_secs(20);
    let transactions = other.clone();
    tokio::task::spawn_blocking(move || transactions.init_transactions(timeout))
        .await
        .expect("it ends")
        .expect("a broker");
    let mut kept = Vec::new();
    for round in 0..3 {
        other.begin_transaction().expect("a transaction begins");
        let offset = send(&other, &settings.topic, "a").await;
        let ending = other.clone();
        let end =
            move || if round == 1 { ending.abort_transaction(timeout) } else { ending.commit_transaction(timeout) };
        tokio::task::spawn_blocking(end).await.expect("it ends").expect("the broker is there");
        if round != 1 {
            kept.push(offset);
        }
    }
    let last = *kept.last().expect("some were kept");
    // The broker ends a transaction after it has said so.
    within("an end of the log behind the offset without a record", async {
        while log.bounds().await.expect("the broker is there")[0].next <= last + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let offsets = async |from| {
        let read = within("the read", log.read(0, from, ALL)).await.expect("the broker is there");
        read.iter().map(|record| record.place.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(0).await, kept);
    assert_eq!(offsets(last + 1).await, Vec::<Offset>::new(), "the end of the log");
    assert_eq!(offsets(kept[0] + 1).await, [last], "a read from an offset without a record");
    let plain = producer(&settings.bootstrap, false);
    let wait = within("the wait", async { tokio::join!(log.wait(0, last + 1), send(&plain, &settings.topic, "b")) });
    let (waited, sent) = wait.await;
    waited.expect("the record came");
    assert_eq!(offsets(last + 1).await, [sent]);
}

/// While somebody's transaction is open, what lies behind it is acknowledged and cannot be read; nothing of it
/// is lost when the transaction ends.
async fn waits_for_open_transactions(settings: &soma_cluster::kafka::Settings) {
    let log = connect(settings).await;
    let other = producer(&settings.bootstrap, true);
    let timeout = std::time::Duration::from_secs(20);
    let beginning = other.clone();
    tokio::task::spawn_blocking(move || beginning.init_transactions(timeout))
        .await
        .expect("it ends")
        .expect("a broker");
    other.begin_transaction().expect("a transaction begins");
    let open = send(&other, &settings.topic, "a").await;
    let appended = log.append(vec![record(&created(1, 1, "text"))]).await.expect("the broker is there");
    let soma_core::log::Appended::New(place) = &appended[0] else { panic!("it was known") };
    assert_eq!((open, place.offset), (0, 1), "the event lies behind the open transaction");
    let offsets = async |from| {
        let read = within("the read", log.read(0, from, ALL)).await.expect("the broker is there");
        read.iter().map(|record| record.place.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(0).await, Vec::<Offset>::new());
    assert_eq!(offsets(0).await, Vec::<Offset>::new());
    let wait = within("the wait", async {
        tokio::join!(log.wait(0, 0), tokio::task::spawn_blocking(move || other.commit_transaction(timeout)),)
    });
    let (waited, committed) = wait.await;
    committed.expect("it ends").expect("the broker is there");
    waited.expect("the records came");
    assert_eq!(offsets(0).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_behind_an_open_transaction_come_when_it_ends() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let settings = on(&bootstrap);
    super::topics::create(&settings, 1).await;
    waits_for_open_transactions(&settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_recreated_while_it_is_read_is_noticed() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let mut settings = on(&bootstrap);
    settings.extra.push(("topic.metadata.refresh.interval.ms".to_owned(), "500".to_owned()));
    super::topics::create(&settings, 1).await;
    let log = connect(&settings).await;
    log.append((0..10).map(|n| record(&created(n, n, "text"))).collect()).await.expect("the broker is there");
    assert_eq!(log.read(0, 0, ALL).await.expect("the broker is there").len(), 10);
    let noticed = within("the wait", async {
        // As a projector does: it waits, and after a failure it reads.
        let follow = async {
            loop {
                let waited = log.wait(0, 10).await;
                match log.read(0, 10, ALL).await {
                    Err(error) if error.code == Code::LogReplaced => return error,
                    Err(_) => {}
                    Ok(read) => assert!(read.is_empty() || waited.is_err(), "it reads on in another log: {read:?}"),
                }
            }
        };
        let recreate = async {
            super::topics::delete(&settings).await;
            super::topics::create(&settings, 1).await;
        };
        tokio::join!(follow, recreate).0
    });
    assert!(noticed.await.to_string().contains("soma log renew"));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_without_records_are_stepped_over() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let settings = on(&bootstrap);
    topics::ensure(&settings, &RealClock::shared()).await.expect("topics can be made");
    reads_over_transactions(&settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_other_writers_are_read_as_they_come() {
    let mock = mock();
    let settings = topic(&mock, 1);
    let log = connect(&settings).await;
    let other = producer(&settings.bootstrap, false);
    let wait = within("the wait", async { tokio::join!(log.wait(0, 0), send(&other, &settings.topic, "a")) });
    let (waited, sent) = wait.await;
    waited.expect("the record came");
    let read = log.read(0, 0, ALL).await.expect("the broker is there");
    assert_eq!(read.iter().map(|record| record.place.offset).collect::<Vec<_>>(), [sent]);
    assert_eq!(read[0].key.as_deref(), Some(&b"a"[..]));
}

/// Java's default partitioner: murmur2 of the key, its sign taken off.
fn java(key: &[u8], partitions: u32) -> u32 {
    let mut h: u32 = 0x9747_b28c ^ u32::try_from(key.len()).expect("a short key");
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("four bytes")).wrapping_mul(0x5bd1_e995);
        k = (k ^ (k >> 24)).wrapping_mul(0x5bd1_e995);
        h = h.wrapping_mul(0x5bd1_e995) ^ k;
    }
    let rest = chunks.remainder();
    for (index, byte) in rest.iter().enumerate().rev() {
        h ^= u32::from(*byte) << (8 * index);
        if index == 0 {
            h = h.wrapping_mul(0x5bd1_e995);
        }
    }
    h = (h ^ (h >> 13)).wrapping_mul(0x5bd1_e995);
    ((h ^ (h >> 15)) & 0x7fff_ffff) % partitions
}

#[tokio::test(flavor = "multi_thread")]
async fn events_lie_where_java_puts_them() {
    let mock = mock();
    let log = connect(&topic(&mock, 5)).await;
    let records: Vec<_> = (0..40).map(|n| record(&created(n, n, "text"))).collect();
    let keys: Vec<_> = records.iter().filter_map(|record| record.key.clone()).collect();
    let appended = log.append(records).await.expect("the broker is there");
    for (key, appended) in keys.iter().zip(appended) {
        let soma_core::log::Appended::New(place) = appended else { panic!("it was known") };
        assert_eq!(place.partition, java(key, 5), "{}", String::from_utf8_lossy(key));
        assert_eq!(place.partition, soma_cluster::kafka::facts::partition_of(key, 5), "the doctor says so too");
    }
}
