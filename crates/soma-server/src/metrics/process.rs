//! `process_*`: what the operating system knows about this process. Nothing where there is no `/proc`.

use std::fmt::Write as _;
use std::fs;

use super::expose::Format;

/// Ticks per second of the times in `/proc`: fixed at 100 in Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

struct Process {
    cpu_seconds: f64,
    start_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
    threads: u64,
    open_fds: usize,
    max_fds: Option<u64>,
}

/// Appends the metrics of this process.
pub(super) fn write(out: &mut String, format: Format) {
    let Some(process) = read() else { return };
    let mut add = |name: &str, kind: &str, help: &str, value: f64| {
        let total = if kind == "counter" { "_total" } else { "" };
        let head = if format == Format::Prometheus { total } else { "" };
        write!(out, "# HELP {name}{head} {help}.\n# TYPE {name}{head} {kind}\n{name}{total} {value}\n")
            .expect("a string takes everything");
    };
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    let double = |n: u64| n as f64;
    add("process_cpu_seconds", "counter", "Processor time used, in seconds", process.cpu_seconds);
    add("process_start_time_seconds", "gauge", "When the process began, since the Unix epoch", process.start_seconds);
    add("process_virtual_memory_bytes", "gauge", "Virtual memory", double(process.virtual_bytes));
    add("process_resident_memory_bytes", "gauge", "Resident memory", double(process.resident_bytes));
    add("process_threads", "gauge", "Threads", double(process.threads));
    add("process_open_fds", "gauge", "Open file descriptors", double(process.open_fds as u64));
    if let Some(max) = process.max_fds {
        add("process_max_fds", "gauge", "File descriptors allowed", double(max));
    }
}

fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let boot_seconds = number_after(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let kilobytes = |name| number_after(&status, name).map(|kb| kb * 1024);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
    let boot = boot_seconds as f64;
    Some(Process {
        cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        start_seconds: boot + field(22)? / TICKS_PER_SECOND,
        virtual_bytes: kilobytes("VmSize:")?,
        resident_bytes: kilobytes("VmRSS:")?,
        threads: number_after(&status, "Threads:")?,
        open_fds: fs::read_dir("/proc/self/fd").ok()?.count(),
        max_fds: number_after(&limits, "Max open files"),
    })
}

/// The number behind a line's name.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
