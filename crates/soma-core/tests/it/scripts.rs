//! Golden scripts: a folder of them is a test; `cargo x bless` writes their outputs anew.

use std::path::Path;

use goldenscript::Runner;

/// Runs every script of `tests/scripts/<name>`, each with a runner of its own.
pub(crate) fn run_folder<R: Runner>(name: &str, make: impl Fn() -> R) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name);
    let entries = folder.read_dir().expect("the folder exists");
    let mut scripts: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "there is no script for {name}");
    for script in scripts {
        goldenscript::run(&mut make(), &script).unwrap_or_else(|why| panic!("{}: {why}", script.display()));
    }
}
