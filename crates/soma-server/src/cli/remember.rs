//! `soma remember`: stores one memory, and answers once it can be recalled.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};
use soma_core::error::Code;
use soma_core::{Error, Result, json as bounded};

use super::client::{Call, Client};
use super::output::{Output, text};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// What to remember; `-` reads it from standard input.
    text: Option<String>,
    /// The payload as JSON, instead of a text.
    #[arg(long, value_name = "JSON", conflicts_with = "text")]
    payload: Option<String>,
    /// Whose memory it is.
    #[arg(long, short)]
    namespace: Option<String>,
    /// The memory's id, when you choose it (UUID of version 4 or 7).
    #[arg(long)]
    id: Option<String>,
    /// The memory's coordinate: comma-separated numbers. Storing there again replaces it.
    #[arg(long, conflicts_with = "id", allow_hyphen_values = true)]
    coordinate: Option<String>,
    /// How important it is, at least 0.
    #[arg(long)]
    importance: Option<f64>,
}

pub(super) fn run(config: &Config, flags: Flags, out: &Output) -> Result<ExitCode> {
    let mut body = Map::new();
    body.insert("payload".into(), payload(flags.text, flags.payload)?);
    let optional = [
        ("namespace", flags.namespace.map(Value::from)),
        ("id", flags.id.map(Value::from)),
        ("coordinate", flags.coordinate.map(Value::from)),
        ("importance", flags.importance.map(|x| json!(x))),
    ];
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));

    let client = Client::connect(config)?;
    let answer = client.call(&Call::post("/v1/memories?wait=stored", Value::Object(body)))?;
    client.close()?;
    out.result(&answer, || match answer.get("stored") {
        Some(Value::Bool(false)) => format!("{} is durable, and will be found in a moment", text(&answer, "id")),
        _ => text(&answer, "id").to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

fn payload(words: Option<String>, payload: Option<String>) -> Result<Value> {
    match (words, payload) {
        (_, Some(payload)) => bounded::parse(payload.as_bytes()),
        (Some(words), None) if words == "-" => {
            let mut words = String::new();
            let unreadable = |error| Error::new(Code::BadRequest, "standard input cannot be read").because(error);
            std::io::stdin().read_to_string(&mut words).map_err(unreadable)?;
            Ok(json!({ "text": words.trim_end() }))
        }
        (Some(words), None) => Ok(json!({ "text": words })),
        (None, None) => {
            Err(Error::new(Code::BadRequest, "there is nothing to remember")
                .remedy("write a text, or --payload with JSON"))
        }
    }
}
