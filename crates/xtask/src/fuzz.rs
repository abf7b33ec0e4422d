//! Feeds the codec bytes of libFuzzer's choice for a while.
//!
//! The coverage that guides it is put in by a pass which the stable compiler has. The address sanitiser, which
//! needs a nightly one, is left out: our code holds nothing unsafe, so a panic is what there is to find.

use std::process::Command;

use crate::cargo::{self, Result};

/// How long it runs unless told.
const SECONDS: u32 = 60;
/// What the codec is built with, beside the release profile.
const FLAGS: &str = "--cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
     -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
     -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1 -C link-dead-code=no -C debug-assertions";

/// Builds the fuzz crate into a folder of its own and runs it; inputs that it found are kept there.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let seconds: u32 = match args {
        [] => SECONDS,
        [seconds] => seconds.parse().map_err(|_| format!("{seconds} is not a number of seconds"))?,
        _ => return Err("one number of seconds is enough".into()),
    };
    let (target, host) = (cargo::target()?.join("fuzz"), host()?);
    let manifest = cargo::root()?.join("crates/soma-core/fuzz/Cargo.toml");
    // With a target named, build scripts are left as they are.
    let mut build = cargo::command(&["build", "--release", "--bin", "codec", "--target", &host, "--manifest-path"])?;
    build.arg(manifest).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", FLAGS);
    cargo::run(build)?;

    let corpus = target.join("corpus");
    std::fs::create_dir_all(&corpus).map_err(|e| format!("cannot make {}: {e}", corpus.display()))?;
    let mut fuzzer = Command::new(target.join(&host).join("release/codec"));
    fuzzer.args([format!("-max_total_time={seconds}"), "-max_len=4096".into(), "-print_final_stats=1".into()]);
    fuzzer.arg(format!("-artifact_prefix={}/", target.display())).arg(corpus);
    cargo::run(fuzzer)
}

/// The platform that the compiler builds for by itself.
fn host() -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let about = cargo::output(rustc)?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not tell its host".into())
}
