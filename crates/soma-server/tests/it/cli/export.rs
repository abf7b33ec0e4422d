//! What is exported comes back as it was.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::directory;
use crate::harness::{Server, answer, run, text};

/// Two namespaces; memories that were changed, that have an importance, a coordinate, any payload.
fn filled(data: &Path) {
    answer(data, &["remember", "the sky is blue", "-n", "demo", "--importance", "2.5"]);
    answer(data, &["remember", "placed", "-n", "other", "--coordinate", "1.0,2.5"]);
    answer(data, &["remember", "placed again", "-n", "other", "--coordinate", "1.0,2.5"]);
    answer(data, &["remember", "--payload", "[1,{\"a\":null}]", "-n", "demo"]);
    let gone = answer(data, &["remember", "the unmentionable pelican", "-n", "demo"])["id"].clone();
    answer(data, &["forget", gone.as_str().expect("an id")]);
}

/// Every memory by what must survive.
fn memories(data: &Path) -> Vec<Value> {
    let listed = answer(data, &["list", "--namespace-prefix", "", "--order", "oldest"]);
    let kept = |memory: &Value| {
        let names = ["id", "namespace", "payload", "importance", "created_at", "updated_at", "event_id"];
        json!(names.map(|name| memory[name].clone()))
    };
    listed["items"].as_array().expect("items").iter().map(kept).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

#[test]
fn an_export_is_imported_with_the_same_ids_namespaces_importance_and_times() {
    let folder = directory();
    let data = folder.path().join("data");
    filled(&data);
    let expected = memories(&data);
    assert_eq!(expected.len(), 3);
    for (kind, flags) in [("memories", &[][..]), ("events", &["--events"])] {
        let (file, fresh) = (folder.path().join(format!("{kind}.jsonl")), folder.path().join(kind));
        let mut args = vec!["export", path(&file)];
        args.extend(flags);
        answer(&data, &args);
        let imported = answer(&fresh, &["import", path(&file)]);
        assert_eq!(imported["refused"], 0, "{kind}: {imported}");
        assert_eq!(memories(&fresh), expected, "{kind}");
        assert_eq!(answer(&fresh, &["verify"])["ok"], true, "{kind}");
        let again = answer(&fresh, &["import", path(&file)]);
        assert_eq!((&again["new"], &again["refused"]), (&json!(0), &json!(0)), "{kind}: {again}");
        assert!(!fs::read_to_string(&file).expect("the export").contains("unmentionable"));
    }
}

#[test]
fn an_export_selects_and_works_beside_a_server() {
    let folder = directory();
    let data = folder.path().join("data");
    filled(&data);
    let server = Server::on(&data, &[]);
    let lines = |args: &[&str]| text(&run(&data, args).stdout).lines().count();
    assert_eq!(lines(&["export"]), 3, "on {}", server.api);
    assert_eq!(lines(&["export", "-n", "other"]), 1);
    assert_eq!(lines(&["export", "--filter", r#"{"field":"importance","gt":1}"#]), 1);
    assert_eq!(lines(&["export", "--events"]), 5, "without what the delete erased");
    assert_eq!(lines(&["export", "--events", "-n", "other"]), 2);
    let elsewhere = run(folder.path(), &["export", "--events", "--url", &server.api]);
    assert_eq!(elsewhere.status.code(), Some(2), "{}", text(&elsewhere.stderr));
}

#[test]
fn refused_lines_go_to_a_file_and_the_import_goes_on() {
    let folder = directory();
    let (data, file, bad) = (folder.path().join("data"), folder.path().join("in"), folder.path().join("bad"));
    fs::write(&file, "{\"a\":1}\n{\"a\":\n\"b\"\n").expect("a file");
    let imported = answer(&data, &["import", path(&file), "--skip-invalid", path(&bad)]);
    assert_eq!((&imported["stored"], &imported["refused"]), (&json!(2), &json!(1)));
    assert_eq!(fs::read_to_string(&bad).expect("the refused lines"), "{\"a\":\n");
}

#[test]
fn an_import_that_is_stopped_says_how_far_it_got_and_goes_on_from_there() {
    let folder = directory();
    let (data, file) = (folder.path().join("data"), folder.path().join("in"));
    let lines = |many: u32| (0..many).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();
    fs::write(&file, lines(1_200)).expect("a file");
    assert_eq!(answer(&data, &["import", path(&file)])["new"], 1_200);
    fs::write(&file, lines(2_500)).expect("a file");
    let second = answer(&data, &["import", path(&file)]);
    assert_eq!((&second["new"], &second["already_there"]), (&json!(1_300), &json!(1_200)));
    let stopped = run(&data, &["import", path(&file), "--url", "http://127.0.0.1:1"]);
    assert_eq!(stopped.status.code(), Some(5));
    assert!(text(&stopped.stderr).contains("run the same command again"), "{}", text(&stopped.stderr));
}
