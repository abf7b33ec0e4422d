//! `soma forget`: deletes one memory.

use std::process::ExitCode;

use clap::Args;
use soma_core::Result;
use soma_core::ids::MemoryId;

use super::client::{Call, Client};
use super::output::{Output, text};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The memory's id.
    id: String,
    /// Its namespace, when its record is not there yet.
    #[arg(long, short)]
    namespace: Option<String>,
}

pub(super) fn run(config: &Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    let id = MemoryId::parse(&flags.id)?;
    let namespace = flags.namespace.as_ref().map(|name| format!("&namespace={}", encoded(name))).unwrap_or_default();
    let client = Client::connect(config)?;
    let answer = client.call(&Call::delete(&format!("/v1/memories/{id}?wait=stored{namespace}")))?;
    client.close()?;
    out.result(&answer, || format!("{} is forgotten", text(&answer, "id")));
    Ok(ExitCode::SUCCESS)
}

/// A text as it may stand in a query string.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
