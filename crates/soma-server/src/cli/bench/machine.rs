//! On what it was measured: facts of the machine, as far as the system tells them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use soma_core::clock::Clock;

/// The machine, the program and the day.
pub(super) fn facts(folder: &Path, clock: &dyn Clock) -> Value {
    let (processor, memory_mib) = (processor(), memory_mib());
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": processor,
        "memory_mib": memory_mib,
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "kernel": line("/proc/sys/kernel/osrelease"),
        "file_system": file_system(folder),
        "load": load(),
        "version": env!("CARGO_PKG_VERSION"),
        "date": clock.now().to_string(),
    })
}

/// How many processes wanted to run, on average over the last minute.
pub(super) fn load() -> Option<f64> {
    line("/proc/loadavg")?.split_whitespace().next()?.parse().ok()
}

/// The facts in one line.
pub(super) fn words(facts: &Value) -> String {
    let text = |name: &str| match facts.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "unknown".to_owned(),
        Some(other) => other.to_string(),
    };
    format!(
        "soma {} on {} cores ({}), {} MiB, {} {}, {}; load {}; {}",
        text("version"),
        text("cores"),
        text("processor"),
        text("memory_mib"),
        text("system"),
        text("kernel"),
        text("file_system"),
        text("load"),
        text("date"),
    )
}

fn line(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()?.lines().next().map(|line| line.trim().to_owned())
}

fn after(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn processor() -> Option<String> {
    after("/proc/cpuinfo", "model name")
}

fn memory_mib() -> Option<u64> {
    let kib: u64 = after("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The type of the file system that holds the folder: that of the longest mount point above it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then(|| (point.len(), kind.to_owned()))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}
