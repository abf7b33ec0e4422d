//! `soma list`: the memories that a namespace and a filter select.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use soma_core::Result;

use super::client::{Client, encoded};
use super::output::{Output, payload, text};
use super::select::{Pages, Select, elsewhere};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    select: Select,
    /// Every namespace that begins with this.
    #[arg(long, value_name = "PREFIX", conflicts_with = "namespace")]
    namespace_prefix: Option<String>,
    /// In which order.
    #[arg(long, value_enum, default_value_t = Order::Newest)]
    order: Order,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// The latest change first.
    Newest,
    /// The earliest change first.
    Oldest,
    /// The most important first.
    Importance,
}

impl Order {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Importance => "importance",
        }
    }
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let mut target = format!("/v1/memories?order={}{}", flags.order.as_str(), flags.select.query()?);
    if let Some(prefix) = &flags.namespace_prefix {
        target.push_str(&format!("&namespace_prefix={}", encoded(prefix)));
    }
    let client = Client::connect(config)?;
    let memories = Pages::of(&client, target, flags.limit).all()?;
    let is_default = flags.select.namespace.is_none() && flags.namespace_prefix.is_none();
    let elsewhere = if memories.is_empty() && is_default { elsewhere(&client) } else { String::new() };
    client.close()?;
    out.result(&json!({ "items": memories }), || {
        if memories.is_empty() {
            return format!("no memories{elsewhere}");
        }
        memories.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn line(memory: &Value) -> String {
    let words = memory.get("payload").map(payload).unwrap_or_default();
    format!("{}  {}  {}  {words}", text(memory, "id"), text(memory, "updated_at"), text(memory, "namespace"))
}
