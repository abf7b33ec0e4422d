//! The rules of the house that a compiler does not know.
//!
//! Every rule is a function from the tree of files to findings, so that its tests show it a tree
//! that breaks it. ARCHITECTURE.md lists which invariant each of them guards.

mod documents;
mod features;
mod layers;
mod layout;
mod manifest;
mod size;
mod source;
#[cfg(test)]
mod testing;
mod words;

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::cargo::{self, Result};
use source::Views;

/// The files of the repository.
pub(crate) struct Tree {
    files: Vec<File>,
}

/// One text file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
    /// For Rust: its code without comments and literals, and the reverse.
    views: Option<Views>,
}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    /// What is wrong, and what to do.
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    size::files,
    size::entry,
    layers::core_reaches_nothing,
    layers::libraries_are_quiet,
    layers::wiring_names_adapters,
    layers::http_stays_in_http,
    layers::only_the_projector_writes,
    layers::recall_leaves_the_log_alone,
    layout::modules_open_with_a_purpose,
    layout::tests_have_their_own_files,
    layout::one_integration_binary,
    manifest::directions,
    manifest::core_dependencies,
    manifest::lints_are_inherited,
    manifest::sources,
    words::unfinished,
    words::unwraps,
    words::machines,
    words::spelling,
    documents::paths_exist,
    documents::index_is_complete,
    documents::configuration_is_complete,
];

/// Checks the working tree and how its features unify.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&cargo::root()?)?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    findings.sort_by(|a, b| (&a.path, a.line, &a.what).cmp(&(&b.path, b.line, &b.what)));
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    features::check()?;
    if findings.is_empty() { Ok(()) } else { Err(format!("{} places break a rule of the house", findings.len())) }
}

impl Tree {
    /// Every file that git knows or would add; one that is not text is there, and holds none.
    fn read(root: &Path) -> Result<Self> {
        let list = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|e| format!("cannot start git: {e}"))?;
        if !list.status.success() {
            return Err(format!("git cannot list the files: {}", String::from_utf8_lossy(&list.stderr)));
        }
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&list.stdout).split('\0').filter(|p| !p.is_empty()) {
            // A file that was removed but not yet staged is listed and not there.
            if let Ok(bytes) = std::fs::read(root.join(path)) {
                files.push(File::new(path, &String::from_utf8(bytes).unwrap_or_default()));
            }
        }
        Ok(Self { files })
    }

    fn rust(&self) -> impl Iterator<Item = (&File, &Views)> {
        self.files.iter().filter_map(|file| Some((file, file.views.as_ref()?)))
    }
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let views = path.ends_with(".rs").then(|| Views::of(text));
        Self { path: path.to_owned(), text: text.to_owned(), views }
    }

    /// The name of the crate that it belongs to.
    fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Its path within the sources of its crate (`http/recall.rs`).
    fn within_src(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split_once('/')?.1.strip_prefix("src/")
    }

    /// Whether it is compiled for tests or benchmarks only.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.contains("/fuzz/")
            || self.path.starts_with("crates/soma-testkit/")
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// The lines of a text, counted from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether `line` contains `needle` with no letter, digit or underscore directly before or after it.
fn has_word(line: &str, needle: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let opens = needle.starts_with(part_of_name);
    let closes = needle.ends_with(part_of_name);
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let longer = (opens && before.is_some_and(part_of_name)) || (closes && after.is_some_and(part_of_name));
        !longer
    })
}
