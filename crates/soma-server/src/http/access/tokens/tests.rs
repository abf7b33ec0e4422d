//! Which files of tokens are taken, and who is found in them.

use super::*;

/// SHA-256 of `test`.
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn line(name: &str, hash: &str, rest: &str) -> String {
    format!("{{\"name\":\"{name}\",\"sha256\":\"{hash}\",{rest}}}\n")
}

#[test]
fn a_token_is_found_by_its_hash_with_what_it_may_do() {
    let text =
        format!("# ours\n\n{}", line("ci", HASH, r#""rights":["read"],"namespaces":["demo"],"prefixes":["team/"]"#));
    let keys = parse(&text).expect("a valid file");
    assert!(find(&keys, b"tesu").is_none());
    let grant = find(&keys, b"test").expect("the token is known").grant();
    let covers = |name| grant.covers(&Namespace::parse(name).expect("a name"));
    assert!(covers("demo") && covers("team/a") && !covers("demo2") && !covers("tea"));
    assert!(grant.may(Right::Read).is_ok() && grant.may(Right::Write).is_err() && grant.everywhere().is_err());
}

#[test]
fn a_faulty_line_refuses_the_file_and_is_named() {
    let good = line("a", HASH, r#""rights":["read"],"prefixes":[""]"#);
    for (bad, why) in [
        ("no json".to_owned(), "JSON"),
        (line("b", "00", r#""rights":["read"],"prefixes":[""]"#), "sha256"),
        (line("b", &"0".repeat(64), r#""rights":["fly"],"prefixes":[""]"#), "fly"),
        (line("b", &"0".repeat(64), r#""rights":[],"prefixes":[""]"#), "rights"),
        (line("b", &"0".repeat(64), r#""rights":["read"]"#), "namespace"),
        (line("b", &"0".repeat(64), r#""rights":["admin"],"prefixes":["x"]"#), "admin"),
        (line("b", &"0".repeat(64), r#""rights":["read"],"prefixes":[""],"colour":1"#), "colour"),
        (line("b", HASH, r#""rights":["read"],"prefixes":[""]"#), "repeats"),
        (line("a", &"0".repeat(64), r#""rights":["read"],"prefixes":[""]"#), "repeats"),
    ] {
        let error = parse(&format!("{good}{bad}")).expect_err(&bad);
        assert!(error.message.contains("line 2") && error.message.contains(why), "{error}");
        assert!(!error.to_string().contains(HASH), "{error}");
    }
}
