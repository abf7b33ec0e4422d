//! Topics of a real cluster: made, compared, altered.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use soma_cluster::kafka::topics::{self, Step};
use soma_cluster::kafka::{Settings, facts};
use soma_core::error::Code;
use soma_core::log::EventLog;
use soma_core::testing::sample::{created, record};

use super::world::{RealClock, connect, on, real, within};

/// A client for administration.
pub(crate) fn admin(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.bootstrap).create().expect("a client")
}

/// Adds partitions, as an operator would.
pub(crate) async fn grow(settings: &Settings, partitions: usize) {
    let grown = [NewPartitions::new(&settings.topic, partitions)];
    let grown = admin(settings).create_partitions(&grown, &AdminOptions::new()).await.expect("partitions can be added");
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");
}

/// Deletes both topics, and waits until their names are free.
pub(crate) async fn delete(settings: &Settings) {
    let names = [settings.topic.as_str(), settings.dlq_topic.as_str()];
    let deleted = admin(settings).delete_topics(&names, &AdminOptions::new()).await.expect("topics can be deleted");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    let clock = RealClock::shared();
    for name in names {
        while facts::topic(settings, &clock, name).await.expect("the cluster is there").is_some() {}
    }
}

/// Makes both topics as an operator would, with so many partitions.
pub(crate) async fn create(settings: &Settings, partitions: i32) {
    let admin = admin(settings);
    let topics = [&settings.topic, &settings.dlq_topic].map(|name| {
        NewTopic::new(name, partitions, TopicReplication::Fixed(1))
            .set("retention.ms", "3600000")
            .set("segment.ms", "600000")
            .set("max.message.bytes", "1048576")
    });
    let made = admin.create_topics(&topics, &AdminOptions::new()).await.expect("topics can be made");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_are_made_as_the_contract_says() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let (settings, clock) = (on(&bootstrap), RealClock::shared());
    let plan = topics::plan(&settings, &clock).await.expect("the cluster is there");
    assert!(plan.steps.iter().all(|step| matches!(step, Step::Create(_))), "{plan:?}");

    let closed = Settings { create_topics: false, ..settings.clone() };
    let refused = topics::ensure(&closed, &clock).await.expect_err("nothing may be made");
    assert!(refused.to_string().contains("KAFKA_CREATE_TOPICS"), "{refused}");

    let notes = topics::ensure(&settings, &clock).await.expect("topics can be made");
    assert!(!notes.iter().any(|note| note.contains("expires")), "{notes:?}");
    let plan = topics::plan(&settings, &clock).await.expect("the cluster is there");
    assert!(plan.is_done(), "{plan:?}");
    let events =
        facts::topic(&settings, &clock, &settings.topic).await.expect("the cluster is there").expect("it is made");
    assert_eq!(events.partitions.len(), 3);
    let is = events.settings.expect("they can be read");
    assert_eq!((is["retention.ms"].as_str(), is["cleanup.policy"].as_str()), ("-1", "delete"));
    let letters = facts::topic(&settings, &clock, &settings.dlq_topic).await.expect("the cluster is there");
    assert_eq!(letters.expect("it is made").settings.expect("they can be read")["retention.ms"], "2592000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_expires_is_warned_about_and_altered_without_losing_its_other_settings() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let (settings, clock) = (on(&bootstrap), RealClock::shared());
    create(&settings, 2).await;
    let notes = topics::ensure(&settings, &clock).await.expect("the topics are there");
    assert!(notes.iter().any(|note| note.contains("expires")), "{notes:?}");
    let plan = topics::plan(&settings, &clock).await.expect("the cluster is there");
    assert!(!plan.is_done(), "{plan:?}");
    let done = topics::apply(&settings, &clock, &plan).await.expect("settings can be altered");
    assert_eq!(done.len(), 2, "{done:?}");
    let plan = topics::plan(&settings, &clock).await.expect("the cluster is there");
    assert!(plan.is_done(), "{plan:?}");
    let events =
        facts::topic(&settings, &clock, &settings.topic).await.expect("the cluster is there").expect("it is there");
    assert_eq!(events.partitions.len(), 2, "a partition count is never changed");
    let is = events.settings.expect("they can be read");
    assert_eq!((is["retention.ms"].as_str(), is["segment.ms"].as_str()), ("-1", "600000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_event_fits_and_a_larger_one_is_refused_alone() {
    let Some(bootstrap) = real("SOMA_TEST_KAFKA") else { return };
    let (settings, clock) = (on(&bootstrap), RealClock::shared());
    create(&settings, 1).await;
    let log = connect(&settings).await;
    let noise = |bytes: usize| {
        // Text that does not compress to nothing.
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + u8::try_from((state >> 33) % 26).expect("a letter"))
        };
        (0..bytes).map(|_| next()).collect::<String>()
    };
    // An operator's topic takes a megabyte.
    let error = within("the append", log.append(vec![record(&created(1, 1, &noise(4 << 20)))])).await;
    assert_eq!(error.expect_err("the topic refuses it").code, Code::TooLarge);
    let plan = topics::plan(&settings, &clock).await.expect("the cluster is there");
    topics::apply(&settings, &clock, &plan).await.expect("settings can be altered");
    within("the append", log.append(vec![record(&created(1, 2, &noise(4 << 20)))])).await.expect("it fits");
}
