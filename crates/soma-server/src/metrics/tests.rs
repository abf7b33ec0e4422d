//! Names, labels and buckets that dashboards depend on.

use std::collections::BTreeSet;

use super::expose::Format;
use super::*;
use crate::clock::SystemClock;

fn lines(format: Format) -> Vec<String> {
    Metrics::new("memory.events", Arc::new(SystemClock::new())).text(format).lines().map(str::to_owned).collect()
}

#[test]
fn the_four_kept_metrics_have_their_names_labels_and_buckets_from_the_start() {
    let lines = lines(Format::Prometheus);
    let has = |line: &str| assert!(lines.iter().any(|l| l == line), "{line} is missing");
    has("consumer_messages_consumed_total{topic=\"memory.events\"} 0");
    has("# TYPE consumer_messages_consumed_total counter");
    for component in ["kv_writer", "vector_indexer", "both"] {
        has(&format!("consumer_process_success_total{{component=\"{component}\"}} 0"));
        has(&format!("consumer_process_failure_total{{component=\"{component}\"}} 0"));
    }
    let buckets: Vec<&str> = lines
        .iter()
        .filter(|l| l.starts_with("consumer_processing_latency_seconds_bucket") && l.contains("both"))
        .filter_map(|l| l.split("le=\"").nth(1)?.split('"').next())
        .collect();
    let expected = ".005 .01 .025 .05 .075 .1 .25 .5 .75 1 2.5 5 7.5 10";
    let seconds = |text: &str| text.parse::<f64>().expect("a bucket is a number");
    let (last, finite) = buckets.split_last().expect("there are buckets");
    assert_eq!(
        finite.iter().map(|t| seconds(t)).collect::<Vec<_>>(),
        expected.split(' ').map(seconds).collect::<Vec<_>>()
    );
    assert_eq!(*last, "+Inf");
}

#[test]
fn both_formats_hold_the_same_samples() {
    let samples = |format| -> BTreeSet<String> {
        lines(format).into_iter().filter(|l| !l.starts_with('#') && !l.starts_with("process_")).collect()
    };
    assert_eq!(samples(Format::Prometheus), samples(Format::OpenMetrics));
}

#[test]
fn only_openmetrics_marks_its_end() {
    assert_eq!(lines(Format::OpenMetrics).last().map(String::as_str), Some("# EOF"));
    assert!(!lines(Format::Prometheus).iter().any(|l| l == "# EOF" || l.starts_with("# UNIT")));
}

#[test]
fn every_metric_has_help_and_type_under_the_name_of_its_samples() {
    let lines = lines(Format::Prometheus);
    for name in lines.iter().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(lines.iter().any(|l| l.starts_with(&format!("# HELP {name} "))), "{name} has no help");
        assert!(lines.iter().any(|l| l.starts_with(name)), "{name} has no sample");
    }
}

#[test]
fn the_format_follows_the_accept_header() {
    assert_eq!(Format::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Format::OpenMetrics);
    assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    assert_eq!(Format::accepted(""), Format::Prometheus);
}
