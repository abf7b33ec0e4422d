//! `soma dlq`: the dead letters, and giving them another chance.

use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};
use soma_core::error::Code;
use soma_core::{Error, Result, json as bounded, limits};

use super::client::{Call, Client, encoded};
use super::exit;
use super::output::{Output, items, text};
use crate::config::Config;

/// How long to wait, for each letter, until it is known what became of it.
const WAIT_MS: u64 = 10_000;

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the dead letters: where they lay, why and when they were refused.
    List(List),
    /// Show one dead letter with everything that it holds.
    Show(Show),
    /// Tell what redriving would do; with --apply, do it.
    Redrive(Redrive),
}

#[derive(Debug, Args)]
struct List {
    /// Only those that were refused for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
struct Show {
    /// Where it lay, as `soma dlq list` shows it, or the offset alone.
    source: String,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["source", "reason", "all"]))]
struct Redrive {
    /// The letter that lay there, as `soma dlq list` shows it, or the offset alone.
    source: Option<String>,
    /// Those that were refused for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// A file with the event that takes the place of the refused one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reason", "all"])]
    value: Option<String>,
    /// Do it, instead of telling what would happen.
    #[arg(long)]
    apply: bool,
    /// Also letters that were redriven before, however often.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    match flags.command {
        Command::List(flags) => list(config, &flags, out),
        Command::Show(flags) => show(config, &flags, out),
        Command::Redrive(flags) => redrive(config, &flags, out),
    }
}

fn list(config: &Config, flags: &List, out: &Output) -> Result<ExitCode> {
    let client = Client::connect(config)?;
    let reason = flags.reason.as_ref().map(|reason| format!("&reason={}", encoded(reason))).unwrap_or_default();
    let mut letters: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    while letters.len() < flags.limit {
        let limit = (flags.limit - letters.len()).min(limits::PAGE_MAX);
        let mut page = client.call(&Call::get(&format!("/v1/dead-letters?limit={limit}{reason}{cursor}")))?;
        letters.extend(items(&mut page));
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    client.close()?;
    out.result(&json!({ "items": letters }), || {
        if letters.is_empty() {
            return "there are no dead letters".to_owned();
        }
        letters.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn line(letter: &Value) -> String {
    let count = |name: &str| letter.get(name).and_then(Value::as_u64).unwrap_or(0);
    let redriven = match text(letter, "redriven_to") {
        "" => String::new(),
        place => format!("  (redriven to {place})"),
    };
    format!(
        "{}  {}  {}  attempts {}  redrives {}{redriven}\n        {}",
        text(letter, "source"),
        text(letter, "reason"),
        text(letter, "first_seen"),
        count("attempts"),
        count("redrives"),
        text(letter, "error"),
    )
}

fn show(config: &Config, flags: &Show, out: &Output) -> Result<ExitCode> {
    let client = Client::connect(config)?;
    let letter = client.call(&Call::get(&format!("/v1/dead-letters/{}", encoded(&flags.source))))?;
    client.close()?;
    out.result(&letter, || serde_json::to_string_pretty(&letter).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

fn redrive(config: &Config, flags: &Redrive, out: &Output) -> Result<ExitCode> {
    let value = flags.value.as_deref().map(read).transpose()?;
    let optional = [
        ("source", flags.source.clone().map(Value::from)),
        ("reason", flags.reason.clone().map(Value::from)),
        ("all", flags.all.then_some(Value::Bool(true))),
        ("value", value),
    ];
    let mut body: Map<String, Value> =
        optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    body.insert("apply".into(), flags.apply.into());
    body.insert("force".into(), flags.force.into());
    body.insert("wait_ms".into(), WAIT_MS.into());
    let client = Client::connect(config)?;
    let mut answer = client.call(&Call::post("/v1/dead-letters/redrive", Value::Object(body)))?;
    client.close()?;
    let shown = answer.clone();
    let letters = items(&mut answer);
    out.result(&shown, || words(&letters, flags));
    let done = |letter: &Value| match text(letter, "became") {
        "" => ["duplicate", "deleted", "redriven_before"].contains(&text(letter, "fate")),
        became => became != "dead_lettered",
    };
    Ok(if !flags.apply || letters.iter().all(done) { ExitCode::SUCCESS } else { exit::FOUND.into() })
}

fn words(letters: &[Value], flags: &Redrive) -> String {
    let mut lines: Vec<String> = letters
        .iter()
        .map(|letter| {
            let became = match text(letter, "became") {
                "" => String::new(),
                became => format!("  → {became} at {}", text(letter, "redriven_to")),
            };
            let (source, reason) = (text(letter, "source"), text(letter, "reason"));
            format!("{source}  {reason}: {}: {}{became}", text(letter, "fate"), text(letter, "detail"))
        })
        .collect();
    if letters.is_empty() {
        lines.push("no dead letter is selected".into());
    } else if !flags.apply {
        lines.push("nothing was changed; add --apply to redrive".into());
    }
    lines.join("\n")
}

fn read(file: &str) -> Result<Value> {
    let unreadable = |error| Error::new(Code::NotFound, format!("{file} cannot be read")).because(error);
    bounded::parse(&std::fs::read(file).map_err(unreadable)?)
}
