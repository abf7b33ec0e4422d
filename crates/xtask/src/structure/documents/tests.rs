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

#[test]
fn a_variable_that_the_document_lacks_or_invents_is_found() {
    let code = "const A: Variable = Variable::new(\"SOMA_A\", \"1\", \"counts\");\nconst B: Variable =\n    Variable::secret(\"SOMA_B\", \"hides\");\n\
                const C: [Variable; 2] = [\n    Variable::new(\"SOMA_C\", \"\", \"is listed\"),\n    Variable::secret(\"SOMA_D\", \"too\"),\n];\n";
    let config = ("crates/soma-server/src/config/a.rs", code);
    let rows = "| `SOMA_A` | `1` | counts |\n| `SOMA_B` | unset | hides |\n| `SOMA_C` | | is listed |\n| `SOMA_D` | unset | too |\n";
    assert!(configuration_is_complete(&tree(&[config, ("docs/configuration.md", rows)])).is_empty());

    let stale = rows.replace("`1`", "`2`") + "| `SOMA_GONE` | unset | nothing |\n";
    let found = configuration_is_complete(&tree(&[config, ("docs/configuration.md", &stale)]));
    assert_eq!(places(&found), ["docs/configuration.md:1", "docs/configuration.md:5"]);
}
