//! The command line: one file per command.
//!
//! Every command but `up` and `config` is a client of the HTTP surface: over the network when a
//! server runs or is named, else in process on the data directory ([`client`]). So a command means
//! the same wherever it works.

mod backup;
mod bench;
mod client;
mod config;
mod dlq;
mod doctor;
mod dump;
mod eval;
mod exit;
mod export;
mod forget;
mod get;
mod health;
mod history;
mod import;
mod list;
mod log;
mod manual;
mod mcp;
mod migrate;
mod model;
mod openapi;
mod output;
mod recall;
mod remember;
mod restore;
mod select;
mod sink;
mod status;
mod token;
mod topics;
mod up;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use soma_core::Result;

use crate::config::{Config, Source, load};
use crate::wiring::Role;

/// An event-sourced memory for agents, in one binary.
///
/// Settings come from flags, environment variables and ./.env, in this order; `soma config` lists
/// them all with their origin.
#[derive(Debug, Parser)]
#[command(name = "soma", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
struct Global {
    /// Directory of journal, records and vectors [variable: SOMA_DATA_DIR].
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Server to talk to instead of the one on the data directory [variable: SOMA_URL].
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Write JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    /// Do not read ./.env.
    #[arg(long, global = true)]
    no_env_file: bool,
    /// What is logged: a level, or levels by module [variable: SOMA_LOG].
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How it is logged: text or json [variable: SOMA_LOG_FORMAT].
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server: API and projector in one process.
    Up(up::Flags),
    /// Start the API alone: it appends to Kafka, and `soma consumer` moves events into the stores.
    Api(up::Flags),
    /// Start the projector alone: it reads Kafka and keeps PostgreSQL and Qdrant up to date.
    Consumer(up::Consumer),
    /// Store one memory.
    Remember(remember::Flags),
    /// Ask a question.
    Recall(recall::Flags),
    /// Show one memory, or its history.
    Get(get::Flags),
    /// List the memories that a namespace and a filter select.
    List(list::Flags),
    /// Show the events of one memory, oldest first.
    History(history::Flags),
    /// Delete one memory, or all that a namespace and a filter select.
    Forget(forget::Flags),
    /// Store a file of JSON lines: payloads, events, or both. Running it twice adds nothing.
    Import(import::Flags),
    /// Write memories or events as lines of JSON, which `soma import` reads.
    Export(export::Flags),
    /// Compare both stores with the log, memory by memory.
    Verify(verify::Flags),
    /// Back the data directory up, also while a server uses it.
    Backup(backup::Flags),
    /// Restore a backup into an empty data directory.
    Restore(restore::Flags),
    /// Compare the topics with what they should be; with --apply, make them so.
    Topics(topics::Flags),
    /// Begin a new generation of the log.
    Log(log::Flags),
    /// Make what is missing (topics, tables, collection), bring it to this version, and end.
    Migrate,
    /// Look at everything that soma depends on, and name the remedy for what is wrong.
    Doctor(doctor::Flags),
    /// Show what is stored, as it is, one line of JSON for each.
    Dump(dump::Flags),
    /// Look at what was refused, and give it another chance.
    Dlq(dlq::Flags),
    /// Measure how often recall finds what answers a question, on data of your own.
    Eval(eval::Flags),
    /// Show every setting with its origin.
    Config,
    /// Show how far everything is: counts, lag, what is paused.
    Status,
    /// Serve the memory to an agent as tools: the Model Context Protocol on standard input and output.
    Mcp(mcp::Flags),
    /// Make, show and take back the tokens of SOMA_API_TOKENS_FILE.
    Token(token::Flags),
    /// Put the files of an embedding model in place.
    Model(model::Flags),
    /// Ask a server whether it is ready.
    Health,
    /// Measure this machine, each figure beside a bare equivalent of the same run.
    Bench(bench::Flags),
    /// Print the OpenAPI document of the HTTP API.
    Openapi,
    /// Print a script that completes commands and flags in a shell.
    Completions(manual::Completions),
    /// Print the manual page.
    Man(manual::Man),
}

/// Parses the command, runs it, and turns its end into an exit code.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let out = output::Output::new(cli.global.json);
    match execute(cli, &out) {
        Ok(code) => code,
        Err(error) => {
            out.error(&error);
            exit::code(error.kind()).into()
        }
    }
}

fn execute(cli: Cli, out: &output::Output) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    // Where packages are built there is no home and no setting.
    if let Command::Completions(flags) = &command {
        return Ok(manual::completions(flags, out));
    }
    if let Command::Man(flags) = &command {
        return manual::man(flags, out);
    }
    let mut flags = global.flags();
    if let Command::Up(up) | Command::Api(up) | Command::Consumer(up::Consumer { flags: up, .. }) = &command {
        up.add_to(&mut flags);
    }
    if let Command::Mcp(mcp) = &command {
        mcp.add_to(&mut flags);
    }
    if let Command::Token(token) = &command {
        token.add_to(&mut flags);
    }
    let loaded = load(Source::of_process(flags, !global.no_env_file));
    if let Command::Doctor(flags) = command {
        return doctor::run(loaded, flags, out);
    }
    let config = loaded?;
    if !matches!(command, Command::Config) {
        crate::logging::start(&quiet(&config, &command));
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
    }
    match command {
        Command::Up(_) => up::run(config, Role::Up),
        Command::Api(_) => up::run(config, Role::Api),
        Command::Consumer(flags) => up::run(config, flags.role()),
        Command::Config => Ok(config::run(&config, out)),
        Command::Remember(flags) => remember::run(&config, flags, out),
        Command::Recall(flags) => recall::run(&config, flags, out),
        Command::List(flags) => list::run(&config, &flags, out),
        Command::History(flags) => history::run(&config, &flags, out),
        Command::Status => status::run(&config, out),
        Command::Get(flags) => get::run(&config, &flags, out),
        Command::Forget(flags) => forget::run(&config, &flags, out),
        Command::Import(flags) => import::run(&config, &flags, out),
        Command::Verify(flags) => verify::run(&config, flags, out),
        Command::Backup(flags) => backup::run(&config, &flags, out),
        Command::Restore(flags) => restore::run(&config, &flags, out),
        Command::Dlq(flags) => dlq::run(&config, flags, out),
        Command::Mcp(_) => mcp::run(config),
        Command::Token(flags) => token::run(&config, flags, out),
        Command::Topics(flags) => topics::run(&config, flags, out),
        Command::Log(flags) => log::run(&config, &flags, out),
        Command::Migrate => migrate::run(&config, out),
        Command::Model(flags) => model::run(&config, &flags, out),
        Command::Health => health::run(&config, out),
        Command::Openapi => openapi::run(&config, out),
        Command::Bench(flags) => bench::run(config, &flags, out),
        Command::Export(flags) => export::run(&config, &flags, out),
        Command::Dump(flags) => dump::run(&config, &flags),
        Command::Eval(flags) => eval::run(&config, &flags, out),
        Command::Completions(_) | Command::Man(_) | Command::Doctor(_) => Ok(ExitCode::SUCCESS),
    }
}

/// A command that answers and ends logs warnings only, unless told otherwise.
fn quiet(config: &Config, command: &Command) -> crate::config::logging::Logging {
    let mut logging = config.logging.clone();
    let serves = matches!(command, Command::Up(_) | Command::Api(_) | Command::Consumer(_));
    if !serves && !config.is_set("SOMA_LOG") {
        "warn".clone_into(&mut logging.filter);
    }
    logging
}

impl Global {
    fn flags(&self) -> BTreeMap<&'static str, String> {
        let data_dir = self.data_dir.as_ref().map(|path| path.display().to_string());
        let flags = [
            ("SOMA_DATA_DIR", data_dir),
            ("SOMA_URL", self.url.clone()),
            ("SOMA_LOG", self.log.clone()),
            ("SOMA_LOG_FORMAT", self.log_format.clone()),
        ];
        flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
