//! What the crates' manifests may say.

#[cfg(test)]
mod tests;

use super::{File, Finding, Tree, numbered};

/// Which crates of ours each crate may depend on, in the product and in its tests.
const DIRECTIONS: &[(&str, &[&str], &[&str])] = &[
    ("soma-core", &[], &["soma-testkit"]),
    ("soma-embedded", &["soma-core"], &["soma-testkit"]),
    ("soma-cluster", &["soma-core"], &["soma-testkit", "soma-embedded"]),
    ("soma-models", &["soma-core"], &["soma-testkit"]),
    ("soma-server", &["soma-core", "soma-embedded", "soma-cluster", "soma-models"], &["soma-testkit"]),
    ("soma-testkit", &["soma-core", "soma-embedded"], &[]),
    ("xtask", &[], &[]),
];

/// What the core may stand on: crates that compute. One that opens files or sockets, reads a clock or
/// draws randomness belongs behind a port.
const CORE: &[&str] = &[
    "async-trait",
    "futures",
    "jiff",
    "rust-stemmers",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tokio",
    "tokio-util",
    "tracing",
    "unicode-normalization",
    "unicode-segmentation",
    "uuid",
    "xxhash-rust",
];

/// Dependencies point towards the core; nothing depends on the server.
pub(crate) fn directions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in manifests(tree) {
        let Some((name, normal, dev)) = DIRECTIONS.iter().find(|(name, ..)| Some(*name) == file.krate()) else {
            findings.push(file.finding(1, "a crate without a place; give it one in `structure::manifest::DIRECTIONS`"));
            continue;
        };
        for dependency in dependencies(file).filter(|d| d.name.starts_with("soma-") || d.name == "xtask") {
            let allowed = normal.contains(&dependency.name) || (dependency.dev && dev.contains(&dependency.name));
            if !allowed {
                let what =
                    format!("`{name}` may not depend on `{}`; ARCHITECTURE.md shows the directions", dependency.name);
                findings.push(file.finding(dependency.line, what));
            }
        }
    }
    findings
}

/// The core stands on crates that do no I/O.
pub(crate) fn core_dependencies(tree: &Tree) -> Vec<Finding> {
    let core = manifests(tree).filter(|file| file.krate() == Some("soma-core"));
    core.flat_map(|file| {
        let strange = dependencies(file).filter(|d| !d.dev && !CORE.contains(&d.name));
        strange.map(|d| {
            let what = format!(
                "`{}` is not among the crates that the core may use; if it does no I/O and reads neither clock nor \
                 environment, add it to `structure::manifest::CORE`, else put it behind a port",
                d.name
            );
            file.finding(d.line, what)
        })
    })
    .collect()
}

/// Every crate takes the workspace's lints.
pub(crate) fn lints_are_inherited(tree: &Tree) -> Vec<Finding> {
    let without = manifests(tree).filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    without
        .map(|file| file.finding(1, "the workspace's lints are not inherited; add `[lints]` with `workspace = true`"))
        .collect()
}

/// Dependencies come from crates.io, whoever builds.
pub(crate) fn sources(tree: &Tree) -> Vec<Finding> {
    let home = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in numbered(&file.text) {
            if file.path == "Cargo.lock" && line.starts_with("source = ") && line != home {
                findings.push(file.finding(number, "a package from elsewhere than crates.io; use a published version"));
            }
            let config = file.path.starts_with(".cargo/");
            if config && ["[source", "[registries", "[registry", "proxy"].iter().any(|start| line.starts_with(start)) {
                findings.push(
                    file.finding(number, "a registry of one machine; keep it in that machine's own configuration"),
                );
            }
        }
    }
    findings
}

fn manifests(tree: &Tree) -> impl Iterator<Item = &File> {
    // Fuzz targets are packages of their own below a crate, outside the workspace.
    tree.files.iter().filter(|file| file.path.matches('/').count() == 2 && file.path.ends_with("/Cargo.toml"))
}

struct Dependency<'a> {
    name: &'a str,
    line: usize,
    dev: bool,
}

fn dependencies(file: &File) -> impl Iterator<Item = Dependency<'_>> {
    let mut section = "";
    numbered(&file.text).filter_map(move |(number, line)| {
        if let Some(title) = line.strip_prefix('[') {
            section = title.trim_end_matches(']');
            return None;
        }
        let section = section.rsplit('.').next().unwrap_or(section);
        let dev = section == "dev-dependencies";
        if !(dev || section == "dependencies" || section == "build-dependencies") || line.starts_with('#') {
            return None;
        }
        let name = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty())?;
        Some(Dependency { name, line: number, dev })
    })
}
