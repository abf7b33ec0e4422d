//! Who may know about whom, where the compiler does not decide it.

#[cfg(test)]
mod tests;

use super::{File, Finding, Tree, has_word, numbered};

const LIBRARIES: &[&str] = &["soma-core", "soma-embedded", "soma-cluster", "soma-models"];

/// The core does no I/O and reads no clock, no environment and no randomness.
pub(crate) fn core_reaches_nothing(tree: &Tree) -> Vec<Finding> {
    let remedy = "the core reaches the outside through its ports only (`clock`, `log`, `store`, `index`, `embed`)";
    let forbidden = [
        "fs",
        "net",
        "env",
        "process",
        "thread",
        "SystemTime",
        "Instant",
        "getrandom",
        "OsRng",
        "rand",
        "stdin",
        "File",
    ];
    let core = |file: &File| file.krate() == Some("soma-core") && !file.is_test();
    code_lines(tree, core, |line| {
        let names = forbidden.iter().find(|name| reaches(line, name))?;
        Some(format!("`{names}` in the core; {remedy}"))
    })
}

/// Whether a line of code names this module of `std` or `tokio`, or this type or crate.
fn reaches(line: &str, name: &str) -> bool {
    let module = name.chars().all(char::is_lowercase) && !["getrandom", "rand"].contains(&name);
    if !module {
        return has_word(line, name);
    }
    let direct = ["std", "tokio"].iter().any(|root| has_word(line, &format!("{root}::{name}")));
    let grouped = ["use std::{", "use tokio::{"].iter().any(|open| {
        line.split_once(open).is_some_and(|(_, group)| {
            group.split([',', '{', '}']).any(|item| item.trim().split("::").next() == Some(name))
        })
    });
    direct || grouped
}

/// Libraries never print, never end the process and never read the environment.
pub(crate) fn libraries_are_quiet(tree: &Tree) -> Vec<Finding> {
    let forbidden = [
        ("println!", "return the text, or log it with `tracing`"),
        ("print!", "return the text, or log it with `tracing`"),
        ("eprintln!", "return an error, or log it with `tracing`"),
        ("eprint!", "return an error, or log it with `tracing`"),
        ("process::exit", "return an error"),
        ("process::abort", "return an error"),
        ("std::env", "take the setting as a parameter; only `soma-server/src/config` reads the environment"),
    ];
    let library = |file: &File| file.krate().is_some_and(|name| LIBRARIES.contains(&name)) && !file.is_test();
    code_lines(tree, library, |line| {
        let (name, remedy) = forbidden.iter().find(|(name, _)| has_word(line, name))?;
        Some(format!("`{name}` in a library; {remedy}"))
    })
}

/// Only `wiring` names concrete adapters.
pub(crate) fn wiring_names_adapters(tree: &Tree) -> Vec<Finding> {
    let adapters =
        ["soma_embedded", "soma_cluster", "soma_models", "rusqlite", "qdrant_edge", "qdrant_client", "rdkafka"];
    let outside = |file: &File| {
        let wiring = file.within_src().is_some_and(|path| path == "wiring.rs" || path.starts_with("wiring/"));
        file.krate() == Some("soma-server") && !wiring && !file.is_test()
    };
    code_lines(tree, outside, |line| {
        let name = adapters.iter().find(|name| has_word(line, name))?;
        Some(format!("`{name}` outside `wiring`; take the port from `soma_core` and let `wiring` choose the adapter"))
    })
}

/// Only `http/` knows HTTP.
pub(crate) fn http_stays_in_http(tree: &Tree) -> Vec<Finding> {
    let outside = |file: &File| {
        let http = file.within_src().is_some_and(|path| path == "http.rs" || path.starts_with("http/"));
        let inside = file.krate() == Some("soma-server") && http;
        !inside && !file.is_test()
    };
    code_lines(tree, outside, |line| {
        let name = ["axum", "tower_http", "StatusCode"].into_iter().find(|name| has_word(line, name))?;
        Some(format!("`{name}` outside `soma-server/src/http`; hand over a type of the core and translate it there"))
    })
}

/// Whatever answers callers appends to the log; only the projector (and a repair) writes stores.
pub(crate) fn only_the_projector_writes(tree: &Tree) -> Vec<Finding> {
    let writes = [
        "Projecting",
        "Staging",
        "Op::Upsert",
        "Op::Delete",
        "index.write",
        "index.purge",
        "store.begin",
        "store.claim",
    ];
    let answering = |file: &File| match (file.krate(), file.within_src()) {
        (Some("soma-core"), Some(path)) => in_module(path, "engine") || in_module(path, "recall"),
        (Some("soma-server"), Some(path)) => in_module(path, "http"),
        (_, _) => false,
    };
    code_lines(
        tree,
        |file| answering(file) && !file.is_test(),
        |line| {
            let name = writes.iter().find(|name| has_word(line, name))?;
            Some(format!("`{name}` where callers are answered; append an event and let the projector write"))
        },
    )
}

/// Recall reads the stores, never the log.
pub(crate) fn recall_leaves_the_log_alone(tree: &Tree) -> Vec<Finding> {
    let recall = |file: &File| {
        file.krate() == Some("soma-core")
            && file.within_src().is_some_and(|path| in_module(path, "recall"))
            && !file.is_test()
    };
    code_lines(tree, recall, |line| {
        let name = ["EventLog", "SharedLog", "engine.log", "self.log", "crate::log"]
            .into_iter()
            .find(|name| has_word(line, name))?;
        Some(format!("`{name}` in recall; read the record store and the index"))
    })
}

fn in_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn code_lines(tree: &Tree, of: impl Fn(&File) -> bool, broken: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, views) in tree.rust().filter(|(file, _)| of(file)) {
        for (number, line) in numbered(&views.code) {
            findings.extend(broken(line).map(|what| file.finding(number, what)));
        }
    }
    findings
}
