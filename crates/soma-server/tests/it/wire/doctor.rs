//! `soma doctor` on servers: every check in order where all is in order, and each failure by its name.

use std::fs;

use serde_json::json;
use soma_testkit::qdrant::{Options, StandIn};

use super::world::{World, real, with};
use super::{Report, Settings};

/// A user that the database does not know by that password; nobody may see the text.
const WRONG: &str = "zebra-crossing-0123";

fn answered(world: &World, settings: &Settings) -> Report {
    let report = Report::of(&world.data(), settings);
    report.hides(WRONG);
    report
}

#[test]
fn on_servers_that_are_in_order_every_check_says_so() {
    let Some(world) = World::new() else { return };
    let Some(registry) = real("SOMA_TEST_REGISTRY_URL") else { return };
    let settings = with(world.settings(), "SCHEMA_REGISTRY_URL", registry);
    fs::create_dir(world.data()).expect("a data directory");
    let consumer = world.start("consumer", &settings);
    let api = world.start("api", &settings);
    let written = api.post("/v1/memories?wait=stored&wait_ms=30000", &json!({ "payload": "the sky is blue" }));
    assert_eq!(written.status, 201, "{written:?}");

    let report = answered(&world, &settings);
    for (check, words) in [
        ("configuration", "no contradictions"),
        ("free disk", "free"),
        ("open files", "may open"),
        ("clock", "20"),
        ("names", "127.0.0.1 is 127.0.0.1"),
        ("ports", "Kafka at 127.0.0.1:"),
        ("ports", "PostgreSQL at 127.0.0.1:"),
        ("ports", "Qdrant at 127.0.0.1:"),
        ("ports", "schema registry at 127.0.0.1:"),
        ("TLS", "none for Kafka at "),
        ("kafka", "1 brokers, PLAINTEXT"),
        ("authentication", "none: everybody is let in"),
        ("rights", "Read and Write"),
        ("partitioner", "the latest 1 records lie where it puts them"),
        ("consumer group", "1 members, "),
        ("postgres", "PostgreSQL 1"),
        ("tables", "version 1 in schema "),
        ("permissions", "may make, read and write tables"),
        ("durability", "fsync on, synchronous_commit on"),
        ("connections", " are open"),
        ("clock skew", " ms against PostgreSQL"),
        ("qdrant", "Qdrant 1.17.0 at "),
        ("collection", "memory_vectors: green, "),
        ("collection", "64 dimensions"),
        ("schema registry", "answers at http://127.0.0.1:"),
        ("schema", "has the schema of memory events, as number "),
    ] {
        report.is_ok(check, words);
    }
    for topic in [&world.topic, &world.dlq_topic] {
        report.names("topic", "ok", &format!("{topic}: 3 partitions, 1 replicas, min.insync.replicas 1"), "");
    }
    // One broker is what a test has; the doctor says what that means.
    report.names("topic", "warning", "has one replica", "docs/operations/kafka.md");
    drop((api, consumer));
}

#[test]
fn a_wrong_password_is_named_and_shown_nowhere() {
    let Some(world) = World::new() else { return };
    let Some(sasl) = real("SOMA_TEST_KAFKA_SASL_PLAINTEXT") else { return };
    let mut settings = with(world.settings(), "KAFKA_BOOTSTRAP_SERVERS", sasl);
    settings.extend([
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT".to_owned()),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
        ("KAFKA_SASL_USERNAME", "soma".to_owned()),
        ("KAFKA_SASL_PASSWORD", WRONG.to_owned()),
    ]);
    let postgres = settings.iter().find(|(name, _)| *name == "POSTGRES_URL").expect("it is set").1.clone();
    let (_, place) = postgres.split_once('@').expect("it names a user");
    let settings = with(settings, "POSTGRES_URL", format!("postgres://no_such_user:{WRONG}@{place}"));
    let report = answered(&world, &settings);
    report.names("kafka", "failed", "does not accept who we say we are", "KAFKA_SASL_PASSWORD");
    report.names("postgres", "failed", "no_such_user", "POSTGRES_URL");
    report.is_ok("ports", "Kafka at");
    let waiting = super::Waiting::start(&world.data(), "up", &with(settings, "POSTGRES_URL", postgres));
    let (why, unready) = (waiting.why(), waiting.unready().to_string());
    for said in [why, unready] {
        assert!(said.contains("does not accept who we say we are") && said.contains("KAFKA_SASL_PASSWORD"), "{said}");
        assert!(!said.contains(WRONG), "{said}");
    }
}

#[test]
fn servers_that_are_away_are_named_with_their_ports() {
    let Some(world) = World::new() else { return };
    let closed = || format!("127.0.0.1:{}", super::free_port());
    let (postgres, qdrant, registry) = (closed(), closed(), closed());
    let mut settings = with(world.settings(), "POSTGRES_URL", format!("postgres://soma:{WRONG}@{postgres}/soma"));
    settings = with(settings, "QDRANT_URL", format!("http://{qdrant}"));
    settings = with(settings, "SCHEMA_REGISTRY_URL", format!("http://soma:{WRONG}@{registry}/apis/ccompat/v7"));
    let report = answered(&world, &settings);
    for place in [&postgres, &qdrant, &registry] {
        report.names("ports", "failed", &format!("nobody answers at {place}"), "start the server");
    }
    report.names("postgres", "failed", "", "");
    report.names("qdrant", "failed", "", "");
    report.names("schema registry", "failed", "does not answer", "check that the registry runs");
}

#[test]
fn what_is_not_as_it_should_be_is_a_finding_of_its_own() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    assert_eq!(world.run(&["migrate"], &settings).code, Some(0));
    let report = answered(&world, &settings);
    report.names("consumer group", "warning", "no member", "start `soma consumer`");

    // Somebody else's partitioner: the key belongs into one partition only.
    for partition in 0..3 {
        world.put(partition, "0190b8a0-0000-7000-8000-000000000001", "no event");
    }
    let report = answered(&world, &settings);
    report.names("partitioner", "warning", "2 of the latest 3 records lie where another", "murmur2_random");

    let other = with(settings.clone(), "MEMORY_VECTOR_DIM", "128");
    answered(&world, &other).names("collection", "failed", "128 dimensions", "SOMA_EMBEDDER");

    let postgres = settings.iter().find(|(name, _)| *name == "POSTGRES_URL").expect("it is set").1.clone();
    let careless = postgres.replace("options=", "options=-csynchronous_commit%3Doff%20");
    let report = answered(&world, &with(settings.clone(), "POSTGRES_URL", careless));
    report.names("durability", "warning", "synchronous_commit off", "switch both on");

    let role = format!("{}_role", world.schema);
    world.sql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{WRONG}'; GRANT USAGE ON SCHEMA {0} TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {role}; GRANT ALL ON {0}.positions TO {role}",
        world.schema
    ));
    let (_, place) = postgres.split_once('@').expect("it names a user");
    let guest = with(settings, "POSTGRES_URL", format!("postgres://{role}:{WRONG}@{place}"));
    let closed = "may not read and write log_generations, memories, memory_counts, memory_events, rewritten";
    answered(&world, &guest).names("permissions", "failed", closed, "GRANT SELECT, INSERT, UPDATE, DELETE");
    world.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn an_index_that_cannot_be_used_is_named() {
    let Some(world) = World::new() else { return };
    let options =
        Options { version: "1.15.0".to_owned(), api_key: Some("the-right-key".to_owned()), ..Options::default() };
    let qdrant = StandIn::start_with(options).expect("a stand-in");
    let settings = with(world.settings(), "QDRANT_URL", qdrant.url());
    let wrong = with(settings.clone(), "QDRANT_API_KEY", WRONG);
    answered(&world, &wrong).names("qdrant", "failed", "", "QDRANT_API_KEY");
    let right = with(settings, "QDRANT_API_KEY", "the-right-key");
    answered(&world, &right).names("qdrant", "failed", "Qdrant 1.15.0 at ", "upgrade it to 1.17");
}
