//! Directions between crates hold, and nothing comes from one machine's registry.

use super::*;
use crate::structure::testing::{places, tree};

#[test]
fn nothing_depends_on_the_server() {
    let found = directions(&tree(&[(
        "crates/soma-embedded/Cargo.toml",
        "[dependencies]\nsoma-core.workspace = true\nsoma-server = \"1\"\n",
    )]));
    assert_eq!(places(&found), ["crates/soma-embedded/Cargo.toml:3"]);
}

#[test]
fn the_testkit_serves_tests_only() {
    let text = "[dependencies]\nsoma-testkit.workspace = true\n\n[dev-dependencies]\nsoma-testkit.workspace = true\n";
    assert_eq!(places(&directions(&tree(&[("crates/soma-core/Cargo.toml", text)]))), ["crates/soma-core/Cargo.toml:2"]);
}

#[test]
fn a_crate_without_a_place_is_found() {
    assert_eq!(places(&directions(&tree(&[("crates/soma-extra/Cargo.toml", "")]))), ["crates/soma-extra/Cargo.toml:1"]);
}

#[test]
fn a_dependency_of_the_core_that_does_io_is_found() {
    let text = "[dependencies]\nserde.workspace = true\n# why\nrusqlite = { version = \"1\" }\n[dev-dependencies]\ngoldenscript = \"1\"\n[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n";
    let found =
        core_dependencies(&tree(&[("crates/soma-core/Cargo.toml", text), ("crates/soma-embedded/Cargo.toml", text)]));
    assert_eq!(places(&found), ["crates/soma-core/Cargo.toml:4", "crates/soma-core/Cargo.toml:8"]);
}

#[test]
fn a_crate_that_does_not_inherit_the_lints_is_found() {
    let found = lints_are_inherited(&tree(&[
        ("crates/soma-core/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n"),
        ("crates/soma-server/Cargo.toml", "[package]\n"),
    ]));
    assert_eq!(places(&found), ["crates/soma-server/Cargo.toml:1"]);
}

#[test]
fn a_package_from_elsewhere_is_found() {
    let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://example.org/x#1\"\n";
    let config = "[alias]\n[source.crates-io]\n";
    let found = sources(&tree(&[("Cargo.lock", lock), (".cargo/config.toml", config)]));
    assert_eq!(places(&found), ["Cargo.lock:2", ".cargo/config.toml:2"]);
}
