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

/// docs/configuration.md has one row per variable of the code: name, default (free text when there is none), purpose.
pub(crate) fn configuration_is_complete(tree: &Tree) -> Vec<Finding> {
    let config = |file: &&File| file.krate() == Some("soma-server") && file.path.contains("/src/config/");
    let variables: Vec<[String; 3]> =
        tree.files.iter().filter(config).filter(|file| !file.is_test()).flat_map(variables).collect();
    let Some(document) = tree.files.iter().find(|file| file.path == "docs/configuration.md") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for [name, default, about] in &variables {
        let start = if default.is_empty() { format!("| `{name}` | ") } else { format!("| `{name}` | `{default}` | ") };
        let end = format!("| {about} |");
        if !document.text.lines().any(|line| line.starts_with(&start) && line.ends_with(&end)) {
            findings.push(document.finding(1, format!("the row `{start}…{end}` is missing; the code says so")));
        }
    }
    for (number, line) in numbered(&document.text) {
        let name = line.strip_prefix("| `").and_then(|rest| rest.split('`').next());
        if let Some(name) = name.filter(|name| !variables.iter().any(|[known, ..]| known == name)) {
            findings.push(document.finding(number, format!("the code does not know `{name}`; remove the row")));
        }
    }
    findings
}

/// Name, default and purpose of each `Variable::new("…", "…", "…")` and `Variable::secret("…", "…")`.
fn variables(file: &File) -> Vec<[String; 3]> {
    let literals = |rest: &str| -> Vec<String> {
        let arguments = rest.split_once(");").map_or(rest, |(arguments, _)| arguments);
        let arguments = arguments.split_once("),\n").map_or(arguments, |(first, _)| first);
        arguments.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let calls = ["Variable::new(", "Variable::secret("];
    let found = calls.iter().flat_map(|call| file.text.split(call).skip(1).map(literals));
    found
        .filter_map(|literals| match literals.as_slice() {
            [name, default, about] => Some([name.clone(), default.clone(), about.clone()]),
            [name, about] => Some([name.clone(), String::new(), about.clone()]),
            _ => None,
        })
        .collect()
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
