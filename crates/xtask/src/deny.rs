//! Licences, sources, bans and advisories of all dependencies, by cargo-deny.
//!
//! The first three need no network and always count. Advisories need the advisory database; when it
//! cannot be fetched the verb says so loudly and goes on, because a build machine without a network
//! must not turn red for that. A database that was fetched counts like the rest.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo::{self, Result};

/// The newest version that rust 1.95 compiles.
const VERSION: &str = "0.20.2";

/// Runs every check that can run here.
pub(crate) fn run() -> Result<()> {
    let tool = install()?;
    cargo::step("licences, bans, sources", || {
        deny(&tool, &["check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
    })?;
    let fetched = cargo::step("fetch the advisory database", || deny(&tool, &["fetch", "db"]));
    if let Err(reason) = fetched {
        eprintln!("{reason}");
        eprintln!("ADVISORIES WERE NOT CHECKED: the database could not be fetched; run `cargo x deny` where it can");
        return Ok(());
    }
    cargo::step("advisories", || deny(&tool, &["--offline", "check", "--hide-inclusion-graph", "advisories"]))
}

fn deny(tool: &PathBuf, args: &[&str]) -> Result<()> {
    let mut command = Command::new(tool);
    command.args(["--locked", "--all-features"]).args(args).current_dir(cargo::root()?);
    cargo::run(command)
}

/// Installs cargo-deny into the build folder unless it is there.
fn install() -> Result<PathBuf> {
    let root = cargo::target()?.join("tools");
    let tool = root.join("bin").join("cargo-deny");
    let version = Command::new(&tool).arg("--version").output();
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION)) {
        return Ok(tool);
    }
    cargo::step("install cargo-deny", || {
        let mut command =
            cargo::command(&["install", "--locked", "--force", "cargo-deny", "--version", VERSION, "--root"])?;
        command.arg(&root).env("CARGO_TARGET_DIR", root.join("build"));
        cargo::run(command)?;
        // What it was built from is not needed again.
        std::fs::remove_dir_all(root.join("build")).map_err(|e| format!("cannot remove the build of cargo-deny: {e}"))
    })?;
    Ok(tool)
}
