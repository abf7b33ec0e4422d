//! A Qdrant server for trying the cluster profile without one: `qdrant-stand-in [--port N] [--dir D]`.
//! `--api-key` asks callers for a key, `--tls-cert` with `--tls-key` (PEM) serves TLS.
//!
//! Prints its URL, keeps its collections in the folder, and flushes every five seconds and when it is
//! asked to end.

use std::error::Error;
use std::time::Duration;

use soma_testkit::certificates::Signed;
use soma_testkit::qdrant::{Options, StandIn};
use tokio::signal::unix::{SignalKind, signal};

const KNOWN: &str = "--port, --dir, --version, --api-key, --tls-cert and --tls-key";

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    let stand_in = StandIn::start_with(options)?;
    show(&stand_in.url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok::<_, std::io::Error>(())
    })?;
    stand_in.flush()?;
    Ok(())
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options { flush_every: Some(Duration::from_secs(5)), ..Options::default() };
    let (mut certificate, mut key) = (None, None);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => options.port = value.parse()?,
            "--dir" => options.dir = Some(value.into()),
            "--version" => options.version = value,
            "--api-key" => options.api_key = Some(value),
            "--tls-cert" => certificate = Some(value.into()),
            "--tls-key" => key = Some(value.into()),
            _ => return Err(format!("unknown option {name}; there are {KNOWN}").into()),
        }
    }
    options.tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Signed { certificate, key }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err("--tls-cert and --tls-key belong together".into()),
    };
    Ok(options)
}

#[expect(clippy::print_stdout, reason = "a script reads the address there")]
fn show(url: &str) {
    println!("{url}");
}
