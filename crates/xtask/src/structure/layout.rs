//! Where things stand in a crate.

#[cfg(test)]
mod tests;

use super::{Finding, Tree, numbered};

/// Every module opens with what it is for. Unit tests beside the code need not: the module above them does.
pub(crate) fn modules_open_with_a_purpose(tree: &Tree) -> Vec<Finding> {
    let silent = tree.rust().filter(|(file, _)| {
        let ours = file.krate().is_some() && !file.path.ends_with("/tests.rs");
        ours && !file.text.lines().find(|line| !line.trim().is_empty()).is_some_and(opens)
    });
    silent
        .map(|(file, _)| {
            file.finding(1, "no `//!` at the top; say what the module is for, what holds in it, what it does not do")
        })
        .collect()
}

fn opens(line: &str) -> bool {
    line.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty())
}

/// Unit tests lie beside the code, in their own files.
pub(crate) fn tests_have_their_own_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, views) in tree.rust() {
        for (number, line) in numbered(&views.code) {
            let line = line.trim();
            if line.starts_with("mod tests") && line.contains('{') {
                findings.push(
                    file.finding(number, "unit tests inside the code; write `mod tests;` and move them to `tests.rs`"),
                );
            }
        }
    }
    findings
}

/// One binary holds all integration tests of a crate, so that the large dependencies link once.
pub(crate) fn one_integration_binary(tree: &Tree) -> Vec<Finding> {
    let tests = tree.rust().filter_map(|(file, _)| {
        let within = file.path.strip_prefix("crates/")?.split_once("/tests/")?;
        let (krate, path) = within;
        let (folder, rest) = path.split_once('/').unwrap_or(("", path));
        let binary = folder.is_empty() || (rest == "main.rs" && folder != "it");
        (!krate.contains('/') && binary).then_some(file)
    });
    tests.map(|file| file.finding(1, "a second integration binary; make it a module of `tests/it/main.rs`")).collect()
}
