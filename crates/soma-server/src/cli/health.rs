//! `soma health`: asks a server whether it is ready.

use std::process::ExitCode;

use soma_core::error::Code;
use soma_core::{Error, Result};

use super::client::{Call, Client};
use super::exit;
use super::output::{Output, text};
use crate::config::Config;
use crate::http::local::Reply;

pub(super) fn run(config: &Config, out: &Output) -> Result<ExitCode> {
    let Some(server) = Client::server(config) else {
        let message = format!("no server runs on {}", config.embedded.data_dir.display());
        return Err(Error::new(Code::Unavailable, message).remedy("start one with `soma up`, or name one with --url"));
    };
    let Reply { status, body: answer, .. } = server.call(&Call::get("/readyz"))?;
    out.result(&answer, || format!("{} is {}", server.url(), text(&answer, "status")));
    Ok(if status == 200 { ExitCode::SUCCESS } else { exit::FOUND.into() })
}
