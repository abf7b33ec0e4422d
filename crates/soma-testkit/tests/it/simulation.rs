//! The seeded simulation: writers, projectors and every failure between two calls of a port.
//!
//! A run follows from its seed alone: what is written, which projector moves next, and what becomes
//! of every call. When the failures end and all projectors are at rest, the stores must hold what a
//! fold from scratch of everything written gives, and nothing else.
//!
//! `SOMA_SIMULATION_SEEDS=10000` runs more seeds, `SOMA_SIMULATION_SEED=42` one, with its trace.

mod dice;
mod oracle;
mod workload;
mod world;

use dice::Dice;
use world::World;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 600;

/// The end of a trace that a failing run prints.
const TRACE_LINES: usize = 120;

/// One run; answers with its trace, and with what is wrong in the end.
fn run(seed: u64) -> (Vec<String>, Result<(), String>) {
    let mut world = World::new(Dice::new(seed));
    let result = play(&mut world);
    (world.trace(), result)
}

fn play(world: &mut World) -> Result<(), String> {
    world.storm()?;
    world.calm()?;
    oracle::check(world)?;

    world.note("kill everything, forget what was not flushed");
    world.kill_all();
    world.calm()?;
    oracle::check(world)?;

    world.note("mend the store and redrive what it refused");
    world.workload.mend();
    world.storm_of(60)?;
    world.calm()?;
    oracle::check(world)?;

    world.note("replace the first log");
    world.replace_a_log()
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is a setting of the test run")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

#[test]
fn whatever_fails_the_stores_end_as_a_fold_from_scratch() {
    let seeds = match number("SOMA_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SOMA_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let (trace, why) = match outcome {
            Ok((_, Ok(()))) => continue,
            Ok((trace, Err(why))) => (trace, why),
            Err(_) => (Vec::new(), "it panicked".to_owned()),
        };
        let last = trace.len().saturating_sub(TRACE_LINES);
        let trace = trace[last..].join("\n");
        panic!("{trace}\n\nseed {seed}: {why}\nrepeat it with SOMA_SIMULATION_SEED={seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        assert_eq!(run(seed).0, run(seed).0, "seed {seed}");
    }
    assert_ne!(run(1).0, run(2).0, "two seeds give one trace");
}

/// A simulation in which nothing goes wrong proves nothing.
#[test]
fn the_failures_happen() {
    let mut all = String::new();
    for seed in 0..40 {
        all.push_str(&run(seed).0.join("\n"));
    }
    for mark in [
        "CrashBefore",
        "CrashAfter",
        "FailBefore",
        "FailAfter",
        "Suspend",
        "went on after",
        "kill everything",
        "store.commit CrashAfter",
        "index.write CrashAfter",
        "Released",
        "Halted",
        "store.entries",
        "log.erase",
        "letters.put",
        "store.scan",
    ] {
        assert!(all.contains(mark), "no run has {mark:?}");
    }
}
