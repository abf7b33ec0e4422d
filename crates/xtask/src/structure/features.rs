//! The product and its tests use one build of every dependency.
//!
//! A dependency of a test may switch on features of a crate that the product uses too; cargo then
//! builds that crate twice, and the largest one takes minutes.

use std::collections::BTreeSet;

use crate::cargo::{self, Result};

/// Compares the features of the product's dependencies with and without everything else of the workspace.
pub(crate) fn check() -> Result<()> {
    let product = packages(&["--package", "soma-server", "--edges", "no-dev"])?;
    let workspace = packages(&["--workspace", "--edges", "all"])?;
    compare(&product, &workspace)
}

fn packages(selection: &[&str]) -> Result<BTreeSet<String>> {
    let mut args = vec!["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"];
    args.extend(selection);
    let output = cargo::output(cargo::command(&args)?)?;
    Ok(output.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.is_empty()).collect())
}

fn compare(product: &BTreeSet<String>, workspace: &BTreeSet<String>) -> Result<()> {
    let split: Vec<&str> = product.difference(workspace).map(String::as_str).collect();
    if split.is_empty() {
        return Ok(());
    }
    Err(format!(
        "these packages would be built twice, because another crate of the workspace switches more of their features on:\n  {}\n\
         name the missing features where the product uses them; soma-embedded/Cargo.toml shows how",
        split.join("\n  ")
    ))
}

#[cfg(test)]
mod tests;
