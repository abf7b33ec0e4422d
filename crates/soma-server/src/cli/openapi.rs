//! `soma openapi`: the OpenAPI document of the server, or of one that would start here.

use std::process::ExitCode;

use soma_core::Result;

use super::client::{Call, Client};
use super::output::Output;
use crate::config::Config;
use crate::http;
use crate::wiring::offline;

pub(super) fn run(config: &Config, out: &Output) -> Result<ExitCode> {
    let document = match Client::server(config) {
        Some(server) => Client::Remote(server).call(&Call::get("/openapi.json"))?,
        None => http::document(offline::identity(config)?.dims),
    };
    out.result(&document, || serde_json::to_string_pretty(&document).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
