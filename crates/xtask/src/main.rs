//! Developer commands: `cargo x <verb>`.
//!
//! Depends on the standard library alone, so that it neither waits for the large dependencies nor
//! changes which of their features the product is built with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]
#![expect(clippy::disallowed_methods, reason = "a developer command: its environment and clock are the machine's")]

mod cargo;
mod deny;
mod fuzz;
mod structure;
mod tally;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match verbs::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("cargo x: {reason}");
            ExitCode::FAILURE
        }
    }
}
