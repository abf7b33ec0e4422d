//! A full disk: what does not fit is refused, what was acknowledged stays.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, soma};

/// The largest file that the process may write, in blocks of 512 bytes: 40 MiB. The index's files are
/// smaller from the start; journal and records grow beyond it.
const BLOCKS: u32 = 81_920;

/// The binary under a limit on the size of its files. Exceeding it is an error, not a signal.
fn limited(data: &std::path::Path) -> Command {
    let plain = soma(data, &["up", "--port", "0", "--metrics-port", "0"]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"")]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn a_full_disk_refuses_writes_and_loses_none_that_it_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::spawned(limited(directory.path()));
    // Large, and quickly projected: numbers of another model are kept, not searched.
    let numbers = vec![0.123_456_789_012_345; 50_000];
    let mut kept: Vec<Value> = Vec::new();
    let refused = loop {
        let reply = server.post("/v1/memories", &json!({ "payload": { "n": kept.len() }, "embedding": numbers }));
        if reply.status != 201 {
            break reply;
        }
        kept.push(reply.json()["id"].clone());
        assert!(kept.len() < 1_000, "the limit does not hold");
    };
    assert!(matches!(refused.status, 503 | 507), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.json()["remedy"].is_string(), "{refused:?}");
    assert!(kept.len() > 10, "only {} writes fitted", kept.len());

    assert_eq!(server.get("/livez").status, 200, "reading goes on");
    let first = kept[0].as_str().expect("an id");
    assert_eq!(server.get(&format!("/v1/memories/{first}")).status, 200);
    server.signal("TERM");
    server.ended();

    // With space again, everything that was acknowledged is there, and in both stores.
    let server = Server::on(directory.path(), &[]);
    let report = server.post("/v1/verify", &json!({ "wait_ms": 30_000 })).json();
    assert_eq!(report["ok"], true, "{report:#}");
    assert!(report["memories"].as_u64() >= Some(kept.len() as u64), "{report}");
    for (n, id) in kept.iter().enumerate() {
        let memory = server.get(&format!("/v1/memories/{}", id.as_str().expect("an id")));
        assert_eq!(memory.json()["payload"]["n"], n);
    }
    assert_eq!(server.post("/v1/memories?wait=stored", &json!({ "payload": "and on" })).status, 201);
}
