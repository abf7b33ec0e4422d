//! `soma forget`: deletes one memory, or all that a namespace and a filter select.
//!
//! How many a selection holds is said before anything is deleted, and somebody has to agree: at the
//! terminal, or with `--yes`.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::ids::MemoryId;
use soma_core::{Error, Result};

use super::client::{Call, Client, encoded};
use super::exit;
use super::output::{Output, items, text};
use super::select::{Pages, Select};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The memory's id; its namespace is needed only when its record is not there yet.
    #[arg(conflicts_with_all = ["filter", "yes"])]
    id: Option<String>,
    #[command(flatten)]
    select: Select,
    /// Delete what is selected without asking.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    match &flags.id {
        Some(id) => one(config, MemoryId::parse(id)?, flags.select.namespace.as_deref(), out),
        None => selected(config, flags, out),
    }
}

fn one(config: &Config, id: MemoryId, namespace: Option<&str>, out: &Output) -> Result<ExitCode> {
    let namespace = namespace.map(|name| format!("&namespace={}", encoded(name))).unwrap_or_default();
    let client = Client::connect(config)?;
    let answer = client.call(&Call::delete(&format!("/v1/memories/{id}?wait=stored{namespace}")))?;
    client.close()?;
    out.result(&answer, || format!("{} is forgotten", text(&answer, "id")));
    Ok(ExitCode::SUCCESS)
}

fn selected(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    if flags.select.namespace.is_none() && flags.select.filter.is_none() {
        return Err(Error::new(Code::BadRequest, "what to forget is not said")
            .remedy("name a memory's id, or a selection with --namespace, --filter or both"));
    }
    // Named here, so that what was counted is what is deleted, whoever answers.
    let namespace = flags.select.namespace.clone().unwrap_or_else(|| config.api.namespace.to_string());
    let select = Select { namespace: Some(namespace.clone()), ..flags.select.clone() };
    let query = select.query()?;
    let client = Client::connect(config)?;
    let count = count(&client, &select, &query)?;
    if count == 0 {
        client.close()?;
        out.result(&json!({ "deleted": 0 }), || "no memory is selected".into());
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("{count} {} of the namespace {namespace:?}", if count == 1 { "memory" } else { "memories" });
    if !flags.yes && !agreed(&what, out)? {
        client.close()?;
        out.complain("nothing is forgotten");
        return Ok(exit::FOUND.into());
    }
    let wait_ms = soma_core::limits::WAIT_MAX.as_millis();
    let answer = client.call(&Call::delete(&format!("/v1/memories?wait=stored&wait_ms={wait_ms}{query}")))?;
    client.close()?;
    let visible = answer.get("stored").and_then(Value::as_bool).unwrap_or(false);
    let deleted = answer.get("deleted").and_then(Value::as_u64).unwrap_or(0);
    out.result(&json!({ "deleted": deleted, "position": answer.get("position"), "visible": visible }), || {
        format!("{deleted} memories are forgotten")
    });
    Ok(ExitCode::SUCCESS)
}

fn count(client: &Client, select: &Select, query: &str) -> Result<u64> {
    if select.filter.is_none() {
        let name = select.namespace.as_deref().unwrap_or_default();
        let mut page = client.call(&Call::get(&format!("/v1/namespaces?limit=1&prefix={}", encoded(name))))?;
        let found = items(&mut page).into_iter().find(|item| text(item, "namespace") == name);
        return Ok(found.and_then(|item| item.get("memories").and_then(Value::as_u64)).unwrap_or(0));
    }
    let mut pages = Pages::of(client, format!("/v1/memories?order=newest{query}"), usize::MAX);
    let mut count = 0;
    while let Some(page) = pages.next()? {
        count += page.len() as u64;
    }
    Ok(count)
}

/// Whether somebody at the terminal wants it.
fn agreed(what: &str, out: &Output) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Error::new(Code::BadRequest, format!("{what} would be forgotten, and nobody is there to agree"))
            .remedy("add --yes"));
    }
    out.ask(&format!("forget {what}, for ever? [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Error::new(Code::BadRequest, "the answer cannot be read").because(error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
