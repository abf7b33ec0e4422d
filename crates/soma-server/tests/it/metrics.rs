//! Metrics on the wire: their names, both formats, both ports, and what they count.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::Server;

/// Name and type of every metric, as Prometheus sees them; what the operating system tells is left out.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter(|line| !line.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn golden_the_names_and_types_of_all_metrics_are_the_contract() {
    let server = Server::start();
    let names = names(&server.get("/metrics").text).into_iter().collect::<Vec<_>>().join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/metrics.txt");
    #[expect(clippy::disallowed_methods, reason = "`cargo x bless` asks for new golden files this way")]
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::write(&file, &names).expect("the golden file can be written");
    }
    assert_eq!(names, fs::read_to_string(file).expect("there is a golden file"));
}

#[test]
fn what_is_written_and_asked_is_counted() {
    let server = Server::start();
    for n in 0..3 {
        assert_eq!(server.post("/v1/memories?wait=stored", &json!({ "payload": n })).status, 201);
    }
    server.get("/v1/memories/0190b8a0-0000-7000-8000-00000000ffff");
    server.get("/nothing/at/all");
    let text = server.get("/metrics").text;
    for line in [
        "consumer_messages_consumed_total{topic=\"memory.events\"} 3",
        "consumer_process_success_total{component=\"kv_writer\"} 3",
        "consumer_process_success_total{component=\"vector_indexer\"} 3",
        "consumer_process_success_total{component=\"both\"} 3",
        "consumer_end_to_end_latency_seconds_count 3",
        "api_requests_total{endpoint=\"/v1/memories\",method=\"POST\",status=\"201\"} 3",
        "api_requests_total{endpoint=\"/v1/memories/{id}\",method=\"GET\",status=\"404\"} 1",
        "api_requests_total{endpoint=\"unmatched\",method=\"GET\",status=\"404\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in {text}");
    }
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let server = Server::start();
    let open = server.send("GET", "/metrics", &[("accept", "application/openmetrics-text; version=1.0.0")], b"");
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open.text.ends_with("# EOF\n"));
    let plain = server.get("/metrics");
    assert!(plain.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(!plain.text.contains("# EOF"));
}
