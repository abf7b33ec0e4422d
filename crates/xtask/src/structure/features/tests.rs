//! A feature that only the tests switch on is found.

use std::collections::BTreeSet;

use super::compare;

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn a_package_with_other_features_in_the_workspace_is_named() {
    let product = set(&["memchr v2.7 [std]", "serde v1.0 [derive]"]);
    let workspace = set(&["memchr v2.7 [std,use_std]", "serde v1.0 [derive]"]);
    let reason = compare(&product, &workspace).expect_err("memchr is split");
    assert!(reason.contains("memchr v2.7 [std]") && !reason.contains("serde"), "{reason}");
}

#[test]
fn packages_that_only_the_tests_use_are_no_matter() {
    let product = set(&["serde v1.0 [derive]"]);
    assert_eq!(compare(&product, &set(&["serde v1.0 [derive]", "tempfile v3 []"])), Ok(()));
}
