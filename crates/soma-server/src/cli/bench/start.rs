//! How long a start takes on an empty directory, and what an idle server holds.

use std::process::{Command, Stdio};

use soma_core::error::Code;
use soma_core::{Error, Result};

use super::lab::Lab;
use super::report::Figure;
use super::server::{Resident, Server};
use super::stats::{Bounds, Samples, alternate, sampled};

/// Starts are many processes; this many are enough.
const ROUNDS_MAX: usize = 11;

pub(super) fn measure(lab: &Lab) -> Result<Vec<Figure>> {
    let own = Resident::of("self")?;
    let mut idle = Samples::default();
    let mut start = |round: usize| {
        let server = Server::start(lab, &lab.folder.path().join(format!("empty-{round}")))?;
        let resident = server.resident()?;
        idle.push(resident.anonymous + resident.files);
        let ready = Samples::one(server.ready_ms);
        server.stop()?;
        Ok(ready)
    };
    let mut version = |_| sampled(lab.clock.as_ref(), print_version);
    let bounds = Bounds { rounds: lab.bounds.rounds.min(ROUNDS_MAX), ..lab.bounds };
    let mut all = alternate(lab.clock.as_ref(), bounds, &mut [&mut start, &mut version])?;
    let bare = all.split_off(1);
    Ok(vec![
        Figure::new("start", 0, all.swap_remove(0), bare),
        Figure::new("idle_memory", 0, idle, vec![Samples::one(own.anonymous + own.files)]),
    ])
}

/// Starts this program for nothing but its version: what a process costs.
fn print_version() -> Result<()> {
    let failed = |error| Error::new(Code::Unavailable, "the binary cannot be started again").because(error);
    let binary = std::env::current_exe().map_err(failed)?;
    let ran = Command::new(binary).arg("--version").env_clear().stdout(Stdio::null()).status();
    ran.map(drop).map_err(failed)
}
