//! The tally reads what `cargo test` prints and is not fooled by a run in which nothing ran.

use super::Tally;

fn tally(lines: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        tally.read(line);
    }
    tally
}

#[test]
fn sums_over_binaries_and_names_each_closing_line() {
    let tally = tally(&[
        "     Running unittests src/lib.rs (target/release/deps/soma_core-1f)",
        "test fold::tests::late ... ok",
        "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        "     Running tests/it/main.rs (target/release/deps/it-2e)",
        "test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
    ]);
    assert_eq!(tally.summary(), "tests: 42 passed, 0 failed, 0 ignored, in 2 test binaries");
    assert!(tally.closings()[0].starts_with("soma_core, unit: test result: ok. 2 passed"));
    assert!(tally.closings()[1].starts_with("soma_core, it: test result: ok. 40 passed"));
    assert_eq!(tally.verdict(), Ok(()));
}

#[test]
fn a_binary_without_tests_closes_silently_and_is_counted() {
    let tally = tally(&["   Doc-tests soma_core", "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured"]);
    assert!(tally.closings().is_empty());
    assert!(tally.summary().ends_with("in 1 test binaries"));
}

#[test]
fn a_failure_fails_and_is_named() {
    let tally = tally(&[
        "     Running tests/it/main.rs (target/release/deps/it-2e)",
        "test crash::nothing_is_lost ... FAILED",
        "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
    ]);
    let reason = tally.verdict().expect_err("one test failed");
    assert!(reason.contains("it: crash::nothing_is_lost"), "{reason}");
}

#[test]
fn an_ignored_test_fails() {
    let tally = tally(&["test result: ok. 1 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0s"]);
    assert!(tally.verdict().is_err());
}

#[test]
fn a_run_without_tests_fails() {
    assert!(tally(&["test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured"]).verdict().is_err());
}

#[test]
fn a_tier_that_did_not_run_fails_and_is_named() {
    let reason = tally(&["test unrelated ... ok"]).tiers().expect_err("no tier ran");
    assert!(reason.contains("structure checks"), "{reason}");
}

#[test]
fn a_tier_that_failed_has_not_run() {
    assert!(tally(&["test structure::size::tests::long_files ... FAILED"]).tiers().is_err());
}
