//! `soma bench`: what this machine does, each figure beside a bare equivalent of the same run.
//!
//! A server is spawned on a temporary directory and measured from outside, over HTTP, as its users meet
//! it. Beside each figure stands what the parts cost alone: a commit of SQLite, a search of the index, a
//! request that does nothing. Both are measured in turn, so that a noisy machine hurts both. The
//! figures and what they are compared with stand in [`catalogue`]; one file measures one group.
//!
//! Nothing of the data directory is read or changed, and nothing is judged: no figure fails a run.

mod batches;
mod catalogue;
mod clients;
mod consumer;
mod lab;
mod machine;
mod read;
mod recall;
mod report;
mod restart;
mod server;
mod space;
mod start;
mod stats;
mod texts;
mod write;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use soma_core::error::Code;
use soma_core::{Error, Result};

use super::client::{Call, Client, data_dir};
use super::output::Output;
use crate::config::Config;
use catalogue::Group;
use lab::{Bare, Lab};
use report::{Figure, Report};
use server::Server;
use stats::Bounds;

/// No figure is sampled for longer, once there are a few samples.
const FIGURE_TIME: Duration = Duration::from_secs(20);
/// The largest store that may be asked for.
const MEMORIES_MAX: u64 = 100_000_000;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Flags {
    #[command(subcommand)]
    of: Option<Of>,
    /// How many memories to measure with; several show how costs grow.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10000",
          value_parser = clap::value_parser!(u64).range(1..=MEMORIES_MAX))]
    sizes: Vec<u64>,
    /// Measure these groups of figures only.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Group>,
    /// Samples of each figure, where that many make sense.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,
    /// Make the temporary directory in this folder; where the data directory is unless told.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure with the model that SOMA_EMBEDDER sets instead of hashed features; texts are then 20 words that it knows.
    #[arg(long)]
    with_model: bool,
    /// Words of each text; about 1 kB of them unless told.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    words: Option<u32>,
    /// Make the texts from another seed.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Write the JSON to this file as well.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// What is measured instead of one machine.
#[derive(Debug, Subcommand)]
enum Of {
    /// Measure the consumer on the servers that the settings name: Kafka, PostgreSQL and Qdrant.
    Consumer(consumer::Flags),
}

impl Flags {
    fn asks(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }

    /// The sizes, ascending, each once.
    fn sizes(&self) -> Vec<u64> {
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    fn groups(&self) -> Vec<Group> {
        <Group as clap::ValueEnum>::value_variants().iter().copied().filter(|group| self.asks(*group)).collect()
    }

    fn shape(&self) -> Value {
        let groups: Vec<&str> = self.groups().into_iter().map(Group::as_str).collect();
        json!({
            "sizes": self.sizes(), "samples": self.samples, "seed": self.seed, "words": self.words, "groups": groups,
        })
    }
}

pub(super) fn run(config: Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    if let Some(Of::Consumer(flags)) = &flags.of {
        return consumer::run(config, flags, out);
    }
    let below = match &flags.dir {
        Some(folder) => folder.clone(),
        None => lab::beside(data_dir(&config, "a benchmark")?)?,
    };
    let bounds = Bounds { rounds: flags.samples as usize, time: FIGURE_TIME };
    let words = flags.words.map(|words| words as usize);
    let asked = lab::Asked { seed: flags.seed, words, with_model: flags.with_model };
    let mut lab = Lab::new(config, &below, &asked, bounds)?;
    let machine = machine::facts(lab.folder.path(), lab.clock.as_ref());
    let progress = progress();
    let mut figures = Vec::new();
    if flags.asks(Group::Start) {
        progress.set_message("starting on an empty directory");
        figures.extend(start::measure(&lab)?);
    }
    if flags.groups().iter().any(|group| *group != Group::Start) {
        for size in flags.sizes() {
            figures.extend(Site { flags, progress: &progress, size }.measure(&mut lab)?);
        }
    }
    progress.finish_and_clear();
    let mut settings = flags.shape();
    settings["embedder"] = json!(lab.embedder.identity().to_string());
    settings["load_at_end"] = json!(machine::load());
    let report = Report::new(machine, settings, figures);
    if let Some(file) = &flags.save {
        save(file, &report)?;
    }
    out.result(&report.shape(), || report.words());
    Ok(ExitCode::SUCCESS)
}

fn save(file: &PathBuf, report: &Report) -> Result<()> {
    fs::write(file, format!("{:#}\n", report.shape())).map_err(|error| {
        Error::new(Code::BadRequest, format!("{} cannot be written: {error}", file.display()))
            .at("--save")
            .remedy("name a file in a folder that may be written")
            .because(error)
    })
}

/// What is being measured, on a terminal.
fn progress() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{elapsed_precise} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new_spinner().with_style(style)
}

/// The measurements with one number of memories.
struct Site<'a> {
    flags: &'a Flags,
    progress: &'a ProgressBar,
    size: u64,
}

impl Site<'_> {
    fn measure(&self, lab: &mut Lab) -> Result<Vec<Figure>> {
        let mut bare = Bare::open(lab)?;
        let server = Server::start(lab, &lab.folder.data())?;
        let mut figures = self.beside_a_server(lab, &server, &mut bare)?;
        let memories = memories(&server.client())?;
        let resident = server.resident();
        server.stop()?;
        if self.begin(Group::Space) {
            figures.extend(space::memory(lab, resident?, memories, self.size));
            figures.extend(space::disk(lab, &bare, memories, self.size)?);
        }
        if self.begin(Group::Write) {
            figures.extend(write::engine(lab, &mut bare, self.size)?);
        }
        // The bare index has one owner at a time.
        drop(bare);
        if self.begin(Group::Restart) {
            figures.extend(restart::measure(lab, self.size)?);
        }
        Ok(figures)
    }

    /// What is measured over HTTP. Recall comes first: it meets exactly as many memories as it says.
    fn beside_a_server(&self, lab: &mut Lab, server: &Server, bare: &mut Bare) -> Result<Vec<Figure>> {
        let client = server.client();
        self.say("filling the stores");
        let missing = self.size.saturating_sub(memories(&client)?);
        let mut figures = batches::fill(lab, &client, bare, usize::try_from(missing).unwrap_or(usize::MAX), self.size)?;
        if !self.flags.asks(Group::Batches) {
            figures.clear();
        }
        if self.begin(Group::Recall) {
            figures.extend(recall::measure(lab, server, bare, self.size)?);
        }
        if self.begin(Group::Write) {
            figures.extend(write::http(lab, &client, bare, self.size)?);
        }
        if self.begin(Group::Read) {
            figures.extend(read::measure(lab, &client, bare, self.size)?);
        }
        if self.begin(Group::Clients) {
            figures.extend(clients::measure(lab, server, bare, self.size)?);
        }
        Ok(figures)
    }

    /// Whether a group is asked for, and if so tells that it begins.
    fn begin(&self, group: Group) -> bool {
        let asked = self.flags.asks(group);
        if asked {
            self.say(group.as_str());
        }
        asked
    }

    fn say(&self, what: &str) {
        self.progress.set_message(format!("{} memories: {what}", self.size));
        self.progress.tick();
    }
}

/// How many memories a server has.
fn memories(client: &Client) -> Result<u64> {
    let stats = client.call(&Call::get("/v1/stats"))?;
    stats.get("memories").and_then(Value::as_u64).ok_or_else(|| {
        Error::new(Code::Internal, "the server does not say how many memories it has").remedy("report this")
    })
}
