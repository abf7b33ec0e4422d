//! `soma import`: stores a file of JSON lines, and answers once they can be recalled.
//!
//! A line is an event when it is an object with `event_id` and `type`, else a payload. The event of a
//! payload, and its memory, have ids that follow from the content and from how often the same
//! content has come before in the file. So importing the same file again adds nothing.
//!
//! Events may carry derived ids that nothing in them explains: an export does. They are brought back as a
//! restore.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::clock::Clock as _;
use soma_core::error::Code;
use soma_core::event::derive;
use soma_core::ids::{MemoryId, Namespace};
use soma_core::{Error, Result, json as bounded, limits};

use super::client::{Call, Client};
use super::exit;
use super::output::{Output, text};
use crate::clock::SystemClock;
use crate::config::Config;

/// Bytes of one request, about; the server's bound is higher.
const REQUEST_BYTES: usize = 8 << 20;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The file; `-` is standard input.
    file: String,
    /// Whose memories the payloads become.
    #[arg(long, short)]
    namespace: Option<String>,
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
    };
    let mut line = Vec::new();
    let mut number = 0;
    let mut input = open(&flags.file)?;
    loop {
        line.clear();
        let unreadable = |error| Error::new(Code::BadRequest, format!("{} cannot be read", flags.file)).because(error);
        if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        number += 1;
        if !line.trim_ascii().is_empty() {
            import.line(number, line.trim_ascii(), out)?;
        }
    }
    import.send(out)?;
    let visible = import.wait()?;
    import.client.close()?;
    let tally = import.tally;
    let Tally { stored, repeated, refused, ref position, .. } = tally;
    let answer = json!({
        "lines": stored + refused, "stored": stored, "new": stored - repeated, "already_there": repeated,
        "refused": refused, "position": position, "visible": visible,
    });
    out.result(&answer, || words(&tally, visible));
    Ok(if refused == 0 { ExitCode::SUCCESS } else { exit::FOUND.into() })
}

fn words(tally: &Tally, visible: bool) -> String {
    let Tally { stored, repeated, refused, events, .. } = tally;
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
    if *refused > 0 {
        words.push_str(&format!(", {refused} refused"));
    }
    if !visible {
        words.push_str("; all of it is durable and will be found in a while");
    }
    words
}

fn open(file: &str) -> Result<Box<dyn BufRead>> {
    if file == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    match File::open(file) {
        Ok(opened) => Ok(Box::new(BufReader::new(opened))),
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
}

#[derive(Default)]
struct Batch {
    events: Vec<Value>,
    lines: Vec<u64>,
    bytes: usize,
    /// Whether some derived id of it has to be taken as it is.
    restore: bool,
}

#[derive(Default)]
struct Tally {
    stored: u64,
    /// How many of the stored were there already.
    repeated: u64,
    refused: u64,
    /// How many lines were events.
    events: u64,
    position: Value,
}

impl Import {
    fn line(&mut self, number: u64, line: &[u8], out: &Output) -> Result<()> {
        match bounded::parse(line) {
            Ok(value) => {
                let event = if is_event(&value) {
                    self.tally.events += 1;
                    self.batch.restore |= MemoryId::parse(text(&value, "id")).is_ok_and(MemoryId::is_derived);
                    value
                } else {
                    self.event(value)
                };
                self.batch.events.push(event);
                self.batch.lines.push(number);
                self.batch.bytes += line.len();
            }
            Err(error) => self.refuse(number, &error.to_string(), out),
        }
        if self.batch.events.len() >= limits::BATCH_ITEMS_MAX || self.batch.bytes >= REQUEST_BYTES {
            self.send(out)?;
        }
        Ok(())
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
        let Batch { events, lines, restore, .. } = std::mem::take(&mut self.batch);
        if events.is_empty() {
            return Ok(());
        }
        let target = if restore { "/v1/events?restore=true" } else { "/v1/events" };
        let reply = self.client.reply(&Call::post(target, Value::Array(events)))?;
        self.tally.repeated += reply.repeated;
        let answer = reply.body;
        let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if items.len() != lines.len() {
            return Err(Error::new(Code::Internal, "the answer does not cover every line"));
        }
        for (item, number) in items.iter().zip(lines) {
            match item.get("error") {
                None => self.tally.stored += 1,
                Some(error) => self.refuse(number, text(error, "detail"), out),
            }
        }
        self.tally.position = answer.get("position").cloned().unwrap_or_default();
        Ok(())
    }

    /// Waits until both stores have all of it, so that the next command finds it; `false` when that
    /// takes longer than a read may wait.
    fn wait(&self) -> Result<bool> {
        let Some(position) = self.tally.position.as_str() else { return Ok(true) };
        let wait_ms = limits::WAIT_MAX.as_millis();
        match self.client.call(&Call::get(&format!("/v1/stats?after={position}&wait_ms={wait_ms}"))) {
            Ok(_) => Ok(true),
            Err(error) if error.code == Code::PositionNotReached => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn refuse(&mut self, number: u64, why: &str, out: &Output) {
        self.tally.refused += 1;
        out.complain(&format!("line {number}: {why}"));
    }
}

fn is_event(value: &Value) -> bool {
    value.get("event_id").is_some() && value.get("type").is_some()
}

fn digest(text: &str) -> u128 {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(text);
    hash.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}
