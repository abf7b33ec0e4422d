//! Files stay short.

use super::{entry, files};
use crate::structure::testing::{places, tree};

#[test]
fn a_file_of_more_than_500_lines_is_found() {
    let (fits, long) = ("x\n".repeat(500), "x\n".repeat(501));
    let tree =
        tree(&[("crates/a/src/fits.rs", &fits), ("crates/a/src/long.rs", &long), ("examples/data.jsonl", &long)]);
    assert_eq!(places(&files(&tree)), ["crates/a/src/long.rs:501"]);
}

#[test]
fn an_entry_of_more_than_40_lines_is_found() {
    let (fits, long) = ("x\n".repeat(40), "x\n".repeat(41));
    let tree =
        tree(&[("crates/a/src/main.rs", &fits), ("crates/b/src/main.rs", &long), ("crates/b/tests/it/main.rs", &long)]);
    assert_eq!(places(&entry(&tree)), ["crates/b/src/main.rs:41"]);
}
