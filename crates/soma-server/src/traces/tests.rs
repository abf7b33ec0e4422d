//! What counts as a `traceparent`.

use opentelemetry::trace::TraceContextExt as _;

use super::remote;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_names_the_span_that_is_continued() {
    let context = remote(GOOD).expect("it is one");
    let span = context.span().span_context().clone();
    assert_eq!(span.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.span_id().to_string(), "00f067aa0ba902b7");
    assert!(span.is_remote() && span.is_sampled());
}

#[test]
fn what_names_no_span_begins_a_new_trace() {
    let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    for bad in ["", "x", "00-1-2-3", zero, &GOOD.replace("00-4", "ff-4"), &GOOD.replace("4b", "zz")] {
        assert!(remote(bad).is_none(), "{bad}");
    }
}
