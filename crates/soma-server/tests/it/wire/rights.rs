//! A user of the cluster who may do only what ACLs allow. Needs a broker that heeds them, which
//! `SOMA_TEST_KAFKA_ACLS` says, with a user `guest` who has no right of its own.

use serde_json::json;

use super::acls::{Administrator, May, On};
use super::world::{World, real, with};
use super::{Report, Settings, Waiting};

/// Who may do only what it is allowed.
const GUEST: &str = "guest";
const PASSWORD: &str = "guest-secret";

/// A right on one of the names of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    ReadEvents,
    WriteEvents,
    ReadLetters,
    WriteLetters,
    ReadGroup,
}

/// What the documents say that the user needs.
const ALL: [Right; 5] =
    [Right::ReadEvents, Right::WriteEvents, Right::ReadLetters, Right::WriteLetters, Right::ReadGroup];

struct Guest {
    world: World,
    /// The broker alone, as the guest: records and points lie in the data directory.
    alone: Settings,
    /// All servers.
    whole: Settings,
}

impl Guest {
    /// A guest with these rights, on topics that are there.
    fn with(rights: &[Right]) -> Option<Self> {
        let guest = Self::without_topics(rights)?;
        guest.world.make_topics(3, &[("retention.ms", "3600000")]);
        Some(guest)
    }

    fn without_topics(rights: &[Right]) -> Option<Self> {
        real("SOMA_TEST_KAFKA_ACLS")?;
        let (world, sasl) = (World::new()?, real("SOMA_TEST_KAFKA_SASL_PLAINTEXT")?);
        let mut administrator = Administrator::at(&world.kafka);
        for right in rights {
            let (on, may) = match right {
                Right::ReadEvents => ((On::Topic, &world.topic), May::Read),
                Right::WriteEvents => ((On::Topic, &world.topic), May::Write),
                Right::ReadLetters => ((On::Topic, &world.dlq_topic), May::Read),
                Right::WriteLetters => ((On::Topic, &world.dlq_topic), May::Write),
                Right::ReadGroup => ((On::Group, &world.group), May::Read),
            };
            administrator.allow(GUEST, (on.0, on.1), may);
        }
        let signed = |settings: Settings| {
            let settings = with(settings, "KAFKA_BOOTSTRAP_SERVERS", sasl.clone());
            let settings = with(settings, "KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT");
            let settings = with(settings, "KAFKA_SASL_MECHANISM", "SCRAM-SHA-256");
            with(with(settings, "KAFKA_SASL_USERNAME", GUEST), "KAFKA_SASL_PASSWORD", PASSWORD)
        };
        let alone = with(signed(world.broker("")), "MEMORY_VECTOR_DIM", "64");
        let whole = signed(world.settings());
        Some(Self { world, alone, whole })
    }

    fn without(right: Right) -> Option<Self> {
        let rights: Vec<Right> = ALL.into_iter().filter(|held| *held != right).collect();
        let guest = Self::with(&rights)?;
        // Without a right on what it is about, nobody may even ask about it; other rights bring this one.
        let mut administrator = Administrator::at(&guest.world.kafka);
        administrator.allow(GUEST, (On::Topic, &guest.world.topic), May::Describe);
        Some(guest)
    }

    /// The start and its probe say that this is not granted, and nothing else; so does the doctor.
    fn lacks(&self, role: &str, right: &str) {
        let settings = if role == "up" { &self.alone } else { &self.whole };
        let waiting = Waiting::start(&self.world.data(), role, settings);
        let words = format!("does not grant the user guest: {right}; allow the user guest by ACLs: {right}");
        let why = waiting.why();
        assert!(why.ends_with(&words), "soma {role} says: {why}");
        let unready = waiting.unready();
        let shown = unready["start"].as_str().unwrap_or_default();
        assert!(shown.ends_with(&words), "the probe of soma {role} says: {unready}");
        drop(waiting);
        let report = Report::of(&self.world.data(), settings);
        report.names("rights", "failed", right, right);
    }
}

#[test]
fn a_topic_that_may_not_be_read_is_named() {
    let Some(guest) = Guest::without(Right::ReadEvents) else { return };
    let right = format!("Read on topic {}", guest.world.topic);
    guest.lacks("up", &right);
    guest.lacks("consumer", &right);
}

#[test]
fn a_topic_that_may_not_be_written_is_named() {
    let Some(guest) = Guest::without(Right::WriteEvents) else { return };
    let right = format!("Write on topic {}", guest.world.topic);
    guest.lacks("up", &right);
    guest.lacks("api", &right);
}

#[test]
fn dead_letters_that_may_not_be_written_are_named() {
    let Some(guest) = Guest::without(Right::WriteLetters) else { return };
    guest.lacks("consumer", &format!("Write on topic {}", guest.world.dlq_topic));
}

#[test]
fn a_group_that_may_not_be_joined_is_named() {
    let Some(guest) = Guest::without(Right::ReadGroup) else { return };
    let right = format!("Read on consumer group {}", guest.world.group);
    guest.lacks("up", &right);
    // One that may only be asked about is as closed.
    let mut administrator = Administrator::at(&guest.world.kafka);
    administrator.allow(GUEST, (On::Group, &guest.world.group), May::Describe);
    guest.lacks("consumer", &right);
}

#[test]
fn a_user_without_any_right_is_told_all_of_them() {
    let Some(guest) = Guest::with(&[]) else { return };
    let World { topic, dlq_topic, group, .. } = &guest.world;
    let all = [
        format!("Write on topic {topic}"),
        format!("Read on topic {topic}"),
        format!("Write on topic {dlq_topic}"),
        format!("Read on consumer group {group}"),
    ];
    guest.lacks("up", &all.join(", "));
}

#[test]
fn a_topic_that_is_missing_and_may_not_be_made_is_named_with_the_right_to_make_it() {
    let Some(guest) = Guest::without_topics(&ALL) else { return };
    let waiting = Waiting::start(&guest.world.data(), "up", &guest.alone);
    let (why, unready) = (waiting.why(), waiting.unready().to_string());
    for said in [&why, &unready] {
        let named = said.contains(&format!("cannot create topic {}", guest.world.topic));
        assert!(named && said.contains("allow this user Create on the topic or on the cluster"), "{said}");
    }
    drop(waiting);
    let report = Report::of(&guest.world.data(), &guest.alone);
    report.names("topic", "failed", "is not there", "soma topics --apply");
    let applied = guest.world.run(&["topics", "--apply"], &guest.alone);
    assert!(applied.code == Some(5) && applied.error.contains("Create on the topic or on the cluster"), "{applied:?}");
}

#[test]
fn with_the_rights_of_the_documents_everything_works_and_topics_are_left_alone() {
    let Some(guest) = Guest::with(&ALL) else { return };
    let server = guest.world.start("up", &guest.whole);
    let written = server.post("/v1/memories?wait=stored&wait_ms=30000", &json!({ "payload": "the sky is blue" }));
    assert_eq!(written.status, 201, "{written:?}");
    let report = Report::of(&guest.world.data(), &guest.whole);
    report.hides(PASSWORD);
    report.is_ok("authentication", "SCRAM-SHA-256 as guest");
    report.is_ok("rights", "Read and Write on the events");
    report.is_ok("partitioner", "the latest 1 records");
    report.is_ok("consumer group", "1 members");
    // It may not look at settings, so none is changed.
    for args in [&["topics"][..], &["topics", "--apply"]] {
        let kept = guest.world.run(args, &guest.whole);
        assert_eq!(kept.code, Some(0), "{kept:?}");
        for topic in [&guest.world.topic, &guest.world.dlq_topic] {
            assert!(kept.told.contains(&format!("keep {topic}: its settings could not be read")), "{kept:?}");
        }
        assert!(kept.told.contains("DescribeConfigs") && !kept.told.contains("done"), "{kept:?}");
    }
    let before = guest.world.run(&["topics", "--json"], &guest.world.settings()).json();
    assert!(before["plan"].to_string().contains("retention.ms is 3600000"), "nothing was altered: {before}");
}
