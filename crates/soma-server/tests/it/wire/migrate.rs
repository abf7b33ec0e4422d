//! `soma migrate`: many at once make everything once, and a newer layout is left alone.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::Report;
use super::world::World;
use crate::harness::{soma, text};

#[test]
fn several_at_once_make_everything_once() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    let begin = |number: usize| {
        // Each as on a machine of its own.
        let mut command = soma(&world.folder.path().join(number.to_string()), &["migrate", "--json"]);
        command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    };
    let running: Vec<Child> = (0..4).map(begin).collect();
    for child in running {
        let ended = child.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        let shown: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
        let ready = &shown["ready"];
        assert!(ready["log"].as_str().is_some_and(|log| log.starts_with(&world.topic)), "{shown}");
        let said = shown.to_string();
        assert!(ready["records"].is_string() && ready["points"].is_string() && !said.contains('@'), "{shown}");
    }
    let versions = world.number(&format!("SELECT count(*) FROM {}.soma_migrations", world.schema));
    assert_eq!(versions, 1);
    let report = Report::of(&world.data(), &settings);
    report.names("topic", "ok", &format!("{}: 3 partitions", world.topic), "");
    report.is_ok("tables", "version 1 in schema ");
    report.is_ok("collection", "memory_vectors");
}

#[test]
fn the_doctor_makes_nothing_and_says_what_to_run() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    let report = Report::of(&world.data(), &settings);
    report.names("tables", "warning", "none yet in schema", "soma migrate");
    report.names("collection", "warning", "memory_vectors is not there", "soma migrate");
    report.names("topic", "failed", "is not there", "soma topics --apply");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = ";
    assert_eq!(world.number(&format!("{tables}'{}'", world.schema)), 0, "the doctor changes nothing");
    assert_eq!(world.run(&["topics"], &settings).code, Some(1), "no topic was made");
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let Some(world) = World::new() else { return };
    let settings = world.settings();
    assert_eq!(world.run(&["migrate"], &settings).code, Some(0));
    world.sql(&format!("INSERT INTO {}.soma_migrations (version) VALUES (99)", world.schema));
    let refused = world.run(&["migrate", "--json"], &settings);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    let error: Value = serde_json::from_str(&refused.error).expect("an error for programs is JSON");
    assert_eq!(
        (&error["error"]["code"], &error["error"]["remedy"]),
        (&json!("format_too_new"), &json!("use the newer program"))
    );
    for role in ["up", "consumer"] {
        let ended = world.run(&[role, "--port", "0", "--metrics-port", "0"], &settings);
        assert!(ended.code == Some(6) && ended.error.contains("version 99"), "soma {role}: {ended:?}");
    }
    let report = Report::of(&world.data(), &settings);
    report.names("tables", "failed", "version 99", "use the newer program");
    let newest = world.number(&format!("SELECT max(version)::bigint FROM {}.soma_migrations", world.schema));
    assert_eq!(newest, 99);
}
