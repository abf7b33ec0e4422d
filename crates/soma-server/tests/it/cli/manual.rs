//! What is said about the commands: their help, the page that documents them, completions, manual.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::directory;
use crate::harness::{Server, run, soma, text};

/// A command with its help.
struct Helped {
    /// `dlq list`; empty for `soma` itself.
    path: String,
    help: String,
}

impl Helped {
    fn flags(&self) -> impl Iterator<Item = &str> {
        let words = self.help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let long = words.flat_map(str::split_whitespace).filter(|word| word.starts_with("--"));
        long.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase()))
    }
}

/// Every command, in the order in which the help lists them.
fn commands() -> Vec<Helped> {
    let folder = directory();
    let mut all = Vec::new();
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        let args: Vec<&str> = path.split_whitespace().chain(["--help"]).collect();
        let help = text(&run(folder.path(), &args).stdout);
        let listed = help.split_once("\nCommands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
        let names = listed.unwrap_or_default().lines().filter_map(|line| {
            let name = line.strip_prefix("  ")?.split_whitespace().next()?;
            (line.chars().nth(2) != Some(' ') && name != "help").then_some(name)
        });
        left.extend(names.rev().map(|name| format!("{path} {name}").trim().to_owned()));
        all.push(Helped { path, help });
    }
    all
}

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/cli.md")).expect("the page is there")
}

#[test]
fn golden_the_help_of_every_command() {
    let mut all = String::new();
    for Helped { path, help } in commands() {
        writeln!(all, "━━ soma {path}\n\n{}", help.trim_end()).expect("a string takes everything");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/help.txt");
    #[expect(clippy::disallowed_methods, reason = "`cargo x bless` asks for new golden files this way")]
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(&file, &all).expect("the golden file can be written");
    }
    assert_eq!(all, fs::read_to_string(file).expect("there is a golden file"));
}

#[test]
fn the_page_names_every_command_and_every_flag() {
    let page = page();
    let commands = commands();
    assert!(commands.len() > 20, "the help lists its commands");
    let common: Vec<&str> = commands[0].flags().collect();
    let everywhere = page.split("\n## Flags of every command").nth(1).and_then(|rest| rest.split("\n## ").next());
    for flag in &common {
        assert!(everywhere.expect("a part about them").contains(&format!("`{flag}`")), "{flag} is not explained");
    }
    for command in &commands[1..] {
        let heading = format!("\n### `soma {}`\n", command.path);
        let part = page.split(&heading).nth(1).unwrap_or_else(|| panic!("soma {} has no part", command.path));
        let part = part.split("\n#").next().unwrap_or_default();
        for flag in command.flags().filter(|flag| !common.contains(flag)) {
            assert!(part.contains(&format!("`{flag}`")), "soma {}: {flag} is not explained", command.path);
        }
    }
}

#[test]
fn the_page_documents_no_command_that_is_not_there() {
    let commands = commands();
    for line in page().lines().filter_map(|line| line.strip_prefix("### `soma ")) {
        let path = line.trim_end_matches('`');
        assert!(commands.iter().any(|command| command.path == path), "there is no soma {path}");
    }
}

/// The blocks of the page that begin with ```sh, one below the other.
fn examples() -> String {
    let page = page();
    let blocks = page.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.map(|block| format!("{block}\n")).collect()
}

fn run_examples(data: &Path, scratch: &Path) {
    let binary = Path::new(env!("CARGO_BIN_EXE_soma")).parent().expect("a folder");
    let script = format!("set -euo pipefail\n{}", examples());
    let output = Command::new("bash")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", binary.display()))
        .env("TMPDIR", scratch)
        .env("SOMA_DATA_DIR", data)
        .current_dir(root())
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let told = text(&output.stdout);
    for words in ["The allotment rent", "0 new, 467 already there", "there are no dead letters"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn the_examples_of_the_page_work_on_a_directory() {
    let folder = directory();
    run_examples(&folder.path().join("data"), folder.path());
}

#[test]
fn the_examples_of_the_page_work_beside_a_server() {
    let folder = directory();
    let data = folder.path().join("data");
    let _server = Server::on(&data, &[]);
    run_examples(&data, folder.path());
}

#[test]
fn completions_and_manual_need_no_settings() {
    let folder = directory();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = soma(folder.path(), &["completions", shell]).env("SOMA_API_PORT", "x").output().expect("it runs");
        assert!(output.status.success() && text(&output.stdout).contains("redrive"), "{shell}");
    }
    let page = soma(folder.path(), &["man"]).env("SOMA_API_PORT", "x").output().expect("it runs");
    assert!(page.status.success() && text(&page.stdout).contains(".TH soma 1"), "{}", text(&page.stdout));
}
