//! `soma topics`: what it plans, what it does, what it leaves alone.

use serde_json::json;

use super::Report;
use super::world::{World, with};

#[test]
fn missing_topics_are_planned_made_and_then_kept() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    for _ in 0..2 {
        let planned = world.run(&["topics"], &settings);
        assert_eq!(planned.code, Some(1), "something is left to do: {planned:?}");
        let events = format!(
            "create {} with 3 partitions, cleanup.policy=delete, max.message.bytes=18874368, retention.bytes=-1, \
             retention.ms=-1\n",
            world.topic
        );
        assert!(planned.told.contains(&events), "{planned:?}");
        let letters = format!("create {} with 3 partitions", world.dlq_topic);
        assert!(planned.told.contains(&letters) && planned.told.contains("retention.ms=2592000000"), "{planned:?}");
    }
    let planned = world.run(&["topics", "--json"], &settings);
    let shown = planned.json();
    assert_eq!((planned.code, &shown["as_planned"], &shown["done"]), (Some(1), &json!(false), &json!([])), "{shown}");

    let applied = world.run(&["topics", "--apply", "--json"], &settings);
    let shown = applied.json();
    assert_eq!((applied.code, &shown["as_planned"]), (Some(0), &json!(true)), "{shown}");
    let done = [&world.topic, &world.dlq_topic].map(|name| format!("created topic {name} with 3 partitions"));
    assert_eq!(shown["done"], json!(done));

    for args in [&["topics"][..], &["topics", "--apply"]] {
        let kept = world.run(args, &settings);
        assert_eq!(kept.code, Some(0), "{kept:?}");
        let lines = [&world.topic, &world.dlq_topic].map(|name| format!("keep {name}: it is as it should be\n"));
        assert!(kept.told.starts_with(&lines.concat()) && !kept.told.contains("done"), "{kept:?}");
    }
}

#[test]
fn what_differs_is_shown_and_set_and_the_number_of_partitions_is_left_alone() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    world.make_topics(2, &[("retention.ms", "3600000"), ("segment.ms", "600000")]);
    let planned = world.run(&["topics"], &settings);
    assert_eq!(planned.code, Some(1), "{planned:?}");
    let differs = format!("alter {}: retention.ms is 3600000, should be -1\n", world.topic);
    assert!(planned.told.contains(&differs), "{planned:?}");
    assert!(
        planned.told.contains(&format!("note: topic {} expires (retention.ms=3600000", world.topic)),
        "{planned:?}"
    );
    let report = Report::of(&world.data(), &settings);
    report.names("topic", "warning", "expires (retention.ms=3600000", "docs/operations/kafka.md");
    report.names("topic", "warning", "settings differ", "soma topics");
    report.names("topic", "ok", &format!("{}: 2 partitions, 1 replicas", world.topic), "");

    let applied = world.run(&["topics", "--apply"], &settings);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let done = format!("done: altered topic {}: ", world.topic);
    assert!(applied.told.contains(&done) && applied.told.contains("retention.ms=-1 (was 3600000)"), "{applied:?}");
    assert_eq!(world.run(&["topics"], &settings).code, Some(0), "nothing is left to do");
    let report = Report::of(&world.data(), &settings);
    let events = format!("{}: 2 partitions, 1 replicas, min.insync.replicas 1, retention.ms -1", world.topic);
    report.names("topic", "ok", &events, "");
}

#[test]
fn a_start_that_may_not_make_topics_names_the_missing_ones() {
    let Some(world) = World::new() else { return };
    let settings = with(world.settings(), "KAFKA_CREATE_TOPICS", "false");
    let missing = format!("topic {} and topic {} is missing", world.topic, world.dlq_topic);
    for role in ["up", "consumer"] {
        let waiting = super::Waiting::start(&world.data(), role, &settings);
        let (why, unready) = (waiting.why(), waiting.unready().to_string());
        for said in [why, unready] {
            assert!(said.contains(&missing) && said.contains("soma topics --apply"), "soma {role} says: {said}");
        }
    }
    let report = Report::of(&world.data(), &settings);
    report.names("topic", "failed", &format!("{} is not there", world.topic), "soma topics --apply");
}

#[test]
fn without_a_broker_the_commands_say_what_to_set() {
    let folder = tempfile::tempdir().expect("a folder");
    for args in [&["topics"][..], &["log", "renew"]] {
        let output = crate::harness::run(folder.path(), args);
        let error = crate::harness::text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("KAFKA_BOOTSTRAP_SERVERS"), "{args:?}: {error}");
    }
}
