//! Each direction is held, and mentions in comments and strings are no breach.

use super::*;
use crate::structure::testing::{places, tree};

#[track_caller]
fn core_refuses(line: &str) {
    let found = core_reaches_nothing(&tree(&[("crates/soma-core/src/a.rs", line)]));
    assert_eq!(places(&found), ["crates/soma-core/src/a.rs:1"], "{line}");
}

#[test]
fn the_core_may_not_reach_the_outside() {
    core_refuses("let text = std::fs::read_to_string(path)?;");
    core_refuses("use std::{collections::HashMap, net::TcpStream};");
    core_refuses("use tokio::fs;");
    core_refuses("let start = Instant::now();");
    core_refuses("let now = SystemTime::now();");
    core_refuses("let home = std::env::var(name);");
}

#[test]
fn the_core_may_speak_of_the_outside() {
    let source =
        "//! Knows nothing of std::fs.\nlet a = \"std::net\";\nuse std::{fmt, sync::Arc};\nlet net = Instantly;\n";
    assert!(core_reaches_nothing(&tree(&[("crates/soma-core/src/a.rs", source)])).is_empty());
    assert!(core_reaches_nothing(&tree(&[("crates/soma-core/src/a/tests.rs", "use std::fs;")])).is_empty());
    assert!(core_reaches_nothing(&tree(&[("crates/soma-embedded/src/a.rs", "use std::fs;")])).is_empty());
}

#[test]
fn a_library_may_not_print_exit_or_read_the_environment() {
    for line in ["println!();", "eprintln!();", "std::process::exit(1)", "std::env::var(name)"] {
        let found = libraries_are_quiet(&tree(&[
            ("crates/soma-embedded/src/a.rs", line),
            ("crates/soma-server/src/cli.rs", line),
            ("crates/soma-embedded/tests/it/main.rs", line),
        ]));
        assert_eq!(places(&found), ["crates/soma-embedded/src/a.rs:1"], "{line}");
    }
}

#[test]
fn only_wiring_names_adapters() {
    let line = "use soma_embedded::Journal;";
    let found = wiring_names_adapters(&tree(&[
        ("crates/soma-server/src/wiring.rs", line),
        ("crates/soma-server/src/wiring/open.rs", line),
        ("crates/soma-server/src/cli/up.rs", line),
        ("crates/soma-embedded/src/lib.rs", "use rusqlite::Connection;"),
    ]));
    assert_eq!(places(&found), ["crates/soma-server/src/cli/up.rs:1"]);
}

#[test]
fn only_http_knows_http() {
    let line = "use axum::Router;";
    let found = http_stays_in_http(&tree(&[
        ("crates/soma-server/src/http.rs", line),
        ("crates/soma-server/src/http/recall.rs", line),
        ("crates/soma-server/src/metrics.rs", line),
        ("crates/soma-core/src/engine.rs", "fn status() -> StatusCode"),
    ]));
    assert_eq!(places(&found), ["crates/soma-server/src/metrics.rs:1", "crates/soma-core/src/engine.rs:1"]);
}

#[test]
fn whoever_answers_callers_may_not_write_stores() {
    let line = "let mut staging = engine.store.begin(&claim).await?;";
    let found = only_the_projector_writes(&tree(&[
        ("crates/soma-core/src/engine/write.rs", line),
        ("crates/soma-core/src/recall.rs", "index.write(vec![Op::Upsert(point)])"),
        ("crates/soma-server/src/http/memories.rs", "use soma_core::store::Projecting;"),
        ("crates/soma-core/src/projector.rs", line),
        ("crates/soma-core/src/engine_room.rs", line),
    ]));
    assert_eq!(
        places(&found),
        [
            "crates/soma-core/src/engine/write.rs:1",
            "crates/soma-core/src/recall.rs:1",
            "crates/soma-server/src/http/memories.rs:1"
        ]
    );
}

#[test]
fn recall_may_not_read_the_log() {
    let line = "let records = engine.log.read(0, from, limit).await?;";
    let found = recall_leaves_the_log_alone(&tree(&[
        ("crates/soma-core/src/recall/search.rs", line),
        ("crates/soma-core/src/engine/read.rs", line),
    ]));
    assert_eq!(places(&found), ["crates/soma-core/src/recall/search.rs:1"]);
}
