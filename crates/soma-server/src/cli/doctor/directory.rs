//! The data directory: whose it is, which layout it has, and how much room it has.

use super::finding::Finding;
use super::{Subject, judged, size};
use crate::wiring::{self, offline};

/// Below this the next commits are in danger.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// Below this somebody should look.
const FREE_BYTES_LOW: u64 = 2 << 30;

/// Whether the directory is there, writable, and its owner's alone.
pub(super) fn place(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "data directory";
    if subject.config.client.url.is_some() {
        return vec![Finding::ok(CHECK, "not looked at: a server is named by its address")];
    }
    if wiring::is_remote(subject.config) {
        return vec![Finding::ok(CHECK, "not used: log, records and points lie on servers")];
    }
    let shown = subject.config.embedded.data_dir.display();
    let Some(directory) = subject.directory() else {
        let remedy = "start `soma up`, which makes it, or name another with --data-dir";
        return vec![Finding::warning(CHECK, format!("{shown} is not there"), remedy)];
    };
    judged(
        CHECK,
        offline::facts(directory).map(|facts| match (facts.writable, facts.open_to_others) {
            (false, _) => {
                Finding::failed(CHECK, format!("{shown} cannot be written"), "give it to the user that runs soma")
            }
            (true, true) => {
                let remedy = format!("close it: chmod 700 '{shown}'");
                Finding::warning(CHECK, format!("{shown} can be entered by other users"), remedy)
            }
            (true, false) => Finding::ok(CHECK, format!("{shown}, {}", size(facts.used_bytes))),
        }),
    )
}

/// Whether this program can read the layout.
pub(super) fn format(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "format";
    let Some(directory) = subject.data() else { return Vec::new() };
    judged(CHECK, offline::format(directory).map(|version| Finding::ok(CHECK, format!("version {version}"))))
}

/// Who owns the directory.
pub(super) fn lock(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "lock";
    let Some(directory) = subject.directory() else { return Vec::new() };
    let server = offline::server(directory);
    vec![match (server, offline::owner(directory)) {
        (Some(server), _) => Finding::ok(CHECK, format!("held by process {}, a server", server.pid)),
        (None, Some(pid)) => Finding::warning(
            CHECK,
            format!("held by process {pid}, which does not listen"),
            "wait until it has started or ended; if it does neither, look at its log",
        ),
        (None, None) => Finding::ok(CHECK, "free"),
    }]
}

/// How much room there is.
pub(super) fn disk(subject: &Subject<'_>) -> Vec<Finding> {
    const CHECK: &str = "free disk";
    let Some(directory) = subject.directory() else { return Vec::new() };
    let remedy = "free space on its file system, or move the directory to a larger one";
    judged(
        CHECK,
        offline::facts(directory).map(|facts| {
            let measured = format!("{} free, {} used here", size(facts.free_bytes), size(facts.used_bytes));
            if facts.free_bytes < FREE_BYTES_MIN {
                Finding::failed(CHECK, measured, remedy)
            } else if facts.free_bytes < FREE_BYTES_LOW.max(facts.used_bytes / 4) {
                Finding::warning(CHECK, measured, remedy)
            } else {
                Finding::ok(CHECK, measured)
            }
        }),
    )
}
