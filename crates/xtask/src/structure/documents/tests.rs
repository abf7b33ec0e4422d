use super::*;
use crate::structure::testing::{places, tree};

#[test]
fn a_link_to_nothing_is_found() {
    let found = paths_exist(&tree(&[
        ("docs/a.md", "[here](b.md#part) and [there](../README.md)\n[gone](c.md)\n[out](https://example.org/x.md)\n"),
        ("docs/b.md", ""),
        ("README.md", "[folder](docs/) and [file](docs/a.md)"),
    ]));
    assert_eq!(places(&found), ["docs/a.md:2"]);
}

#[test]
fn a_path_to_nothing_is_found() {
    let text = "`crates/a/src/lib.rs` and `crates/a` and `cargo x`\n`crates/b/src/lib.rs`\n`crates/<name>/src`\n";
    let found = paths_exist(&tree(&[("docs/a.md", text), ("crates/a/src/lib.rs", "")]));
    assert_eq!(places(&found), ["docs/a.md:2"]);
}

#[test]
fn a_document_that_the_index_does_not_list_is_found() {
    let found = index_is_complete(&tree(&[
        ("docs/CANONICAL_DOCUMENTATION.md", "[a](a.md) [README](../README.md)"),
        ("docs/a.md", ""),
        ("docs/b.md", ""),
        ("docs/decisions/0001-x.md", ""),
        ("README.md", ""),
    ]));
    assert_eq!(places(&found), ["docs/b.md:1"]);
}
