//! `soma import`: stores a file of JSON lines, and answers once they can be recalled.
//!
//! A line is an event when it is an object with `event_id` and `type`, else a payload. The event of a
//! payload, and its memory, have ids that follow from the content and from how often the same
//! content has come before in the file. So importing the same file again adds nothing.
//!
//! Events may carry derived ids that nothing in them explains: an export does. They are brought back as a
//! restore.

mod line;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use soma_core::clock::Clock as _;
use soma_core::error::Code;
use soma_core::event::derive;
use soma_core::ids::{MemoryId, Namespace};
use soma_core::{Error, Result, json as bounded, limits};

use super::client::{Call, Client};
use super::exit;
use super::output::{Output, text};
use super::sink::Sink;
use crate::clock::SystemClock;
use crate::config::Config;
use line::Line;

/// Bytes of one request, about; the server's bound is higher.
const REQUEST_BYTES: usize = 8 << 20;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The file; `-` is standard input.
    file: String,
    /// Whose memories the payloads become.
    #[arg(long, short)]
    namespace: Option<String>,
    /// Write the lines that are refused to this file, and count them as dealt with.
    #[arg(long, value_name = "FILE")]
    skip_invalid: Option<PathBuf>,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let namespace = match &flags.namespace {
        Some(text) => Namespace::parse(text)?,
        None => config.api.namespace.clone(),
    };
    let mut import = Import {
        client: Client::connect(config)?,
        namespace,
        now: SystemClock::new().now().to_string(),
        occurrences: HashMap::new(),
        batch: Batch::default(),
        tally: Tally::default(),
        skipped: flags.skip_invalid.as_deref().map(|file| Sink::open(Some(file))).transpose()?,
    };
    let mut line = Vec::new();
    let mut number = 0;
    let (mut input, length) = open(&flags.file)?;
    let progress = progress(length, out);
    loop {
        line.clear();
        let unreadable = |error| Error::new(Code::BadRequest, format!("{} cannot be read", flags.file)).because(error);
        if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        number += 1;
        progress.inc(line.len() as u64);
        if !line.trim_ascii().is_empty() {
            import.line(number, line.trim_ascii(), out)?;
        }
    }
    import.send(out)?;
    progress.finish_and_clear();
    let visible = import.client.wait_for(Some(&import.tally.position))?;
    import.client.close()?;
    let skipped = import.skipped.is_some();
    import.skipped.map(Sink::finish).transpose()?;
    let tally = import.tally;
    let Tally { stored, repeated, deleted, refused, ref position, .. } = tally;
    let answer = json!({
        "lines": stored + deleted + refused, "deleted_since": deleted, "stored": stored, "new": stored - repeated, "already_there": repeated,
        "refused": refused, "position": position, "visible": visible,
    });
    out.result(&answer, || words(&tally, visible));
    Ok(if refused == 0 || skipped { ExitCode::SUCCESS } else { exit::FOUND.into() })
}

fn words(tally: &Tally, visible: bool) -> String {
    let Tally { stored, repeated, deleted, refused, events, .. } = tally;
    let what = match (*events, *stored) {
        (0, 1) => "memory",
        (0, _) => "memories",
        (_, 1) => "line",
        _ => "lines",
    };
    let mut words = match repeated {
        0 => format!("imported {stored} {what}"),
        _ => format!("{} new, {repeated} already there", stored - repeated),
    };
    if *deleted > 0 {
        words.push_str(&format!(", {deleted} deleted since and not brought back"));
    }
    if *refused > 0 {
        words.push_str(&format!(", {refused} refused"));
    }
    if !visible {
        words.push_str("; all of it is durable and will be found in a while");
    }
    words
}

/// A bar on a terminal; nothing where nobody looks.
fn progress(length: Option<u64>, out: &Output) -> ProgressBar {
    if out.is_for_programs() {
        return ProgressBar::hidden();
    }
    let Some(length) = length else { return ProgressBar::no_length() };
    let template = "{wide_bar} {bytes}/{total_bytes}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The lines, and how many bytes they are if that is known.
fn open(file: &str) -> Result<(Box<dyn BufRead>, Option<u64>)> {
    if file == "-" {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    match File::open(file) {
        Ok(opened) => {
            let length = opened.metadata().ok().map(|metadata| metadata.len());
            Ok((Box::new(BufReader::new(opened)), length))
        }
        Err(error) => Err(Error::new(Code::NotFound, format!("{file} cannot be opened: {error}"))),
    }
}

struct Import {
    client: Client,
    namespace: Namespace,
    now: String,
    /// How often each content has come; by digest, so that a large file needs little memory.
    occurrences: HashMap<u128, u64>,
    batch: Batch,
    tally: Tally,
    /// Where refused lines go.
    skipped: Option<Sink>,
}

#[derive(Default)]
struct Batch {
    /// Events that come before the others and are not counted: memories as they came into being.
    before: Vec<Value>,
    events: Vec<Value>,
    lines: Vec<Numbered>,
    bytes: usize,
    /// Whether some derived id of it has to be taken as it is.
    restore: bool,
}

/// A line with its number, from 1.
struct Numbered {
    number: u64,
    /// Whether its event id follows from its content, so that a conflict says that this was deleted.
    by_content: bool,
    /// Kept while it may have to be written down as refused.
    text: Option<Vec<u8>>,
}

#[derive(Default)]
struct Tally {
    /// The last line of the last request that was answered.
    reached: u64,
    stored: u64,
    /// How many of the stored were there already.
    repeated: u64,
    /// How many were there and have been deleted since.
    deleted: u64,
    refused: u64,
    /// How many lines were events.
    events: u64,
    position: Value,
}

impl Import {
    fn line(&mut self, number: u64, line: &[u8], out: &Output) -> Result<()> {
        let text = self.skipped.is_some().then(|| line.to_vec());
        let mut numbered = Numbered { number, by_content: false, text };
        match bounded::parse(line) {
            Ok(value) => {
                let read = Line::of(value);
                numbered.by_content = matches!(read, Line::Payload(_));
                let event = self.event_of(read);
                self.batch.events.push(event);
                self.batch.lines.push(numbered);
                self.batch.bytes += line.len();
            }
            Err(error) => self.refuse(&numbered, &error.to_string(), out)?,
        }
        if self.batch.events.len() >= limits::BATCH_ITEMS_MAX || self.batch.bytes >= REQUEST_BYTES {
            self.send(out)?;
        }
        Ok(())
    }

    fn event_of(&mut self, line: Line) -> Value {
        let event = match line {
            Line::Payload(payload) => return self.event(payload),
            Line::Event(event) => event,
            Line::Memory { created, shown } => {
                self.batch.before.extend(created);
                shown
            }
        };
        self.tally.events += 1;
        self.batch.restore |= MemoryId::parse(text(&event, "id")).is_ok_and(MemoryId::is_derived);
        event
    }

    fn event(&mut self, payload: Value) -> Value {
        let canonical = bounded::canonical(&payload);
        let occurrence = self.occurrences.entry(digest(&canonical)).or_insert(0);
        *occurrence += 1;
        self.batch.restore |= *occurrence > limits::IMPORT_OCCURRENCES_MAX;
        json!({
            "event_id": derive::import_event_id(&self.namespace, &canonical, *occurrence),
            "id": derive::import_memory_id(&self.namespace, &canonical, *occurrence),
            "namespace": self.namespace,
            "type": "created",
            "timestamp": self.now,
            "payload": payload,
        })
    }

    fn send(&mut self, out: &Output) -> Result<()> {
        let Batch { before, events, lines, restore, .. } = std::mem::take(&mut self.batch);
        if events.is_empty() {
            return Ok(());
        }
        let target = if restore { "/v1/events?restore=true" } else { "/v1/events" };
        let reached = self.tally.reached;
        let stopped = |error| stopped(error, reached);
        if !before.is_empty() {
            self.client.call(&Call::post(target, Value::Array(before))).map_err(stopped)?;
        }
        let reply = self.client.reply(&Call::post(target, Value::Array(events))).map_err(stopped)?;
        self.tally.repeated += reply.repeated;
        let answer = reply.body;
        let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if items.len() != lines.len() {
            return Err(Error::new(Code::Internal, "the answer does not cover every line"));
        }
        self.tally.reached = lines.last().map_or(reached, |line| line.number);
        for (item, line) in items.iter().zip(lines) {
            match item.get("error") {
                None => self.tally.stored += 1,
                Some(error) if line.by_content && text(error, "code") == Code::IdempotencyConflict.as_str() => {
                    self.tally.deleted += 1;
                }
                Some(error) => self.refuse(&line, text(error, "detail"), out)?,
            }
        }
        if let Some(position) = answer.get("position").filter(|position| !position.is_null()) {
            self.tally.position = position.clone();
        }
        Ok(())
    }

    fn refuse(&mut self, line: &Numbered, why: &str, out: &Output) -> Result<()> {
        self.tally.refused += 1;
        out.complain(&format!("line {}: {why}", line.number));
        match (&mut self.skipped, &line.text) {
            (Some(skipped), Some(text)) => skipped.line(&String::from_utf8_lossy(text)),
            _ => Ok(()),
        }
    }
}

/// What stopped the import, and how far it got.
fn stopped(error: Error, reached: u64) -> Error {
    let message = match reached {
        0 => format!("{}; nothing is known to be stored", error.message),
        _ => format!("{}; the lines up to {reached} are stored", error.message),
    };
    let remedy = error.remedy.as_ref().map(|remedy| format!("{remedy}; then ")).unwrap_or_default();
    Error { message, ..error }
        .remedy(format!("{remedy}run the same command again: it goes on from there, and adds nothing twice"))
}

fn digest(text: &str) -> u128 {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(text);
    hash.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}
