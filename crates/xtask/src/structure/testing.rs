//! Small trees for the tests of the rules.

use super::{File, Finding, Tree};

/// A tree of these files.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    Tree { files: files.iter().map(|(path, text)| File::new(path, text)).collect() }
}

/// Where the findings are, as `path:line`.
pub(crate) fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}:{}", f.path, f.line)).collect()
}
