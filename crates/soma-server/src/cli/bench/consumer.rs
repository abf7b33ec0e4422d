//! `soma bench consumer`: the cluster profile on the servers that the settings name, each figure beside
//! what those servers do alone.
//!
//! It makes topics, schemas and collections of its own, which it removes at the end; what else lies on
//! the servers is neither read nor changed. `soma consumer` and `soma api` are started as processes and
//! measured from outside. What is compared with them is measured in the same run, half before and half
//! after, so that whatever else the machine does meets both.

mod api;
mod bare;
mod figures;
mod live;
mod one_at_a_time;
mod process;
mod site;
mod steady;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use soma_core::Result;
use soma_core::clock::Clock;
use soma_core::limits;

use super::super::output::Output;
use super::catalogue::Group;
use super::report::{Report, Tail};
use super::{machine, progress, save};
use crate::clock::SystemClock;
use crate::config::Config;
use bare::{Shape, Windows};
use figures::Found;
use live::Live;
use site::Site;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Events of the backlog.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    events: u64,
    /// Partitions of the topic.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    partitions: u16,
    /// Measure these parts only.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// Seconds of the steady stream.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=3_600))]
    seconds: u64,
    /// Events a second of the steady stream.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// A consumer of one message at a time to compare with: scripts/bench/one-at-a-time.py.
    #[arg(long, value_name = "FILE")]
    one_at_a_time: Option<PathBuf>,
    /// The Python that runs it; it needs aiokafka, psycopg2 and qdrant-client.
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Measure another soma than this one, to compare versions.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Make the texts from another seed.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Write the JSON to this file as well.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// What `--only` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A backlog through `soma consumer`.
    Backlog,
    /// The same with records only.
    Records,
    /// Reading events.
    Decode,
    /// A steady stream of events.
    Steady,
    /// Durable writes of 64 clients.
    Api,
}

impl Part {
    const fn group(self) -> Group {
        match self {
            Self::Backlog => Group::Backlog,
            Self::Records => Group::Records,
            Self::Decode => Group::Decode,
            Self::Steady => Group::Steady,
            Self::Api => Group::Api,
        }
    }
}

impl Flags {
    fn asks(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn shape(&self, site: &Site) -> Value {
        let asked = Part::value_variants().iter().filter(|part| self.asks(**part));
        json!({
            "sizes": [self.events],
            "samples": u64::from(self.rate) * self.seconds,
            "seed": self.seed,
            "groups": asked.map(|part| part.group().as_str()).collect::<Vec<_>>(),
            "load_at_end": machine::load(),
            "partitions": self.partitions,
            "rate": self.rate,
            "batch": limits::BATCH_EVENTS,
            "dimensions": site.embedder.identity().dims,
            "index": site.index,
        })
    }
}

pub(super) fn run(config: Config, flags: &Flags, out: &Output) -> Result<ExitCode> {
    if let Some(script) = &flags.one_at_a_time {
        one_at_a_time::check(&flags.python, script)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let machine = machine::facts(Path::new("."), clock.as_ref());
    let progress = progress();
    let mut site = Site::new(config, flags, clock)?;
    let measured = Bench { flags, progress: &progress }.measure(&mut site);
    // Whatever has happened, what was made on the servers is removed.
    let removed = site.remove();
    progress.finish_and_clear();
    let found = measured?;
    removed?;
    let report = Report::new(machine, flags.shape(&site), found.figures(flags.events)).with_tail(Tail::P99);
    if let Some(file) = &flags.save {
        save(file, &report)?;
    }
    out.result(&report.shape(), || format!("{}\n\n{}", report.words(), site.words()));
    Ok(ExitCode::SUCCESS)
}

struct Bench<'a> {
    flags: &'a Flags,
    progress: &'a ProgressBar,
}

impl Bench<'_> {
    fn measure(&self, site: &mut Site) -> Result<Found> {
        let Flags { events, partitions, .. } = *self.flags;
        let asks = |part| self.flags.asks(part);
        let (has_backlog, has_windows) = (
            asks(Part::Backlog) || asks(Part::Records),
            asks(Part::Backlog) || asks(Part::Records) || asks(Part::Decode),
        );
        let shape = Shape::beside(events, partitions);
        let mut found = Found::default();
        self.say("making topics, schemas and collections");
        site.make_topics(partitions)?;
        let mut windows = Windows::make(site, shape)?;
        if has_backlog {
            self.say("filling the topic");
            site.fill(events)?;
            found.consuming.push(site.consume_alone(events)?);
        }
        let rounds = if has_windows { shape.rounds } else { 0 };
        self.say("the servers alone");
        windows.measure(site, rounds.div_ceil(2), &mut found)?;
        if asks(Part::Backlog) || asks(Part::Steady) {
            self.say("the consumer");
            let mut live = Live::start(site, "consumer", &["consumer"])?;
            if asks(Part::Backlog) {
                found.backlog = Some(live.work_through(site, events)?);
            }
            if asks(Part::Steady) {
                self.say("a steady stream");
                if !asks(Part::Backlog) && has_backlog {
                    live.work_through(site, events)?;
                }
                found.steady = Some(steady::measure(site, &live, self.flags.rate, self.flags.seconds)?);
            }
            live.stop()?;
        }
        self.say("the servers alone");
        windows.measure(site, rounds / 2, &mut found)?;
        if asks(Part::Steady) {
            windows.singles(site, &mut found)?;
        }
        windows.remove(site)?;
        if has_backlog {
            found.consuming.push(site.consume_alone(events)?);
        }
        if asks(Part::Records) {
            self.say("records only");
            let mut live = Live::start(site, "records", &["consumer", "--records-only"])?;
            found.records = Some(live.work_through(site, events)?);
            live.stop()?;
        }
        if let (Some(script), true) = (&self.flags.one_at_a_time, asks(Part::Backlog)) {
            self.say("one message at a time");
            match one_at_a_time::measure(site, &self.flags.python, script) {
                Ok(rates) => found.one_at_a_time = rates,
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if asks(Part::Api) {
            self.say("64 clients");
            found.api = Some(api::measure(site)?);
        }
        Ok(found)
    }

    fn say(&self, what: &'static str) {
        self.progress.set_message(what);
        self.progress.tick();
    }
}
