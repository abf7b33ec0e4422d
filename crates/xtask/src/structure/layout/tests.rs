//! Modules explain themselves and tests have their places.

use super::*;
use crate::structure::testing::{places, tree};

#[test]
fn a_module_without_a_purpose_is_found() {
    let found = modules_open_with_a_purpose(&tree(&[
        ("crates/a/src/good.rs", "\n//! Why it exists.\nfn f() {}"),
        ("crates/a/src/bare.rs", "use std::fmt;"),
        ("crates/a/src/hollow.rs", "//!\nfn f() {}"),
        ("crates/a/src/empty.rs", ""),
    ]));
    assert_eq!(places(&found), ["crates/a/src/bare.rs:1", "crates/a/src/hollow.rs:1", "crates/a/src/empty.rs:1"]);
}

#[test]
fn tests_inside_the_code_are_found() {
    let found = tests_have_their_own_files(&tree(&[
        ("crates/a/src/good.rs", "#[cfg(test)]\nmod tests;"),
        ("crates/a/src/bad.rs", "#[cfg(test)]\nmod tests {\n}"),
    ]));
    assert_eq!(places(&found), ["crates/a/src/bad.rs:2"]);
}

#[test]
fn a_second_integration_binary_is_found() {
    let found = one_integration_binary(&tree(&[
        ("crates/a/tests/it/main.rs", ""),
        ("crates/a/tests/it/crash.rs", ""),
        ("crates/a/tests/crash.rs", ""),
        ("crates/a/tests/other/main.rs", ""),
        ("crates/a/src/size/tests.rs", ""),
    ]));
    assert_eq!(places(&found), ["crates/a/tests/crash.rs:1", "crates/a/tests/other/main.rs:1"]);
}
