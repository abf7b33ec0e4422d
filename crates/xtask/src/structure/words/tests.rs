//! Each forbidden word is found, with its line, and only where it counts.

use super::*;
use crate::structure::testing::{places, tree};

#[test]
fn notes_for_later_are_found_in_any_file() {
    let found = unfinished(&tree(&[
        ("README.md", "fine\nTODO: explain\n"),
        ("crates/a/src/b.rs", "// FIXME\nfn f() { todo!() }\n"),
        ("docs/c.md", "the TODOIST client\n"),
    ]));
    assert_eq!(places(&found), ["README.md:2", "crates/a/src/b.rs:1", "crates/a/src/b.rs:2"]);
}

#[test]
fn debugging_ignored_tests_and_sleeps_are_found() {
    for line in ["dbg!(x);", "#[ignore]", "#[ignore = \"slow\"]", "std::thread::sleep(d);", "unimplemented!()"] {
        assert_eq!(unfinished(&tree(&[("crates/a/tests/it/b.rs", line)])).len(), 1, "{line}");
    }
    assert!(unfinished(&tree(&[("crates/a/src/b.rs", "// never thread::sleep\nlet s = \"dbg!\";")])).is_empty());
}

#[test]
fn unwrap_is_found_in_tests_too() {
    let found = unwraps(&tree(&[
        ("crates/a/src/b.rs", "let x = y.unwrap();\nlet z = y.unwrap_or(1);\n// .unwrap()\n"),
        ("crates/a/tests/it/c.rs", "f().unwrap();"),
    ]));
    assert_eq!(places(&found), ["crates/a/src/b.rs:1", "crates/a/tests/it/c.rs:1"]);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let path = ["", "home", "ann", "soma"].join("/");
    let found = machines(&tree(&[("docs/a.md", &format!("see {path}")), ("docs/b.md", "see ~/soma")]));
    assert_eq!(places(&found), ["docs/a.md:1"]);
}

#[test]
fn borrowed_data_is_found_by_its_name() {
    let name = ["examples/loco", "mo10.json"].concat();
    assert_eq!(machines(&tree(&[(&name, "{}")])).len(), 1);
}

#[test]
fn american_spelling_is_found_in_words_and_not_in_code() {
    let found = spelling(&tree(&[
        ("docs/a.md", "The Behavior is fine.\n`normalize` is a name.\n```\ncolor = 1\n```\n"),
        ("crates/a/src/b.rs", "fn normalize() {}\n// we normalize it\nlet s = \"color\";\n"),
        ("examples/c.jsonl", "{\"text\": \"my favorite color\"}"),
    ]));
    assert_eq!(places(&found), ["docs/a.md:1", "crates/a/src/b.rs:2", "crates/a/src/b.rs:3"]);
}
