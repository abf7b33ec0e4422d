//! `soma recall`: asks a question.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};
use soma_core::{Result, json as bounded};

use super::client::{Call, Client};
use super::output::{Output, payload, text};
use super::select::elsewhere;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The question.
    query: String,
    /// Whose memories; may be given several times.
    #[arg(long, short)]
    namespace: Vec<String>,
    /// Every namespace that begins with this.
    #[arg(long, value_name = "PREFIX", conflicts_with = "namespace")]
    namespace_prefix: Option<String>,
    /// How many hits.
    #[arg(long, short = 'k', default_value_t = 10)]
    top_k: u32,
    /// hybrid, dense or lexical.
    #[arg(long)]
    mode: Option<String>,
    /// Only memories that match, as JSON.
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Wait until the stores have passed this position.
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// Tell why each hit is one.
    #[arg(long)]
    explain: bool,
}

pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    let filter = flags.filter.map(|text| bounded::parse(text.as_bytes())).transpose()?;
    let is_default = flags.namespace.is_empty() && flags.namespace_prefix.is_none();
    let namespaces = (!flags.namespace.is_empty()).then(|| json!(flags.namespace));
    let optional = [
        ("namespaces", namespaces),
        ("namespace_prefix", flags.namespace_prefix.map(Value::from)),
        ("mode", flags.mode.map(Value::from)),
        ("filter", filter),
        ("after", flags.after.map(Value::from)),
    ];
    let mut body = Map::new();
    body.insert("query".into(), flags.query.into());
    body.insert("top_k".into(), flags.top_k.into());
    body.insert("explain".into(), flags.explain.into());
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));

    let client = Client::connect(config)?;
    let answer = client.call(&Call::post("/v1/recall", Value::Object(body)))?;
    let hits = answer.get("hits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let elsewhere = if hits.is_empty() && is_default { elsewhere(&client) } else { String::new() };
    client.close()?;
    out.result(&answer, || match hits {
        [] => format!("nothing found{elsewhere}"),
        hits => hits.iter().map(hit).collect::<Vec<_>>().join("\n"),
    });
    Ok(ExitCode::SUCCESS)
}

fn hit(hit: &Value) -> String {
    let score = hit.get("score").and_then(Value::as_f64).unwrap_or_default();
    let explain = hit.get("explain").map(|explain| format!("\n        {explain}")).unwrap_or_default();
    format!("{score:6.3}  {}  {}{explain}", text(hit, "id"), hit.get("payload").map(payload).unwrap_or_default())
}
