//! `soma status`: how far everything is.

use std::process::ExitCode;

use serde_json::Value;
use soma_core::Result;

use super::client::{Call, Client};
use super::output::{Output, text};
use crate::config::Config;

pub(super) fn run(config: &Config, out: &Output) -> Result<ExitCode> {
    let client = Client::connect(config)?;
    let server = client.url().map(str::to_owned);
    let mut status = client.call(&Call::get("/v1/status"))?;
    let stats = client.call(&Call::get("/v1/stats"))?;
    client.close()?;
    status["server"] = server.into();
    status["data_dir"] = config.embedded.data_dir.display().to_string().into();
    status["counts"] = stats;
    out.result(&status, || words(&status));
    Ok(ExitCode::SUCCESS)
}

fn words(status: &Value) -> String {
    let counts = &status["counts"];
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or(0);
    let server = match text(status, "server") {
        "" => format!("none; worked on {}", text(status, "data_dir")),
        url => url.to_owned(),
    };
    let mut lines = vec![
        format!("server        {server}"),
        format!("version       {}", text(status, "version")),
        format!("memories      {} in {} namespaces", number(counts, "memories"), number(counts, "namespaces")),
        format!("events        {}", number(counts, "events")),
        format!("points        {}", number(counts, "points")),
        format!("dead letters  {}", number(status, "dead_letters")),
    ];
    for partition in status.get("partitions").and_then(Value::as_array).into_iter().flatten() {
        let lag = partition.get("lag").and_then(Value::as_u64).map_or("not in use".to_owned(), |lag| lag.to_string());
        let (log, number_of) = (text(partition, "log"), number(partition, "partition"));
        lines.push(format!("lag           {lag} ({log}/{number_of} at {})", number(partition, "next")));
    }
    let paused: Vec<&str> =
        status.get("paused").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    lines.push(format!("paused        {}", if paused.is_empty() { "nothing".to_owned() } else { paused.join(", ") }));
    lines.join("\n")
}
