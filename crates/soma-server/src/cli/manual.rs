//! `soma completions` and `soma man`: what shells and manuals want to know about the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::Cli;
use super::output::Output;

const NAME: &str = "soma";

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write the pages of all commands into this folder, instead of printing the first.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(super) fn completions(flags: &Completions, out: &Output) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), NAME, &mut script);
    out.bytes(&script);
    ExitCode::SUCCESS
}

pub(super) fn man(flags: &Man, out: &Output) -> Result<ExitCode> {
    match &flags.to {
        Some(folder) => {
            let failed = |error: std::io::Error| {
                Error::new(Code::BadRequest, format!("the pages cannot be written to {}: {error}", folder.display()))
                    .remedy("name a folder that is there and can be written")
            };
            clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
            written.map_err(|error| Error::new(Code::Internal, "the page cannot be made").because(error))?;
            out.bytes(&page);
        }
    }
    Ok(ExitCode::SUCCESS)
}
