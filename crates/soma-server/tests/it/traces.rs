//! Traces, as a collector of OTLP sees them: one trace from the caller over the log to both stores.

mod collector;

use serde_json::json;
use soma_cluster::kafka::{Log, Settings};
use soma_core::clock::Clock;
use soma_core::log::{EventLog as _, ReadLimit};
use soma_core::testing::SeededClock;
use std::sync::Arc;

use crate::harness::Server;
use collector::{Collector, Span};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const SECRET: &str = "what nobody but its owner may read";

/// Writes once within the caller's trace and once without one; every span that came of it.
fn traced(collector: &Collector, settings: &[(&str, &str)]) -> Vec<Span> {
    let mut all = settings.to_vec();
    all.push(("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url));
    let mut server = Server::start_with(&all);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let body = json!({ "payload": { "text": SECRET } }).to_string();
    for headers in [&[("traceparent", traceparent.as_str())][..], &[]] {
        let reply = server.send("POST", "/v1/memories?wait=stored&wait_ms=30000", headers, body.as_bytes());
        assert_eq!(reply.status, 201, "{}", reply.text);
    }
    collector.wait_for(8);
    // The process sends what is left before it ends: there must be no more.
    server.stopped();
    collector.spans()
}

/// The one span of this name.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut named = spans.iter().filter(|span| span.name == name);
    let span = named.next().unwrap_or_else(|| panic!("no span {name} in {spans:?}"));
    assert!(named.next().is_none(), "{name} is there twice in {spans:?}");
    span
}

/// Four spans: the request below `parent`, the projection below it, both stores below that.
fn check(spans: &[Span], parent: &str) {
    assert_eq!(spans.len(), 4, "{spans:?}");
    let request = one(spans, "POST /v1/memories");
    assert_eq!((request.parent.as_str(), request.kind.as_str()), (parent, "SPAN_KIND_SERVER"));
    let project = one(spans, "project");
    assert_eq!((&project.parent, project.kind.as_str()), (&request.id, "SPAN_KIND_CONSUMER"));
    for store in ["kv_writer", "vector_indexer"] {
        let store = one(spans, store);
        assert_eq!((&store.parent, store.kind.as_str()), (&project.id, "SPAN_KIND_CLIENT"));
        assert!(store.start >= project.start && store.end <= project.end, "{store:?} lies outside {project:?}");
        assert!(store.start <= store.end && request.start <= store.end, "{store:?} ends before it begins");
    }
}

fn follow(spans: &[Span]) {
    let (callers, own): (Vec<Span>, Vec<Span>) = spans.iter().cloned().partition(|span| span.trace == TRACE);
    check(&callers, CALLER);
    check(&own, "");
    assert!(own.iter().all(|span| span.trace == own[0].trace), "one trace: {own:?}");
    for span in spans {
        assert_eq!(span.service, "soma");
        assert!(!span.everything.contains(SECRET), "{span:?} shows what was written");
    }
}

#[test]
fn a_write_is_one_trace_from_the_caller_over_the_journal_to_both_stores() {
    let collector = Collector::start();
    follow(&traced(&collector, &[]));
}

#[test]
fn a_write_is_one_trace_from_the_caller_over_the_header_of_a_kafka_record_to_both_stores() {
    #[expect(clippy::disallowed_methods, reason = "the variables of the test plan are read where its tiers begin")]
    let Some(bootstrap) = std::env::var("SOMA_TEST_KAFKA").ok().filter(|value| !value.is_empty()) else {
        #[expect(clippy::print_stderr, reason = "a tier that does not run must be seen")]
        {
            eprintln!("SKIPPED: SOMA_TEST_KAFKA is not set");
        }
        return;
    };
    let topic = format!("test.traces-{}", std::process::id());
    let letters = format!("{topic}.dlq");
    let collector = Collector::start();
    let spans = traced(
        &collector,
        &[
            ("KAFKA_BOOTSTRAP_SERVERS", &bootstrap),
            ("KAFKA_MEMORY_EVENTS_TOPIC", &topic),
            ("KAFKA_MEMORY_DLQ_TOPIC", &letters),
            ("KAFKA_CONSUMER_GROUP", &topic),
        ],
    );
    follow(&spans);

    // What lies in the topic names the span of the request, for whichever process projects it.
    let requests = spans.iter().filter(|span| span.name == "POST /v1/memories");
    let mut expected: Vec<String> = requests.map(|span| format!("00-{}-{}-01", span.trace, span.id)).collect();
    let mut settings = Settings::new(&bootstrap);
    settings.topic = topic;
    let mut found = collector.runtime().block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SeededClock::new(1));
        let log = Log::connect(&settings, 1, &clock).await.expect("the cluster is there");
        let mut found = Vec::new();
        for bounds in log.bounds().await.expect("the cluster is there") {
            let limit = ReadLimit { records: 10, bytes: 1 << 20 };
            for record in log.read(bounds.partition, bounds.first, limit).await.expect("the cluster is there") {
                let header = record.header("traceparent").expect("every record of ours carries one");
                found.push(String::from_utf8(header.to_vec()).expect("text"));
            }
        }
        found
    });
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
