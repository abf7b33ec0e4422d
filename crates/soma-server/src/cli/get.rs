//! `soma get`: shows one memory, or its history.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::Result;
use soma_core::ids::MemoryId;

use super::client::{Call, Client};
use super::output::Output;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The memory's id.
    id: String,
    /// Show its events, oldest first.
    #[arg(long)]
    history: bool,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let id = MemoryId::parse(&flags.id)?;
    let client = Client::connect(config)?;
    let answer = match flags.history {
        true => history(&client, id)?,
        false => client.call(&Call::get(&format!("/v1/memories/{id}")))?,
    };
    client.close()?;
    out.result(&answer, || serde_json::to_string_pretty(&answer).unwrap_or_else(|_| Value::Null.to_string()));
    Ok(ExitCode::SUCCESS)
}

/// Every page in one answer.
fn history(client: &Client, id: MemoryId) -> Result<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = client.call(&Call::get(&format!("/v1/memories/{id}/history?limit=1000{cursor}")))?;
        if let Some(Value::Array(page)) = page.get_mut("items").map(Value::take) {
            items.extend(page);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(json!({ "items": items, "next_cursor": null })),
        }
    }
}
