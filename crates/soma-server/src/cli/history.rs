//! `soma history`: the events of one memory, oldest first.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use soma_core::Result;
use soma_core::ids::MemoryId;

use super::client::{Call, Client};
use super::output::{Output, payload, text};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The memory's id.
    id: String,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let id = MemoryId::parse(&flags.id)?;
    let client = Client::connect(config)?;
    let answer = client.call(&Call::get(&format!("/v1/memories/{id}/history")))?;
    client.close()?;
    out.result(&answer, || {
        let events = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        events.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn line(event: &Value) -> String {
    let words = match event.get("payload") {
        None | Some(Value::Null) => String::new(),
        Some(value) => payload(value),
    };
    format!("{}  {:8}{words}", text(event, "timestamp"), text(event, "type")).trim_end().to_owned()
}
