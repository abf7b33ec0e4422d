//! `soma`: an event-sourced memory in one binary.
//!
//! The command line ([`cli`]) reads the configuration ([`config`]); `soma up` opens the stores
//! ([`wiring`]), starts named tasks ([`supervisor`]) and answers HTTP ([`http`]). Every other command
//! is a client of the same HTTP surface, over the network or in process.

mod cli;
mod clock;
mod config;
mod http;
mod logging;
mod mcp;
mod metrics;
mod observe;
mod raw;
mod supervisor;
mod traces;
mod wiring;

fn main() -> std::process::ExitCode {
    cli::run()
}
