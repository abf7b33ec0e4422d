//! What documents point to.

#[cfg(test)]
mod tests;

use super::{File, Finding, Tree, numbered};

/// Links to files of the repository, and paths in backticks that begin with one of its folders, exist.
pub(crate) fn paths_exist(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in numbered(&file.text) {
            for target in links(line).filter_map(|target| resolve(file, target)).chain(paths(line)) {
                if !exists(tree, &target) {
                    findings.push(file.finding(number, format!("`{target}` is not there; mend the path or the place")));
                }
            }
        }
    }
    findings
}

/// Every document is listed in the index of documents.
pub(crate) fn index_is_complete(tree: &Tree) -> Vec<Finding> {
    let Some(index) = tree.files.iter().find(|file| file.path == "docs/CANONICAL_DOCUMENTATION.md") else {
        return Vec::new();
    };
    let listed: Vec<String> = index.text.lines().flat_map(links).filter_map(|target| resolve(index, target)).collect();
    let documents = tree.files.iter().filter(|file| {
        file.path.ends_with(".md") && file.path != index.path && !file.path.starts_with("docs/decisions/0")
    });
    let missing = documents.filter(|file| !listed.contains(&file.path));
    missing.map(|file| file.finding(1, format!("a document that {} does not list; add it there", index.path))).collect()
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Paths in backticks.
fn paths(line: &str) -> impl Iterator<Item = String> + '_ {
    let quoted = line.split('`').skip(1).step_by(2);
    let ours = ["crates/", "docs/", "schemas/", "examples/", "scripts/", ".ci/", "python/", "deploy/"];
    quoted
        .filter(move |text| {
            ours.iter().any(|start| text.starts_with(start)) && !text.contains(['<', '…', '*', ' ', '{'])
        })
        .map(|text| text.trim_end_matches('/').to_owned())
}

/// The path that a relative link means, seen from the root; none for links that leave the repository.
fn resolve(from: &File, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or(target);
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = from.path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Whether a file of that path is there, or a folder with files in it.
fn exists(tree: &Tree, path: &str) -> bool {
    tree.files
        .iter()
        .any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}
