//! This test binary again, as another process that can be killed.
//!
//! The child runs one test and is told by an argument which folder to use; without that argument such
//! a test does nothing.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const FOLDER: &str = "folder=";

/// The folder, when this process is a child.
pub(crate) fn told() -> Option<PathBuf> {
    std::env::args().find_map(|arg| arg.strip_prefix(FOLDER).map(PathBuf::from))
}

/// The command line that runs one test, named by its path, as a child.
pub(crate) fn command(test: &str, folder: &Path) -> Vec<String> {
    let binary = std::env::current_exe().expect("the test binary has a path");
    let folder = format!("{FOLDER}{}", folder.display());
    vec![binary.display().to_string(), "--exact".into(), test.into(), folder]
}

/// Starts a child and listens to it.
pub(crate) fn start(command: &[String]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary starts again");
    let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    (child, lines)
}

/// Tells the parent.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent reads");
}
