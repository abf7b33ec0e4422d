//! The verbs. One build profile, `--release`, serves all of them, so nothing is built twice.

use std::time::Instant;

use crate::cargo::{self, Result};
use crate::tally::Tally;
use crate::{deny, fuzz, structure};

const USAGE: &str = "usage: cargo x <verb>

  check            everything that must hold before a change lands: structure, format, lints,
                   documentation, unit and golden tests
  check --static   the same without the tests
  structure        the rules of the house alone; takes a second
  test [filter]    every test of the workspace; with a filter, those whose name contains it
  bless            write the golden files anew from what the code does
  fuzz [s]         feed the codec bytes of libFuzzer's choice for so many seconds, 60 unless told; needs a
                   C++ compiler
  fuzz-http [s]    fuzz the HTTP surface of the real binary from its own OpenAPI document for so many
                   seconds, 120 unless told; with `--tenants` first, as one of two tenants, of whom the
                   other must stay unseen; needs python3 and a package index
  soak SERVICES …  break the cluster profile in every way on real servers while clients write, then count:
                   `--outage 30 --rounds 10`; SERVICES starts and stops Kafka and PostgreSQL
  bench [filter]   the benchmarks
  deny             licences, sources, bans and advisories of all dependencies (cargo-deny)
  fmt              format the code";

/// Runs one verb.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        ["check"] => check(true),
        ["check", "--static"] => check(false),
        ["structure"] => structure::run(),
        ["test"] => test(&[]),
        ["test", filter] => test(&[filter]),
        ["bless"] => bless(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["fuzz-http", rest @ ..] => fuzz_http(rest),
        ["soak", rest @ ..] => cargo::run(cargo::script("scripts/soak", rest)?),
        ["bench"] => bench(&[]),
        ["bench", filter] => bench(&[filter]),
        ["deny"] => deny::run(),
        ["fmt"] => cargo::run(cargo::command(&["fmt", "--all"])?),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no verb `{}`\n\n{USAGE}", other.join(" "))),
    }
}

/// Runs every step even when one fails, so that one run shows all there is to mend.
fn check(with_tests: bool) -> Result<()> {
    let mut failed = Vec::new();
    let mut step = |name: &'static str, work: &dyn Fn() -> Result<()>| {
        if let Err(reason) = cargo::step(name, work) {
            eprintln!("{reason}");
            failed.push(name);
        }
    };
    step("structure", &structure::run);
    step("format", &|| cargo::run(cargo::command(&["fmt", "--all", "--check"])?));
    step("lints", &|| {
        let args = ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        cargo::run(cargo::command(&args)?)
    });
    step("documentation", &|| {
        let args = ["doc", "--release", "--workspace", "--no-deps", "--document-private-items", "--locked"];
        let mut command = cargo::command(&args)?;
        command.env("RUSTDOCFLAGS", "-D warnings");
        cargo::run(command)
    });
    if with_tests {
        step("unit and golden tests", &|| {
            let mut tally = Tally::default();
            let unit = cargo_test(&["--lib", "--bins"], &mut tally);
            let golden = cargo_test(&["--test", "*", "golden"], &mut tally);
            println!("{}", tally.summary());
            unit.and(golden).and(tally.verdict())
        });
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Runs the tests and sums what every test binary says about itself.
fn test(filter: &[&str]) -> Result<()> {
    let start = Instant::now();
    let mut tally = Tally::default();
    let ran = cargo_test(filter, &mut tally);
    println!("\nwhat each test binary closed with:");
    for closing in tally.closings() {
        println!("  {closing}");
    }
    println!("{} in {:.0} s", tally.summary(), start.elapsed().as_secs_f64());
    ran.and(tally.verdict())?;
    if filter.is_empty() { tally.tiers() } else { Ok(()) }
}

fn cargo_test(args: &[&str], tally: &mut Tally) -> Result<()> {
    let mut all = vec!["test", "--release", "--workspace", "--locked", "--no-fail-fast"];
    all.extend(args);
    cargo::watch(cargo::command(&all)?, |line| tally.read(line))
}

/// Golden tests have `golden` in their name; with this variable they write instead of comparing.
fn bless() -> Result<()> {
    let mut command = cargo::command(&["test", "--release", "--workspace", "--locked", "golden"])?;
    command.env("UPDATE_GOLDENFILES", "1");
    cargo::run(command)?;
    println!("golden files written; read what `git diff` shows before you commit it");
    Ok(())
}

/// The fuzzer builds the binary itself, into the folder that this one was built into.
fn fuzz_http(args: &[&str]) -> Result<()> {
    cargo::run(cargo::script("scripts/fuzz-http", args)?)
}

fn bench(filter: &[&str]) -> Result<()> {
    let has_benches = |entry: std::fs::DirEntry| entry.path().join("benches").is_dir();
    let crates = std::fs::read_dir(cargo::root()?.join("crates")).map_err(|e| format!("cannot list crates: {e}"))?;
    if !crates.flatten().any(has_benches) {
        return Err("no crate has a `benches` folder".into());
    }
    let mut args = vec!["bench", "--profile", "release", "--workspace", "--locked", "--bench", "*"];
    if !filter.is_empty() {
        args.push("--");
        args.extend(filter);
    }
    cargo::run(cargo::command(&args)?)
}
