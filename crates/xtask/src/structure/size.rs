//! How long a file may be.

#[cfg(test)]
mod tests;

use super::{Finding, Tree};

const LINES_MAX: usize = 500;
const ENTRY_LINES_MAX: usize = 40;
const CODE: &[&str] = &[".rs", ".py", ".js", ".ts", ".html", ".css", ".sh", ".sql", ".ci/run"];

/// A file of code has at most 500 lines.
pub(crate) fn files(tree: &Tree) -> Vec<Finding> {
    let code = tree.files.iter().filter(|file| CODE.iter().any(|end| file.path.ends_with(end)));
    code.filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| {
            file.finding(lines, format!("{lines} lines, at most {LINES_MAX} are allowed; split it by what it is about"))
        })
    })
    .collect()
}

/// An entry is a page that shows where to go on reading.
pub(crate) fn entry(tree: &Tree) -> Vec<Finding> {
    let entries = tree.files.iter().filter(|file| file.within_src() == Some("main.rs"));
    entries
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > ENTRY_LINES_MAX).then(|| {
                file.finding(lines, format!("{lines} lines in an entry, at most {ENTRY_LINES_MAX}; move the work out"))
            })
        })
        .collect()
}
