//! Settings: where they come from, and what makes a start impossible.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::text;

const TOKEN: &str = "a-token-that-nobody-may-see";

fn soma_in(folder: &std::path::Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soma"));
    command.env_clear().current_dir(folder).args(args).envs(variables.iter().copied());
    command.output().expect("the binary runs")
}

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".env"), "SOMA_API_PORT=1111\nMEMORY_VECTOR_DIM=64\n").expect("a file");
    let variables = [("SOMA_API_TOKEN", TOKEN), ("SOMA_API_PORT", "2222")];
    let show = |args: &[&str]| soma_in(folder.path(), args, &variables);
    let output = show(&["config", "--json", "--data-dir", "here"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |name: &str| {
        let settings = all["settings"].as_array().expect("a list");
        let setting = settings.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name} is missing"));
        (
            setting["value"].as_str().unwrap_or_default().to_owned(),
            setting["origin"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let is = |name: &str, value: &str, origin: &str| assert_eq!(of(name), (value.into(), origin.into()), "{name}");
    is("SOMA_DATA_DIR", "here", "flag");
    is("SOMA_API_PORT", "2222", "environment");
    is("MEMORY_VECTOR_DIM", "64", ".env");
    is("SOMA_EMBEDDER", "hash", "default");
    is("SOMA_LANGUAGE", "english", "default");
    is("SOMA_API_TOKEN", "<hidden>", "environment");
    for output in [output, show(&["config"])] {
        assert!(!text(&output.stdout).contains(TOKEN) && !text(&output.stderr).contains(TOKEN));
    }
    let without = soma_in(folder.path(), &["config", "--json", "--no-env-file", "--data-dir", "here"], &[]);
    let all: Value = serde_json::from_slice(&without.stdout).expect("JSON");
    assert!(!all.to_string().contains("1111"));
}

#[test]
fn what_makes_a_start_impossible_is_said_all_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = [
        ("SOMA_DATA_DIR", "data"),
        ("SOMA_API_HOST", "0.0.0.0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("POSTGRES_URL", "pg://user:hunter2@db/soma"),
        ("EVENTING_ENABLED", "maybe"),
    ];
    let output = soma_in(folder.path(), &["up"], &variables);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    for (name, _) in &variables[1..] {
        assert!(error.contains(name), "{name} is missing in {error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
    assert!(!folder.path().join("data").exists());
}
