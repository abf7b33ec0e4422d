//! A consumer of one message at a time, in Python, as such consumers are usually written.
//!
//! The script reads the same topic into a room of its own and prints a line of JSON for every so many
//! events; this side only starts it and listens.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::super::batches::per_second;
use super::super::stats::Samples;
use super::site::Site;

/// Events that it is given, and how many make one sample.
const EVENTS: usize = 2_500;
const SAMPLE: usize = 250;
const ROOM: &str = "python";

/// Refuses a script that cannot run, before anything else is measured.
///
/// # Errors
/// `bad_request`.
pub(super) fn check(python: &Path, script: &Path) -> Result<()> {
    let mut command = Command::new(python);
    command.arg(script).arg("--check");
    run(command, script).map(drop)
}

/// What a script prints.
fn run(mut command: Command, script: &Path) -> Result<String> {
    let ran = command.stdin(Stdio::null()).output().map_err(|error| refused(script, &error.to_string()))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    Err(refused(script, String::from_utf8_lossy(&ran.stderr).lines().last().unwrap_or_default()))
}

fn refused(script: &Path, why: &str) -> Error {
    Error::new(Code::BadRequest, format!("{} cannot be measured: {why}", script.display()))
        .at("--one-at-a-time")
        .remedy("name a Python that has aiokafka[zstd], psycopg2 and qdrant-client with --python, or leave it out")
}

/// Events a second, of each sample.
///
/// # Errors
/// `bad_request` when the script does not run to its end.
pub(super) fn measure(site: &mut Site, python: &Path, script: &Path) -> Result<Samples> {
    site.enter(ROOM);
    let room = site.runtime.block_on(async {
        site.servers.make_schema(ROOM).await?;
        site.servers.points(ROOM, site.embedder.identity()).await
    });
    drop(room?);
    let [bootstrap, postgres, qdrant] = site.servers.addresses(ROOM);
    let mut command = Command::new(python);
    command
        .arg(script)
        .args(["--events", &EVENTS.to_string(), "--sample", &SAMPLE.to_string()])
        .args(["--dims", &site.embedder.identity().dims.to_string()])
        .envs(site.servers.variables(ROOM))
        .env("KAFKA_CONSUMER_GROUP", site.servers.plain_group())
        .envs([("KAFKA_BOOTSTRAP_SERVERS", bootstrap), ("POSTGRES_URL", postgres), ("QDRANT_URL", qdrant)]);
    let said = run(command, script)?;
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let rates: Samples = lines.filter_map(|line| rate(&line)).collect();
    if rates.count() == 0 { Err(refused(script, "it printed no sample")) } else { Ok(rates) }
}

fn rate(line: &Value) -> Option<f64> {
    let events = usize::try_from(line.get("events")?.as_u64()?).ok()?;
    Some(per_second(events, line.get("seconds")?.as_f64()? * 1e3))
}
