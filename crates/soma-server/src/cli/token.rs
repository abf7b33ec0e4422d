//! `soma token new|list|revoke`: the file of tokens, without a text editor.
//!
//! A token is shown once, when it is made; the file holds its SHA-256. The file is replaced as a whole, so
//! a running server reads the one of before or the one of after, and it does so within a second. Two
//! commands at once take turns.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use soma_core::clock::Clock as _;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::output::Output;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::api::Access;
use crate::http::access::tokens::{self, Entry};

/// How a token begins, so that it is recognised where it must not stand.
const BEGINNING: &str = "soma_";

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// File of tokens [variable: SOMA_API_TOKENS_FILE].
    #[arg(long, value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, print it once, and keep its hash. The file is made if it is missing.
    New {
        /// By what people know it; stands in the audit log.
        name: String,
        /// What it may do: read, write or admin.
        #[arg(long = "right", value_name = "RIGHT", required = true)]
        rights: Vec<String>,
        /// A namespace that it reaches.
        #[arg(long = "namespace", value_name = "NAME")]
        namespaces: Vec<String>,
        /// Every namespace that begins so; "" is all of them.
        #[arg(long = "prefix", value_name = "PREFIX")]
        prefixes: Vec<String>,
    },
    /// Show the tokens of the file: names, rights and namespaces.
    List,
    /// Take a token back.
    Revoke {
        /// Its name.
        name: String,
    },
}

impl Flags {
    /// Adds what was given to the flags that the configuration reads.
    pub(super) fn add_to(&self, flags: &mut BTreeMap<&'static str, String>) {
        flags.extend(self.file.as_ref().map(|file| ("SOMA_API_TOKENS_FILE", file.display().to_string())));
    }
}

/// Runs one of the actions.
///
/// # Errors
/// `bad_config` without a file or with a faulty one, naming the line; `bad_request`, `not_found`.
pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    let Access::File { path, .. } = &config.api.access else {
        return Err(Error::new(Code::BadConfig, "no file of tokens is named")
            .at("SOMA_API_TOKENS_FILE")
            .remedy("set SOMA_API_TOKENS_FILE, or add --file"));
    };
    match flags.action {
        Action::New { name, rights, namespaces, prefixes } => {
            let entry = Entry { name, rights, namespaces, prefixes };
            let token = token();
            change(path, |text| tokens::add(text, &entry, &token))?;
            let mut shown = entry.shown();
            shown["token"] = token.clone().into();
            out.result(&shown, || token.clone());
            if !out.is_for_programs() {
                out.complain("it is not shown again: keep it where secrets are kept");
            }
        }
        Action::List => {
            let entries = tokens::list(&read(path)?)?;
            let shown: Vec<Value> = entries.iter().map(Entry::shown).collect();
            out.result(&json!({ "tokens": shown }), || table(&entries));
        }
        Action::Revoke { name } => {
            change(path, |text| tokens::remove(text, &name))?;
            out.result(&json!({ "revoked": name }), || format!("revoked {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A token that nobody can guess: 256 bits.
fn token() -> String {
    let clock = SystemClock::new();
    let bytes = [clock.random(), clock.random()].concat();
    format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "there are no tokens".into();
    }
    let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    let reach = |entry: &Entry| {
        let prefixes = entry.prefixes.iter().map(|prefix| match prefix.as_str() {
            "" => "every namespace".to_owned(),
            prefix => format!("{prefix}…"),
        });
        entry.namespaces.iter().cloned().chain(prefixes).collect::<Vec<_>>().join(", ")
    };
    let line = |entry: &Entry| format!("{:width$}  {}  {}", entry.name, entry.rights.join(", "), reach(entry));
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The text of the file; a missing one is empty.
fn read(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(failed(path, "read", error)),
    }
}

fn failed(path: &Path, what: &str, error: std::io::Error) -> Error {
    Error::new(Code::BadConfig, format!("the tokens file {} cannot be {what}: {error}", path.display()))
        .at("SOMA_API_TOKENS_FILE")
        .remedy("name a file that you may write, in a folder that you may write")
        .because(error)
}

/// Replaces the file by what becomes of its text, one command at a time. Owner and mode stay; a new file
/// is for its owner alone.
fn change(path: &Path, edit: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let writing = |error| failed(path, "written", error);
    // Behind a link lies the file that is meant.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let turn = File::open(folder).map_err(writing)?;
    turn.lock().map_err(writing)?;
    let changed = edit(&read(&place)?)?;
    let mut next = tempfile::NamedTempFile::new_in(folder).map_err(writing)?;
    next.write_all(changed.as_bytes()).map_err(writing)?;
    if let Ok(meta) = fs::metadata(&place) {
        let made = next.as_file().metadata().map_err(writing)?;
        if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
            chown(next.path(), Some(meta.uid()), Some(meta.gid())).map_err(writing)?;
        }
        next.as_file().set_permissions(meta.permissions()).map_err(writing)?;
    }
    next.as_file().sync_all().map_err(writing)?;
    next.persist(&place).map_err(|error| writing(error.error))?;
    turn.sync_all().map_err(writing)
}
